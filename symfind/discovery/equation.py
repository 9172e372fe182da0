"""The linearised invariance equation over a dictionary, stacked over points and inputs.

`D_θ f(θ, x) · Σ_k c_k v_k(θ) = 0` for all θ and x is linear in the constants c. The fields of the
dictionary are first thinned out until no combination of them vanishes identically; then the null
space of the stacked equations is the space of symmetries that the dictionary can express.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.discovery.absorb import Fields, absorb
from symfind.discovery.monomials import Monomial
from symfind.discovery.samples import Part, Sample
from symfind.numerics.decompose import right
from symfind.numerics.rank import Spectrum, widest_gap
from symfind.numerics.rowspace import RowSpace
from symfind.numerics.tolerances import NOISE

MOST_UNKNOWNS = 4000  # of a dense system, that are left once each tensor was looked at
_DEPENDENT = 1e-8  # part of a field, of unit norm, that earlier ones do not give
_VANISHING = 1e-10  # size of a field that is zero but for rounding
_ZERO = 1e-9  # coefficients of a relation that count as zero
_SPARE = 1.1  # equations per unknown
_CONFIRM = 2  # further points that must see nothing of the solutions
_ROUNDS = 6  # how often equations are added before giving up


@dataclass(frozen=True)
class Unknowns:
    """Fields of a dictionary, and those that are linearly independent over the constants.

    Attributes:
        blocks: the monomials.
        kept: the positions of the independent ones, among all fields of all blocks in order.
        relations: combinations [relations, fields] of all fields that vanish identically.
    """

    blocks: tuple[Monomial, ...]
    kept: Tensor
    relations: Tensor

    @property
    def total(self) -> int:
        """Number of fields."""
        return sum(block.count for block in self.blocks)

    @property
    def count(self) -> int:
        """Number of unknowns."""
        return len(self.kept)

    def apply(self, rows: Tensor, sample: Sample, slices: Mapping[str, slice]) -> Tensor:
        """Covectors [rows, scalars] on all fields at a point: [rows, fields]."""
        shapes = {name: value.squeeze().shape for name, value in sample.theta.items()}
        parts = [
            block.pull(
                rows[:, slices[block.target]].reshape(len(rows), *shapes[block.target]),
                sample.theta,
            )
            for block in self.blocks
        ]
        return torch.cat(parts, 1)

    def fields(self, sample: Sample, slices: Mapping[str, slice]) -> Tensor:
        """All fields at a point as columns, [scalars, fields]."""
        size = max((place.stop for place in slices.values()), default=0)
        return self.apply(torch.eye(size, dtype=torch.float64), sample, slices)

    def by_target(self) -> tuple[Fields, ...]:
        """The unknowns of every tensor."""
        found: dict[str, list[tuple[Monomial, Tensor, Tensor]]] = {}
        start = 0
        for block in self.blocks:
            inside = (self.kept >= start) & (self.kept < start + block.count)
            own = inside.nonzero().flatten()
            if len(own):
                found.setdefault(block.target, []).append((block, self.kept[own] - start, own))
            start += block.count
        return tuple(
            Fields(name, tuple((b, i) for b, i, _ in own), torch.cat([p for _, _, p in own]))
            for name, own in found.items()
        )

    def spread(self, rows: Tensor) -> Tensor:
        """Combinations of the independent fields, [rows, count], as ones of all [rows, fields]."""
        full = rows.new_zeros(len(rows), self.total)
        full[:, self.kept] = rows
        return full


def independent(blocks: Sequence[Monomial], samples: Part) -> Unknowns:
    """Leave out every field that is a constant combination of earlier ones, or zero.

    Fields of different tensors are independent of each other, so each tensor is looked at alone.
    """
    start = 0
    by_target: dict[str, list[tuple[int, Monomial]]] = {}
    for block in blocks:
        by_target.setdefault(block.target, []).append((start, block))
        start += block.count
    kept, relations = [], []
    for own in by_target.values():
        places = torch.cat([torch.arange(s, s + b.count) for s, b in own])
        leading, vanishing = _leading(own, samples)
        kept.append(places[leading])
        full = vanishing.new_zeros(len(vanishing), start)
        full[:, places] = vanishing
        relations.append(full)
    return Unknowns(tuple(blocks), torch.cat(kept).sort().values, torch.cat(relations))


def _leading(own: Sequence[tuple[int, Monomial]], samples: Part) -> tuple[Tensor, Tensor]:
    """Which fields of one tensor do not depend on those before them, and how the others do."""
    first = samples[0].theta[own[0][1].target]
    count = sum(block.count for _, block in own)
    points = math.ceil(count / first.numel()) + 2
    eye = torch.eye(first.numel(), dtype=torch.float64)
    eye = eye.reshape(first.numel(), *first.squeeze().shape)
    stack = torch.cat([
        torch.cat([block.pull(eye, samples.theta(i)) for _, block in own], 1)
        for i in range(points)
    ])  # fmt: skip
    norms = stack.norm(dim=0)
    alive = (norms > _VANISHING).nonzero().flatten()
    factor = torch.linalg.qr(stack[:, alive] / norms[alive], mode="r").R
    diagonal = torch.zeros(len(alive), dtype=torch.float64)
    diagonal[: len(factor)] = factor.diagonal().abs()
    leading, following = alive[diagonal > _DEPENDENT], alive[diagonal <= _DEPENDENT]
    relations = torch.zeros(len(following), count, dtype=torch.float64)
    if len(following):
        given = torch.linalg.lstsq(stack[:, leading], stack[:, following]).solution.T
        relations[:, leading] = torch.where(given.abs() < _ZERO, 0.0, -given)
        relations[torch.arange(len(following)), following] = 1.0
    return leading, relations


@dataclass(frozen=True)
class Solution:
    """Combinations of fields that no input sees at any point.

    Attributes:
        null: independent columns [unknowns, dimension].
        spectrum: with the gap that decided the dimension.
        points: how many points were used.
        settled: whether the last points added nothing, and the gap is clear.
        crowded: whether there were too many unknowns to solve for.
    """

    null: Tensor
    spectrum: Spectrum
    points: int
    settled: bool
    crowded: bool = False


def solve(unknowns: Unknowns, part: Part) -> Solution:
    """Stack equations at random points until their null space stays.

    Args:
        unknowns: fields of the tensors.
        part: points with derivatives by these tensors.
    """
    fewer, used = absorb(unknowns.by_target(), unknowns.count, part)
    if fewer.shape[1] > MOST_UNKNOWNS:
        return Solution(fewer[:, :0], Spectrum(0, 0.0, 0.0), used, False, True)
    # beside what may well be null in all its parts, something that is not gives the scale
    rng = torch.Generator().manual_seed(unknowns.count)
    typical = torch.randn(unknowns.count, 1, generator=rng, dtype=torch.float64)
    tried = torch.cat([fewer, typical / typical.norm()], 1)
    space = RowSpace(tried.shape[1])

    def equations() -> Tensor:
        nonlocal used
        sample = part[used]
        used += 1
        return unknowns.apply(sample.rows, sample, part.slices)[:, unknowns.kept] @ tried

    needed = math.ceil(_SPARE * tried.shape[1] / part.rank) if part.rank else _CONFIRM
    for _ in range(needed):
        space.add(equations())
    for _ in range(_ROUNDS):
        spectrum, null = _decided(space.matrix())
        new = [equations() for _ in range(_CONFIRM)]
        seen = max((float((rows[:, :-1] @ null).norm()) for rows in new), default=0.0)
        largest = max(float(rows.norm()) for rows in new)
        for rows in new:
            space.add(rows)
        if null.shape[1] == 0 or seen <= 10**NOISE * largest * null.shape[1]:
            return Solution(fewer @ null, spectrum, used, spectrum.clear)
        for _ in range(used // 2):
            space.add(equations())
    return Solution(fewer @ null, spectrum, used, False)


def _decided(matrix: Tensor) -> tuple[Spectrum, Tensor]:
    """The rank of a matrix, and its null vectors that vanish in the last coordinate, without it."""
    values, vh = right(matrix)
    spectrum = widest_gap(values)
    null = vh[spectrum.rank :].T
    last = null[-1:]
    if null.shape[1] and float(last.norm()) > _ZERO:
        null = null @ right(last)[1][1:].T
    return spectrum, null[:-1]
