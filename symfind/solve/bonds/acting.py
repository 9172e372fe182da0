"""How an element of a bond's algebra acts on one parameter, with the gains that stand between."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.algebra.thin import Thin
from symfind.graph.primitives import Node
from symfind.solve.bonds.matrices import Member
from symfind.solve.bonds.potentials import Potential
from symfind.solve.point.values import Environment


def gains_of(env: Environment, potential: Potential, nodes: Sequence[Node]) -> Tensor:
    """Γ^e as a vector along the acted-on atom, with the indices of the gain before it."""
    return functools.reduce(
        torch.mul,
        (env.take(nodes[i], cell, env.value(nodes[i])).pow(e) for (i, cell), e in potential),
    )


def acted(
    env: Environment, member: Member, x: Tensor | Thin, block: Tensor,
    indexed: Sequence[Axis], nodes: Sequence[Node],
) -> Tensor:  # fmt: skip
    """Apply a matrix [*indexed, n, n] to the member's atom of a block."""
    atoms = member.source.cells[member.cell].atoms
    letters = "abcdefghijklmnop"[: len(atoms)]
    if member.potential:
        gain = gains_of(env, member.potential, nodes)
        row, column = gain.unsqueeze(-1), gain.unsqueeze(-2)
        x = Thin(x.left * row, x.right / row) if isinstance(x, Thin) else x * row / column
    old = letters[member.atom]
    lead = "".join(letters[atoms.index(a)] for a in indexed)
    new = letters.replace(old, "z")
    if isinstance(x, Thin):
        few = letters.replace(old, "y")
        block = torch.einsum(f"{lead}{old}y,{letters}->{few}", x.right, block)
        return torch.einsum(f"{lead}zy,{few}->{new}", x.left, block)
    return torch.einsum(f"{lead}z{old},{letters}->{new}", x, block)
