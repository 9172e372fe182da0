"""A family of discovered fields as a factor of a report."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.describe.factors import written
from symfind.describe.names import unique
from symfind.describe.recorded import Recorder
from symfind.discovery.family import Acting
from symfind.discovery.monomials import Monomial
from symfind.report.model import Factor, GeneratorText, Kind, Place, Residual
from symfind.report.words import CHANGES

_SHOWN = 4  # tensors in a name
_ELEMENTS = 40  # that are looked at, to say of which kind they are


@dataclass(frozen=True)
class FoundFactor:
    """What discovery adds to a report.

    Attributes:
        family: the fields, which stand.
        orbit: dimensions that they add, at a generic point, to all before them.
        residual: what verification measured.
        formula: of `orbit`, in sizes, where another size confirms it.
    """

    family: Acting
    orbit: int
    residual: Residual
    formula: Any = None

    @property
    def algebra(self) -> int:
        """Dimension of the fields, which are independent over the constants."""
        return self.family.dimension


def factor_of(found: FoundFactor, taken: set[str], recorder: Recorder) -> Factor:
    """A row of the report, marked as found by discovery."""
    record = recorder.of_generator(found.family, found.algebra)
    n, names = found.algebra, found.family.parameters
    label = f"R^{n}" if n > 1 else "R"
    name = unique(_identified(names), taken)
    return Factor(
        id=name,
        kind=_kind(found.family),
        group=label,
        algebra=label,
        sites=1,
        dimension=n,
        total=n,
        formula=str(n) if found.formula is None else written(found.formula + n - found.orbit),
        parameters=names,
        generator=GeneratorText(
            f"{found.family.text} ({CHANGES[0].lower()}{CHANGES[1:]})",
            "",
            record.element,
            record.actions,
        ),
        residual=found.residual,
        places=(Place(name, names, "", n, record=0, tensors=record.names),),
        records=(record,),
        generators=(found.family,),
        origin="discovery",
    )


def _kind(family: Acting) -> Kind:
    blocks = family.monomials
    if any(source.form == "kernel" for block in blocks for source, _ in block.factors):
        return "reach"
    if all(_constant(block) for block in blocks):
        return "shift"
    if all(_skew(family, block) for block in blocks):
        return "rotation"
    if not any(_own(block) for block in blocks):
        return "parallel"
    if all(_own(block) and _diagonal(family, block) for block in blocks):
        return "scaling"
    return "gauge"


def _constant(block: Monomial) -> bool:
    """Whether the tensor moves by constants, over gains or not."""
    return all(source.name != block.target and len(letters) == 1 for source, letters in
               block.factors)  # fmt: skip


def _own(block: Monomial) -> bool:
    return any(source.name == block.target for source, _ in block.factors)


def _values(family: Acting, block: Monomial) -> Tensor:
    """Coefficients that some elements have in a monomial, [elements, *sizes]."""
    some = itertools.islice(family.elements(), _ELEMENTS)
    return torch.stack([
        values for c in some for own, values in family.mixed(c) if own is block
    ])  # fmt: skip


def _skew(family: Acting, block: Monomial) -> bool:
    values = _values(family, block)
    square = values.ndim == 3 and values.shape[1] == values.shape[2] > 1
    return square and bool((values + values.mT).abs().max() == 0) and _own(block)


def _diagonal(family: Acting, block: Monomial) -> bool:
    values = _values(family, block)
    if values.ndim < 3:
        return True
    square = values.shape[-1] == values.shape[-2]
    return square and bool((values - values.diagonal(dim1=-2, dim2=-1).diag_embed()).abs().max()
                           == 0)  # fmt: skip


def _identified(names: Sequence[str]) -> str:
    """A readable name: the common path of its tensors, and their last names."""
    split = [name.split(".") for name in names]
    depth = 0
    while all(len(s) > depth + 1 for s in split) and len({s[depth] for s in split}) == 1:
        depth += 1
    tails = list(dict.fromkeys(".".join(s[depth:]).removesuffix(".weight") for s in split))
    shown = "-".join(tails[:_SHOWN]) + ("-..." if len(tails) > _SHOWN else "")
    return f"{'.'.join(split[0][:depth]) or 'model'}:{shown}"
