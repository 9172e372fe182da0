"""Blocks of tensors as matrices, in the frame in which a group acts without gains."""

from collections.abc import Iterator

import torch
from torch import Tensor

from symfind.discrete.permuting import Shuffle, Spot
from symfind.graph import primitives as p
from symfind.solve.bonds.acting import gains_of
from symfind.solve.bonds.matrices import Member
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.values import Environment

Block = tuple[int, int]
"""A wire and one of its blocks."""


def block_of(source: p.Source, cell: int) -> Block:
    """The key of a block."""
    return id(source), cell


def framed(env: Environment, family: MatrixFamily, member: Member) -> Tensor:
    """A member as matrices [*copies, n, rest], on which the group acts from the left.

    Behind a gain Γ it acts as Γ R Γ⁻¹; then this is Γ⁻¹ times the block.
    """
    block = env.take(member.source, member.cell, env.value(member.source))
    atoms = member.source.cells[member.cell].atoms
    front = [*(atoms.index(a) for a in family.indexed), member.atom]
    rest = [d for d in range(block.dim()) if d not in front]
    lead = [block.shape[d] for d in front]
    matrix = block.permute([*front, *rest]).reshape(*lead, -1)
    if member.potential:
        matrix = matrix / gains_of(env, member.potential, family.nodes).unsqueeze(-1)
    return matrix


def gram(env: Environment, family: MatrixFamily, dual: bool) -> Tensor | None:
    """Sum of B Bᵀ over primal or dual members: [*copies, n, n]; None without any."""
    found = [framed(env, family, m) for m in family.members if m.dual == dual]
    total: Tensor | None = None
    for b in found:
        one = b @ b.transpose(-1, -2)
        total = one if total is None else total + one
    return total


def sheets(env: Environment, shuffle: Shuffle, spot: Spot) -> Tensor:
    """A block as rows [*by, n, rest], one for each value of the permuted index."""
    block = env.take(spot.source, spot.cell, env.value(spot.source))
    front = [*(spot.beside(a) for a in shuffle.by), spot.atom]
    rest = [d for d in range(block.dim()) if d not in front]
    lead = [block.shape[d] for d in front]
    return block.permute([*front, *rest]).reshape(*lead, -1)


def scaled_squares(env: Environment, family: ScalingFamily) -> Iterator[tuple[float, Tensor]]:
    """For every member its exponent, and the sum of its squares for every coefficient."""
    index = coefficient_of(env, family)
    for m in family.scaling.members:
        block = env.take(m.source, m.cell, env.value(m.source)).square()
        yield m.exponent, gathered(family, m.places, block, index)


def coefficient_of(env: Environment, family: ScalingFamily) -> Tensor:
    """Which coefficient scales each value of the indices: long [*indexed]."""
    return family.logs(env, torch.arange(family.count(), dtype=torch.float64)).round().long()


def gathered(
    family: ScalingFamily, places: tuple[int, ...], block: Tensor, index: Tensor
) -> Tensor:
    """A block summed over what one coefficient scales: [count]."""
    rest = [d for d in range(block.dim()) if d not in places]
    summed = block.permute([*places, *rest]).reshape(*index.shape, -1).sum(-1)
    total = block.new_zeros(family.count())
    return total.index_add(0, index.reshape(-1), summed.reshape(-1))
