"""Networks whose conservation laws are known, and the laws of plain ones in exact arithmetic."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.ground_truth.layers import Attention, rope_tables, rotate_half


def chain(
    *widths: int, activation: Callable[[], nn.Module] | None = None, bias: bool = False
) -> nn.Sequential:
    """Linear maps, with an activation between them."""
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        layers += [activation()] if activation is not None and k else []
        layers.append(nn.Linear(a, b, bias=bias))
    return nn.Sequential(*layers)


class NarrowValues(nn.Module):
    """One head with rotary queries and keys of size 4 and values of size 2."""

    def __init__(self, dim: int = 4, length: int = 5) -> None:
        super().__init__()
        self.q = nn.Linear(dim, 4, bias=False)
        self.k = nn.Linear(dim, 4, bias=False)
        self.v = nn.Linear(dim, 2, bias=False)
        self.o = nn.Linear(2, dim, bias=False)
        cos, sin = rope_tables(length, 4)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def rotate(self, x: Tensor) -> Tensor:
        return x * self.cos + rotate_half(x) * self.sin

    def forward(self, x: Tensor) -> Tensor:
        scores = self.rotate(self.q(x)) @ self.rotate(self.k(x)).transpose(-2, -1) / 2
        return self.o(scores.softmax(-1) @ self.v(x))


class Swiglu(nn.Module):
    """Three inputs, three hidden units."""

    def __init__(self, dim: int = 3, hidden: int = 3) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=False)
        self.up = nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))


class FixedNorm(nn.Module):
    """A linear map before and after a LayerNorm without gain, and a bias that softmax ignores."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4, bias=False)
        self.norm = nn.LayerNorm(4, eps=0.0, elementwise_affine=False)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.last(self.norm(self.first(x))))


# name: module, shape of its inputs, parameters, nullity, conserved
TABLE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int]] = {
    "linear 4-3-4": (lambda: chain(4, 3, 4), (16, 4), 9, 6),
    "linear 3-3-3-3": (lambda: chain(3, 3, 3, 3), (16, 3), 18, 12),
    "ReLU 3-4-2": (lambda: chain(3, 4, 2, activation=nn.ReLU), (64, 3), 4, 4),
    "ReLU 3-4-2 with bias": (
        lambda: chain(3, 4, 2, activation=nn.ReLU, bias=True), (64, 3), 4, 4,
    ),
    "SwiGLU 3-3": (Swiglu, (32, 3), 3, 3),
    "one head": (lambda: Attention(3, 1, 2), (8, 5, 3), 8, 6),
    "two heads": (lambda: Attention(4, 2, 2), (8, 5, 4), 16, 12),
    "rotary, narrow values": (NarrowValues, (8, 5, 4), 8, 5),
    "grouped queries": (lambda: Attention(4, 4, 2, kv_heads=2), (8, 5, 4), 16, 12),
    "tanh": (lambda: chain(3, 4, 2, activation=nn.Tanh), (32, 3), 0, 0),
}  # fmt: skip


def build(name: str) -> tuple[nn.Module, Tensor, int, int]:
    """One row of the table: the module, its inputs, nullity and laws."""
    make, shape, nullity, laws = TABLE[name]
    torch.manual_seed(0)
    return make(), torch.randn(shape), nullity, laws


PRIME = 1_000_003


def linear_laws(widths: list[int], seed: int = 0) -> int:
    """Independent entries of W W^T − W'^T W' over the bonds of a linear network.

    For two layers n-r-m this is r(r+1)/2 where r ≤ n + m (Marcotte, Gribonval, Peyré 2023,
    section 4). For any depth it is the rank of their gradients at random integer weights,
    in exact arithmetic modulo a prime.
    """
    rng = random.Random(seed)
    weights = [
        [[rng.randrange(PRIME) for _ in range(a)] for _ in range(b)]
        for a, b in zip(widths, widths[1:], strict=False)
    ]
    starts = [0]
    for a, b in zip(widths, widths[1:], strict=False):
        starts.append(starts[-1] + a * b)
    rows = []
    for bond in range(1, len(widths) - 1):
        n, before, after = widths[bond], weights[bond - 1], weights[bond]
        for i in range(n):
            for j in range(i, n):
                row = [0] * starts[-1]
                for x, y in ((i, j), (j, i)):
                    for k in range(widths[bond - 1]):
                        row[starts[bond - 1] + x * widths[bond - 1] + k] += before[y][k]
                    for k in range(widths[bond + 1]):
                        row[starts[bond] + k * n + x] -= after[k][y]
                rows.append(row)
    return rank_modulo(rows)


def rank_modulo(rows: list[list[int]]) -> int:
    """Rank of an integer matrix modulo PRIME."""
    pivots: dict[int, list[int]] = {}
    for row in rows:
        row = [x % PRIME for x in row]
        for column, pivot in pivots.items():
            if row[column]:
                factor = row[column]
                row = [(a - factor * b) % PRIME for a, b in zip(row, pivot, strict=True)]
        lead = next((k for k, x in enumerate(row) if x), None)
        if lead is not None:
            inverse = pow(row[lead], -1, PRIME)
            pivots[lead] = [x * inverse % PRIME for x in row]
    return len(pivots)


def random_widths(rng: random.Random, least: int, most: int) -> list[int]:
    """Sizes of a network of two to four layers."""
    return [rng.randint(least, most) for _ in range(rng.randint(3, 5))]


def facts(found: Any) -> dict[str, Any]:
    """What a failing comparison should show."""
    return {"count": found.count, "closure": found.closure, "splits": found.splits}
