"""What was discovered against what the rules derive, and against what is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.count.rank import columns, rank
from symfind.numerics.decompose import svd
from symfind.numerics.spans import span
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

_SHARE = 1e-6  # of the squared norm of one direction, below which a tensor is no part of it


@dataclass(frozen=True)
class Symbolic:
    """Families that the rules derive, by the factor of the report that they belong to."""

    families: tuple[tuple[str, str, Family], ...]  # id and kind of the factor
    unread: tuple[str, ...]
    unsupported: tuple[str, ...]


@dataclass(frozen=True)
class Beyond:
    """A factor with directions that no discovered generator gives."""

    id: str
    kind: str
    dimension: int


@dataclass(frozen=True)
class Comparison:
    """Two spans at one generic point, and how they differ.

    Attributes:
        redundant: dimension of the span that the rules derive.
        missed: discovered dimensions outside of it: symmetries that the rules do not see.
        missed_support: the tensors that carry them.
        beyond: derived dimensions outside the discovered span: symmetries whose coefficients depend
            on θ in a way that the dictionary cannot express.
        beyond_factors: the factors with such directions (they may overlap).
        unsupported: operations that are rigid for want of a rule.
        unavailable: why there is nothing to compare with, if so.
    """

    redundant: int
    missed: int
    missed_support: tuple[str, ...]
    beyond: int
    beyond_factors: tuple[Beyond, ...]
    unsupported: tuple[str, ...]
    unavailable: str = ""


def compare(
    found: Tensor, symbolic: Symbolic, theta: Mapping[str, Tensor], slices: Mapping[str, slice]
) -> Comparison:
    """Hold discovered directions, [parameters, generators], against derived ones at a point."""
    point = Point(theta)
    parts = [_dense(point, family, slices, len(found)) for _, _, family in symbolic.families]
    inert = _unread(symbolic.unread, slices, found)
    derived = torch.cat([inert, *parts], 1)
    discovered, own = rank(found), rank(derived)
    both = rank(torch.cat([found, derived], 1))
    factors: dict[tuple[str, str], list[Tensor]] = {}
    for (name, kind, _), part in zip(symbolic.families, parts, strict=True):
        factors.setdefault((name, kind), []).append(part)
    beyond = [
        Beyond(name, kind, rank(torch.cat([found, *own_parts], 1)) - discovered)
        for (name, kind), own_parts in factors.items()
        if both > discovered
    ]
    return Comparison(
        own,
        both - own,
        support(found, derived, slices, both - own),
        both - discovered,
        tuple(b for b in beyond if b.dimension),
        symbolic.unsupported,
    )


def _dense(point: Point, family: Family, slices: Mapping[str, slice], size: int) -> Tensor:
    parts = columns(point, family)
    width = next(iter(parts.values())).shape[1] if parts else 0
    dense = torch.zeros(size, width, dtype=torch.float64)
    for name, block in parts.items():
        if name in slices:
            dense[slices[name]] = block
    return dense


def _unread(names: Sequence[str], slices: Mapping[str, slice], like: Tensor) -> Tensor:
    places = [i for n in names for i in range(slices[n].start, slices[n].stop)]
    return torch.eye(len(like), dtype=like.dtype)[:, places]


def support(
    one: Tensor, other: Tensor, slices: Mapping[str, slice], missing: int
) -> tuple[str, ...]:
    """Names of the tensors in the span of `one` once that of `other` is taken out.

    Args:
        one: directions as columns.
        other: directions as columns.
        slices: where each tensor is.
        missing: how many dimensions are left.
    """
    if missing <= 0:
        return ()
    one, other = span(one), span(other)
    left = svd(one - other @ (other.T @ one))[0][:, :missing]
    return tuple(
        name for name, place in slices.items()
        if left[place].numel() and float(left[place].square().sum(0).max()) > _SHARE
    )  # fmt: skip
