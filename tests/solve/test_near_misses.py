"""What is nearly a symmetry, at most points or but for a small factor, is none: by rules alone."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import symfind
from tests.rules.harness import linear, of, weight

FAINT = torch.ones(3, 3)
FAINT[0, 1] = FAINT[1, 2] = 1e-9
HALF = torch.ones(3, 3).triu()


def averaged(size: float) -> Any:
    """Twice of one table, with shares of which the second sum up to another number."""

    def run(m: Any, x: Tensor) -> Tensor:
        one, two = m.a(x).softmax(-1), m.v(x).softmax(-1) * size
        return (F.linear(one, m.w) + m.b).tanh() + (F.linear(two, m.w) + m.b).tanh()

    return of(run, (12, 3), a=lambda: linear(3, 4), v=lambda: linear(3, 4),
              w=lambda: weight(2, 4), b=lambda: weight(2))  # fmt: skip


def divided(size: Any, bound: float) -> Any:
    """Of units, by what is kept above a bound."""
    return of(lambda m, x: m.r(m.a(x) / size(m.a(x)).clamp(min=bound)), (9, 3),
              a=lambda: linear(3, 4), r=lambda: linear(4, 2))  # fmt: skip


def filtered(change: Any) -> Any:
    """By complex numbers, with an end that sees no imaginary part of the lowest."""

    def run(m: Any, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x) * change(torch.view_as_complex(m.w)), n=4)

    return of(run, (9, 4), w=lambda: weight(3, 2))


def made(change: Any) -> Any:
    """A weight that a parameter makes."""
    return of(lambda m, x: F.linear(x, change(m.v)), (12, 3), v=lambda: weight(3, 3))


def moved(matrix: Tensor, run: Any) -> Any:
    """A fixed matrix between two layers."""
    return of(lambda m, x: m.r(run(m.a(x), matrix)), (9, 3), a=lambda: linear(3, 4),
              r=lambda: linear(4, 2))  # fmt: skip


def normed(z: Tensor, c: Tensor) -> Tensor:
    return F.rms_norm(F.rms_norm(z, (4,)) @ c.to(z), (4,))


def again(change: Any) -> Any:
    """A layer used three times, each behind a norm, the last two with another gain."""

    def run(m: Any, x: Tensor) -> Tensor:
        x = m.e(x)
        for more in (m.g, change(m.g), change(m.g)):
            x = F.layer_norm(x + m.b(torch.tanh(m.a(x))), (4,), eps=0.1) * more
        return m.r(x)

    return of(run, (12, 3), e=lambda: linear(3, 4), a=lambda: linear(4, 3),
              b=lambda: linear(3, 4), r=lambda: linear(4, 2), g=lambda: weight(4))  # fmt: skip


def summed(change: Any) -> Any:
    """Over a sum."""
    return of(lambda m, x: m.r(m.a(x) / change(m.a(x))), (9, 3), a=lambda: linear(3, 4),
              r=lambda: linear(4, 2))  # fmt: skip


NEARLY = torch.eye(4, dtype=torch.float64) + 1e-9 * torch.ones(4, 4, dtype=torch.float64).triu(1)
SUM = torch.tensor([1, 1, 1, 1 + 1e-9], dtype=torch.float64)


def masked(change: Any) -> Any:
    """A weight before units, of a parameter of which a mask takes half."""
    return of(lambda m, x: m.r(F.relu(F.linear(x, change(m.v) * HALF))), (12, 3),
              v=lambda: weight(3, 3), r=lambda: linear(3, 2))  # fmt: skip


# the model, and how many directions are symmetries that rules derive
CASES = {
    "a twelfth power above a bound": (divided(lambda z: (z.abs() ** 12).sum(-1, True), 1e-5), 0),
    "a fourth power by squares": (divided(lambda z: (z * z * z * z).sum(-1, True), 1e-6), 0),
    "a squared sum of squares": (divided(lambda z: (z * z).sum(-1, True) ** 2, 1e-6), 6),
    "a norm above a bound": (divided(lambda z: z.norm(dim=-1, keepdim=True), 1e-12), 7),
    "a filter": (filtered(lambda c: c), 2),
    "a filter that is another far out": (
        filtered(lambda c: torch.where(c.real > -50, c, 2j * c)), 0),
    "a filter and its size": (filtered(lambda c: c + c.abs()), 0),
    "a filter that another part of it bends": (filtered(lambda c: c * (1 + c[0].imag)), 1),
    "a mask": (masked(lambda v: v), 6),
    "a mask, and steps": (masked(lambda v: v + v.round()), 0),
    "a mask, and the largest": (masked(lambda v: v + v.argmax(-1, True)), 0),
    "a mask, and steps far out": (masked(lambda v: v + (v * 1e-4).floor()), 0),
    "a mask, and a window": (masked(lambda v: v.where((v.abs() < 3e5) | (v.abs() > 9e5), -v)), 0),
    "a mask, and a bound very far out": (masked(lambda v: v.clamp(-1e20, 1e20)), 3),
    "a mask, and a threshold of the sum": (masked(lambda v: v * (v.sum() > -1e11)), 0),
    "a mask of small numbers": (made(lambda v: v * FAINT), 0),
    "a triangle and little of the other": (made(lambda v: v.triu() + 1e-9 * v.tril(-1)), 0),
    "skew, and a little symmetric": (made(lambda v: v - v.T + 1e-9 * (v + v.T)), 0),
    "symmetric, and a little skew": (made(lambda v: v + (1 - 1e-9) * v.T), 0),
    "symmetric": (made(lambda v: v + v.T), 3),
    "a layer used again behind one gain": (again(lambda g: g), 7),
    "a layer used again behind nearly one gain": (
        again(lambda g: g * (1 + 1e-9 * torch.arange(4.0).to(g))), 6),
    "a layer used again behind one gain, and bounds": (again(lambda g: g.clamp(-50, 50)), 6),
    "a layer used again behind one gain, and steps": (
        again(lambda g: g + (g * 1e-2).round()), 6),
    "one weight of two averages": (averaged(1.0), 10),
    "one weight of nearly two averages": (averaged(1 + 1e-9), 8),
    "channels that are moved": (of(
        lambda m, x: m.c(F.pad(x, (0, 0, 0, 0, 1, -1))), (2, 2, 4, 4),
        c=lambda: nn.Conv2d(2, 2, 3)), 0),
    "complex data": (of(
        lambda m, x: (torch.complex(x, x * x) * torch.view_as_complex(m.w)).real, (9, 4),
        w=lambda: weight(4, 2)), 0),
    "nearly a permutation between rectifiers": (moved(
        NEARLY, lambda z, c: (z.relu() @ c.to(z)).relu()), 1),
    "nearly a rotation between norms": (moved(NEARLY, normed), 1),
    "a rotation between norms": (moved(torch.eye(4)[[1, 0, 3, 2]], normed), 7),
    "a sum above a bound": (summed(lambda z: z.sum(-1, True).clamp(min=1e-9)), 12),
    "nearly a sum above a bound": (summed(
        lambda z: (z * SUM.to(z)).sum(-1, True).clamp(min=1e-9)), 12),
    "a sum, and a faint function of it": (summed(
        lambda z: z.sum(-1, True) + 1e-9 * z.sum(-1, True).tanh()), 12),
    "a sum, and faint data": (of(
        lambda m, x: m.r(m.a(x) / (m.a(x).sum(-1, True) + 1e-9 * x[:, :1].tanh())), (9, 3),
        a=lambda: linear(3, 4), r=lambda: linear(4, 2)), 12),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_no_more_is_derived_than_there_is(name: str) -> None:
    build, most = CASES[name]
    torch.manual_seed(0)
    model, args = build()[:2]
    report = symfind.analyze(model, args, verify=False, certify="never", formula=False)
    assert report.dimension.redundant == most


def test_complex_inputs() -> None:
    class Filter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 2))

        def forward(self, x: Tensor) -> Tensor:
            return (x * torch.view_as_complex(self.w)).real

    report = symfind.analyze(Filter(), torch.randn(3, 4, dtype=torch.complex64))
    assert report.dimension.redundant == 0 and report.is_complete


def test_a_weight_made_in_many_steps() -> None:
    """Each step reads twice what is before it: paths double, operations do not."""

    def halved(m: Any, x: Tensor) -> Tensor:
        w = m.v
        for _ in range(40):
            w = (w + w.T) / 2
        return F.linear(x, w)

    model, args = of(halved, (12, 3), v=lambda: weight(3, 3))()[:2]
    report = symfind.analyze(model, args, certify="never", formula=False)
    assert report.dimension.redundant == 3


def test_fixed_maps_beside_weights_that_parameters_make() -> None:
    torch.manual_seed(0)
    fixed = nn.Linear(3, 3, bias=False).requires_grad_(False)
    model = nn.Sequential(weight_norm(nn.Linear(4, 3)), fixed, weight_norm(nn.Linear(3, 2)))
    report = symfind.analyze(model, torch.randn(9, 4), verify=False, certify="never", formula=False)
    assert not report.unsupported and 0 < report.dimension.redundant <= 18
