"""Operations without a rule, between trained layers, and models that have no symmetry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.harness import linear, of


@dataclass(frozen=True)
class Odd:
    """A model around an operation that no rule knows.

    `operation` must be named as unsupported; `dimension` is what there is to discover, and why.
    """

    name: str
    operation: str
    dimension: int
    build: Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]
    rational: bool = True


def layer(a: int, b: int, bias: bool = True) -> Callable[[], nn.Module]:
    return lambda: linear(a, b, bias)


def square(z: Tensor) -> Tensor:
    return z.unflatten(-1, (2, 2))


ODD = [
    # SL(2) from the left and from the right
    Odd("determinant", "linalg_det", 3 + 3, of(
        lambda m, x: torch.linalg.det(square(m.w(x))), (12, 5), w=layer(5, 4, False))),
    # X -> A X B, and B^-1 X^-1 A^-1 is what the reader sees; scalars act from one side only
    Odd("inverse", "linalg_inv", 4 + 4 - 1, of(
        lambda m, x: m.r(torch.linalg.inv(square(m.w(x))).flatten(1)), (12, 4),
        w=layer(4, 4), r=layer(4, 3))),
    # O(2) and O(3) on both sides, and a scale that the reader takes back
    Odd("singular-values", "linalg_svdvals", 1 + 3 + 1, of(
        lambda m, x: m.r(torch.linalg.svdvals(m.w(x).unflatten(-1, (2, 3)))), (12, 4),
        w=layer(4, 6), r=layer(2, 2))),
    Odd("exponential", "linalg_matrix_exp", 0, of(
        lambda m, x: torch.linalg.matrix_exp(square(m.w(x))), (12, 4), w=layer(4, 4))),
]  # fmt: skip


class Stopped(nn.Module):
    """Depends on its first layer in a way that its derivative denies."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.read = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Any:
        return self.read(torch.tanh(self.hidden(x).detach()))
