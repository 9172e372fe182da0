"""What no rule derives, and is found all the same: discovery on what a measurement leaves over."""

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.analysis.subject import Subject
from symfind.report.certificate import FoundField
from symfind.verify import Function, Nullity

_SHOWN = 4  # kinds of fields that are spelled out in a sentence


@dataclass(frozen=True)
class Look:
    """The outcome of a discovery on what is unexplained.

    Attributes:
        fields: the kinds of vector fields that add to the derived ones; None where none were
            looked for.
        directions: of the generators where the nullity was measured, [parameters, number].
        all: whether everything was looked at.
    """

    fields: tuple[FoundField, ...] | None
    directions: Tensor
    all: bool

    @property
    def dimension(self) -> int:
        """How many of the unexplained directions are explained."""
        return sum(field.dimension for field in self.fields or ())

    def sentence(self, unexplained: int) -> str:
        """In words, with how many directions there were to explain."""
        if self.fields is None:
            return "Discovery did not look at them, the model being large for it: --discover does."
        more = "" if self.all else " Not all was looked at: --discover looks further."
        if not self.fields:
            return f"Discovery found no vector field that explains any of them.{more}"
        shown = [f"{f.dimension:,} by {f.text}" for f in self.fields[:_SHOWN]]
        rest = len(self.fields) - len(shown)
        shown += [f"the others by {rest:,} more kinds of fields"] if rest else []
        return (
            f"Discovered, without a rule: {self.dimension:,} of the unexplained {unexplained:,}, "
            f"with these fields: {'; '.join(shown)}. Checked by derivatives and along flows at "
            f"fresh points, and not in the totals.{more}"
        )


def look_beyond(subject: Subject, function: Function, measured: Nullity) -> Look:
    """Run discovery on what a measurement shows beyond the derived directions.

    Args:
        subject: the model; it says whether to look further than a few seconds allow.
        function: the same.
        measured: with directions beyond the known ones.
    """
    # discovery compares itself with an analysis, and so imports it
    from symfind.discovery.beyond import beyond
    from symfind.discovery.generators import moves
    from symfind.discovery.samples import places

    subject.tell("looking for vector fields that no rule gives")
    none = torch.zeros(function.count, 0, dtype=torch.float64)
    found = beyond(
        function, measured, subject.fresh(), subject.seed, subject.discover, subject.tell
    )
    if found is None:
        return Look(None, none, False)
    basis, everything = found
    assert measured.theta is not None
    directions = moves(basis.generators, measured.theta, places(function, function.names))
    by_id = {g.id: g for g in basis.generators}
    fields = []
    for kind in basis.patterns:
        own = [by_id[name] for name in kind.generators]
        fields.append(FoundField(
            text=kind.text,
            example=kind.example,
            generators=kind.count,
            dimension=kind.dimension,
            parameters=own[0].parameters,
            exact=all(g.exact for g in own),
            residual=max(g.residual for g in own),
        ))  # fmt: skip
    return Look(tuple(f for f in fields if f.dimension), directions, everything)
