"""The stacked equation, tensor by tensor.

A symmetry moves any group of tensors within the projection of the null space onto that group. That
is an equation on the fields of these tensors alone, at every point; it is exact once the group is
all of them. Tensors are taken into the group one at a time, those first on which the projection is
narrowest, and after each the combinations of fields that are still possible are few. So no system
is ever much larger than the fields of one tensor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind import budget
from symfind.discovery.monomials import Monomial
from symfind.discovery.rationalise import echelon
from symfind.discovery.samples import Part
from symfind.numerics.decompose import right

_PROJECTED = 1e-11  # of a unit vector, from which it is part of a projection; less is an error
_SPARE, _MOST = 3, 40  # points beyond what the values of a field need, and at most
_ENOUGH = 1.1  # equations per unknown, from which some points are looked at
_WAITING = 150  # unknowns that are taken into a group at once
_ZERO = 1e-8  # relative size of what is left of a combination that stays within projections
_CLEAR = 1e-6  # and of what is left of one that clearly does not


@dataclass(frozen=True)
class Fields:
    """The unknown fields of one tensor.

    Attributes:
        target: the tensor.
        blocks: its monomials, each with the positions within it that are unknowns.
        places: of these among all unknowns.
    """

    target: str
    blocks: tuple[tuple[Monomial, Tensor], ...]
    places: Tensor

    def at(self, part: Part, index: int) -> Tensor:
        """All of them at a point, as columns [scalars of the tensor, fields]."""
        theta = part.theta(index)
        value = theta[self.target]
        eye = torch.eye(value.numel(), dtype=torch.float64)
        eye = eye.reshape(value.numel(), *value.squeeze().shape)
        return torch.cat([b.pull(eye, theta)[:, inner] for b, inner in self.blocks], 1)


@dataclass
class Group:
    """Some tensors, and the combinations of their fields that are still possible.

    Attributes:
        names: of the tensors.
        combined: combinations [unknowns, fewer].
        moves: at every point, what they do to these tensors, [scalars, fewer].
        least: points at which fields of a tensor that are independent differ from each other.
    """

    names: list[str]
    combined: Tensor
    moves: list[Tensor]
    least: int

    def joined(self, other: "Group") -> "Group":
        """Both groups as one, each moved as it was."""
        moves = [torch.block_diag(a, b) for a, b in zip(self.moves, other.moves, strict=True)]
        combined = torch.cat([self.combined, other.combined], 1)
        return Group(self.names + other.names, combined, moves, max(self.least, other.least))


class Absorption:
    """Null spaces at some points, and groups of fields that are held against them.

    Attributes:
        part: points with derivatives by the tensors.
        points: numbers of those where the null space is known precisely.
        null: orthonormal columns of it, at each.
    """

    def __init__(self, part: Part, points: int) -> None:
        """Look for so many points, among twice as many."""
        self.part = part
        self.points: list[int] = []
        self.null: list[Tensor] = []
        for i in range(2 * points):
            null = part.null(i)
            if null is not None:
                self.points.append(i)
                self.null.append(null)
            if len(self.points) == points:
                break

    def alone(self, fields: Fields, count: int) -> Group:
        """The fields of one tensor, [count] unknowns being all there are."""
        combined = torch.zeros(count, len(fields.places), dtype=torch.float64)
        combined[fields.places, torch.arange(len(fields.places))] = 1.0
        moves = [fields.at(self.part, i) for i in self.points]
        least = math.ceil(len(fields.places) / self.part.scalars(fields.target))
        return self.within(Group([fields.target], combined, moves, least))

    def within(self, group: Group) -> Group:
        """What keeps to the projections of the null spaces.

        Points are taken in until their equations decide clearly what they leave, and then further
        ones until these leave all of it.
        """
        budget.check()
        if not group.combined.shape[1]:
            return group
        keep: Tensor | None = None  # combinations that the points so far leave
        chunk: list[tuple[Tensor, Tensor]] = []  # moves, and the part of them that is seen
        worth = 0.0
        for i, null in enumerate(self.null):
            own = torch.cat([null[self.part.slices[name]] for name in group.names])
            basis = _range(own)
            if basis.shape[1] == len(own):
                continue
            here = group.moves[i] if keep is None else group.moves[i] @ keep
            unknowns = here.shape[1]
            chunk.append((here, here - basis @ (basis.T @ here)))
            worth += len(own) - basis.shape[1]
            few = keep is None and len(chunk) < min(group.least, len(self.null))
            if few or worth < _ENOUGH * unknowns:
                continue
            new = _kernel(*(torch.cat(parts) for parts in zip(*chunk, strict=True)))
            if new is None:
                worth -= unknowns / 2
                continue
            keep = new if keep is None else keep @ new
            chunk, worth = [], 0.0
            if new.shape[1] == unknowns:
                break
        if keep is None:
            return group
        # one group after another, errors would grow; where the space is rational, fractions have
        # none, and whether they are the right ones shows at points that were not looked at
        keep = echelon(keep).T
        moves = [m @ keep for m in group.moves]
        return Group(group.names, group.combined @ keep, moves, group.least)


def absorb(fields: Sequence[Fields], count: int, part: Part) -> tuple[Tensor, int]:
    """Combinations of unknowns that are null at the first points of a sequence, and how many.

    Args:
        fields: those of every tensor.
        count: number of unknowns.
        part: points with derivatives by the tensors.
    """
    together = math.ceil(_ENOUGH * count / max(part.rank, 1))
    points = min(_MOST, max([together, *(_needed(f, part) for f in fields)]) + _SPARE)
    absorption = Absorption(part, points)
    order = sorted(fields, key=lambda f: _reached(f, part) / part.scalars(f.target))
    group: Group | None = None
    waiting = 0  # unknowns that were taken in since the group was last looked at
    for i, own in enumerate(order):
        alone = absorption.alone(own, count)
        group = alone if group is None else group.joined(alone)
        waiting += alone.combined.shape[1]
        if waiting > max(_WAITING, group.combined.shape[1] / 3) or i == len(order) - 1:
            group, waiting = absorption.within(group), 0
    none = torch.zeros(count, 0, dtype=torch.float64)
    found = group.combined if group else none
    return found / found.norm(dim=0), max(absorption.points, default=-1) + 1


def _reached(fields: Fields, part: Part) -> int:
    """How many dimensions of a tensor null directions reach."""
    null = next((n for i in range(_SPARE) if (n := part.null(i)) is not None), None)
    if null is None:
        return part.scalars(fields.target)
    return int((torch.linalg.svdvals(null[part.slices[fields.target]]) > _PROJECTED).sum())


def _needed(fields: Fields, part: Part) -> int:
    """Points that decide which of the fields of a tensor keep to what null directions reach."""
    scalars = part.scalars(fields.target)
    equations = scalars - _reached(fields, part)
    return math.ceil(_ENOUGH * len(fields.places) / (equations or scalars))


def _range(columns: Tensor) -> Tensor:
    """Orthonormal columns of the range of a part of an orthonormal matrix.

    A random mixing of the columns makes a QR factorisation reveal the rank (Demmel, Dumitriu,
    Holtz, "Fast linear algebra is stable", 2007, section 5).
    """
    rows, count = columns.shape
    rng = torch.Generator().manual_seed(count)
    mixing = torch.randn(count, min(rows, count), generator=rng, dtype=columns.dtype)
    q, r = torch.linalg.qr(columns @ mixing / max(count, 1) ** 0.5)
    return q[:, r.diagonal().abs() > _PROJECTED]


def _kernel(moves: Tensor, equations: Tensor) -> Tensor | None:
    """Columns that all equations take to zero; None where some are nearly taken there."""
    sizes = moves.norm(dim=0).clamp(min=1e-300)
    scaled = equations / sizes
    values, vh = right(scaled)
    rank = int((values > _ZERO).sum())
    if rank and float(values[rank - 1]) < _CLEAR:
        return None
    return torch.linalg.qr(vh[rank:].T / sizes[:, None]).Q
