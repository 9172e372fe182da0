"""Models that must have no symmetry, and operations that nobody knows."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, sequences


class Fixed(nn.Module):
    """A linear layer with one weight of every row fixed to a random number (W-asymmetry)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.inner = nn.Linear(a, b)
        mask = torch.ones(b, a)
        mask[torch.arange(b), torch.randint(a, (b,))] = 0
        self.register_buffer("mask", mask)
        self.register_buffer("number", torch.randn(b, a) + 2.0)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.inner.weight * self.mask + (1 - self.mask) * self.number
        return nn.functional.linear(x, weight, self.inner.bias)


class Crossed(nn.Module):
    """What is scaled on the way in can be scaled back by a weight that reads it too."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w(x)).tanh()


def asymmetric(activation: Any) -> Any:
    return of(lambda m, x: m.r(activation(m.w(x))), (16, 3),
              w=lambda: Fixed(3, 4), r=lambda: Fixed(4, 3))  # fmt: skip


def spectrum(m: Any, x: Tensor) -> Tensor:
    return m.r(torch.fft.rfft(m.w(x)).abs())


def frozen(m: Any, x: Tensor) -> Tensor:
    return m.r(m.held(m.w(x).relu()).relu())


CASES = [
    Case("frozen-between", "linear", of(frozen, (16, 3), w=lambda: linear(3, 4),
         held=lambda: linear(4, 3).requires_grad_(False), r=lambda: linear(3, 2))),
    Case("frozen-diagonal", "mul.Tensor",
         of(lambda m, x: m.r(m.w(x).relu() * m.held), (16, 3), w=lambda: linear(3, 4),
            held=lambda: nn.Parameter(torch.randn(4), requires_grad=False),
            r=lambda: linear(4, 2))),
    Case("times-zero", "mul.Tensor",
         of(lambda m, x: m.r(m.w(x).tanh()) + 0 * m.v(x), (16, 3), w=lambda: linear(3, 4),
            v=lambda: linear(3, 2), r=lambda: linear(4, 2))),
    Case("from-zero", "mul.Tensor",
         of(lambda m, x: m.r(m.w(x).sigmoid() * torch.zeros(16, 4) + m.v(x).relu()), (16, 3),
            w=lambda: linear(3, 4), v=lambda: linear(3, 4), r=lambda: linear(4, 2))),
    Case("data-times-zero", "mul.Tensor",
         of(lambda m, x: m.h(x * False + m.v(m.u(x).tanh())), (16, 3), u=lambda: linear(3, 4),
            v=lambda: linear(4, 3), h=Crossed)),
    Case("data-times-less", "mul.Tensor",
         of(lambda m, x: m.h(x * 0.1 + m.v(m.u(x).tanh())), (16, 3), u=lambda: linear(3, 4),
            v=lambda: linear(4, 3), h=Crossed)),
    Case("asymmetric-relu", "mul.Tensor", asymmetric(torch.relu)),
    Case("asymmetric-tanh", "mul.Tensor", asymmetric(torch.tanh)),
    Case("rfft", "fft_rfft", of(spectrum, (16, 4), w=lambda: linear(4, 4), r=lambda: linear(3, 3)),
         gap="frequencies are scaled and turned one by one", counts=(1, 4)),
    Case("matrix-exponential", "", sequences(lambda z: torch.linalg.matrix_exp(z), 4),
         rigid=("aten.linalg_matrix_exp.default",)),
]  # fmt: skip
