"""Matrices of the classical algebras that act on one index, from their coefficients."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Pair = tuple[int, int]
Type = Literal[
    "general", "affine-stabiliser", "orthogonal", "stabiliser", "complex", "rotations",
    "columns",
]  # fmt: skip


def matrices(kind: str, n: int, pairs: Sequence[Pair], c: Tensor) -> Tensor:
    """The elements with given coefficients.

    Args:
        kind: a `Type`: all matrices; those that map the all-ones vector to zero, from both sides;
            skew ones; skew ones that do so; those that commute with rotations of the given pairs
            of coordinates, each at its own angle; the skew ones among these; those
            with equal rows, 1 κᵀ.
        n: size.
        pairs: of coordinates.
        c: coefficients [..., dimension of the algebra].

    Returns:
        Matrices [..., n, n], linear in c.
    """
    lead = c.shape[:-1]
    match kind:
        case "general":
            return c.reshape(*lead, n, n)
        case "columns":
            return c.unsqueeze(-2).expand(*lead, n, n)
        case "orthogonal":
            return skew(c, n)
        case "stabiliser" | "affine-stabiliser":
            q = complement_of_ones(n, {"dtype": c.dtype, "device": c.device})
            inner = skew(c, n - 1) if kind == "stabiliser" else c.reshape(*lead, n - 1, n - 1)
            return q @ inner @ q.T
    k = len(pairs)
    x = c.new_zeros(*lead, n, n)
    i = torch.tensor([a for a, _ in pairs], device=c.device)
    j = torch.tensor([b for _, b in pairs], device=c.device)
    turn = c[..., :k]
    x[..., i, j], x[..., j, i] = -turn, turn
    used = {a for pair in pairs for a in pair}
    rest = torch.tensor([a for a in range(n) if a not in used], dtype=torch.long)
    if kind == "complex":
        x[..., i, i] = x[..., j, j] = c[..., k : 2 * k]
        block = c[..., 2 * k :].reshape(*lead, len(rest), len(rest))
    else:
        block = skew(c[..., k:], len(rest))
    if len(rest):
        x[..., rest[:, None], rest[None, :]] = block
    return x


def skew(c: Tensor, n: int) -> Tensor:
    """Skew matrices [..., n, n] with given entries above the diagonal [..., n (n - 1) / 2]."""
    x = c.new_zeros(*c.shape[:-1], n, n)
    i, j = torch.triu_indices(n, n, 1)
    x[..., i, j] = c
    return x - x.transpose(-1, -2)


def complement_of_ones(n: int, like: dict[str, Any]) -> Tensor:
    """Orthonormal columns orthogonal to the all-ones vector (Helmert)."""
    q = torch.zeros(n, n - 1, **like)
    for k in range(1, n):
        q[:k, k - 1] = 1.0
        q[k, k - 1] = -float(k)
    return q / q.norm(dim=0)
