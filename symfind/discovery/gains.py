"""Gains, found as what they are: vectors whose entries are scaled against an axis of a tensor.

With a gain γ between a normalisation and its reader W, the function depends on `W diag(γ)` alone.
This is seen in the diagonal part of the algebra, before anything else is known.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.discovery.dictionary import Dress, Shape, diagonals
from symfind.discovery.equation import independent, solve
from symfind.discovery.monomials import Monomial
from symfind.discovery.samples import Part
from symfind.numerics.decompose import svd

_INSIDE = 1e-7  # distance from a span of a vector that is in it
_DEPENDENT = 1e-8  # relative singular value of a direction that is not there
_AWAY = 0.05  # of the mean of its entries, by which a vector stays away from zero
_POINTS = 3  # at which the size of a gain is looked at


def dresses(shapes: Sequence[Shape], samples: Part) -> dict[str, list[Dress]]:
    """By tensor, the gains that multiply one of its axes.

    Where several vectors scale together (a gain and the offset after it), the one that stays
    furthest from zero is the gain.
    """
    blocks = diagonals(shapes)
    unknowns = independent(blocks, samples)
    solution = solve(unknowns, samples)
    if not solution.settled or solution.null.shape[1] == 0:
        return {}
    span = torch.cat([unknowns.spread(solution.null.T), unknowns.relations])
    places, start = [], 0
    for block in blocks:
        places.append(slice(start, start + block.count))
        start += block.count
    found: dict[str, list[Dress]] = {}
    for i, vector in enumerate(blocks):
        if len(vector.letters) != 1 or vector.count < 2:
            continue
        powers = {
            j: power for j, block in enumerate(blocks)
            if block.target != vector.target and block.count == vector.count
            and (power := _power(span, i, j, blocks, places))
        }  # fmt: skip
        rivals = [blocks[j].target for j in powers if len(blocks[j].letters) == 1]
        distance = _distance(vector.target, samples)
        if any(_distance(name, samples) > distance for name in rivals):
            continue
        for j, power in powers.items():
            axis = blocks[j].letters.index(blocks[j].free)
            own = found.setdefault(blocks[j].target, [])
            if all(d.axis != axis for d in own):
                own.append(Dress(vector.target, axis, power))
    return found


def divisors(shapes: Sequence[Shape], part: Part) -> dict[str, list[Dress]]:
    """By tensor, the vectors that one of its axes may be divided by: whatever has its size.

    A field must be smooth, so that the entries of the vector have to stay away from zero.
    """
    safe = [s for s in shapes if len(s.sizes) == 1 and _distance(s.name, part) > _AWAY]
    return {
        s.name: [
            Dress(v.name, axis, 1 if len(s.sizes) == 1 else -1)
            for v in safe if v.name != s.name
            for axis, n in enumerate(s.sizes) if n == v.sizes[0]
        ]
        for s in shapes
    }  # fmt: skip


def _power(
    span: Tensor, vector: int, axis: int, blocks: Sequence[Monomial], places: Sequence[slice]
) -> int:
    """1 or -1 if an axis must scale with each entry of a vector to this power; else 0.

    Looked at are the scalings of the two tensors alone: whatever else moves along.

    Args:
        span: scalings of all axes that leave the function unchanged, and those that are none.
        vector: the number of the block of the vector.
        axis: the number of the block of the axis.
        blocks: all axes of all tensors.
        places: of the blocks among the columns of `span`.
    """
    both = (blocks[vector].target, blocks[axis].target)
    seen = [k for k, block in enumerate(blocks) if block.target in both]
    part = torch.cat([span[:, places[k]] for k in seen], 1)
    _, values, basis = svd(part)
    basis = basis[values > _DEPENDENT * values[:1].clamp(min=1e-300)]
    eye = torch.eye(blocks[vector].count, dtype=span.dtype)

    def inside(entry: int, power: int) -> bool:
        """Whether all scalings of one entry and its partner, by these powers, are in the span."""
        factors = {vector: entry, axis: power}
        wanted = torch.cat([
            factors[k] * eye if k in factors else eye.new_zeros(len(eye), blocks[k].count)
            for k in seen
        ], 1)  # fmt: skip
        return float((wanted - wanted @ basis.T @ basis).abs().max()) < _INSIDE

    if inside(0, 1):  # the axis scales as it likes
        return 0
    return next((power for power in (1, -1) if inside(1, power)), 0)


def _distance(name: str, samples: Part) -> float:
    """How far from zero the entries of a vector stay, relative to their size."""
    values = [samples.theta(i)[name].abs() for i in range(_POINTS)]
    return min(float(v.min() / v.mean()) for v in values)
