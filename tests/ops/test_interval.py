"""Bounds of what the input decides contain every value, and are no wider than need be."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from symfind.ops.interval import interval
from symfind.trace import trace

REAL: dict[str, tuple[Callable[[Tensor], Tensor], float, float]] = {
    "fraction": (lambda x: x % 1, 0, 1),
    "remainder": (lambda x: torch.remainder(x, 3), 0, 3),
    "remainder by no integer": (lambda x: x % 2.5, -math.inf, math.inf),
    "remainder with the sign of what is divided": (
        lambda x: torch.fmod(x, 2), -math.inf, math.inf),
    "whole part of a quotient": (lambda x: x // 2, -math.inf, math.inf),
    "cut off": (lambda x: (x % 3 * 2).long(), 0, 6),
    "cut off on both sides of zero": (lambda x: x.clamp(-0.9, 1.9).int(), 0, 1),
    "sum of what was cut off": (lambda x: x.clamp(-1, 1).sum(1, dtype=torch.long), -3, 3),
    "sum of parts": (lambda x: x.clamp(0, 0.3).sum(1), -math.inf, math.inf),
    "small integers that run over": (
        lambda x: (100 * (x > 0).to(torch.int8)) + (100 * (x > -9).to(torch.int8)), -128, 127),
    "truths as truths": (lambda x: -(x > 0).float(), -math.inf, math.inf),
    "both bounds": (lambda x: x.clamp(0, 4).round(), -math.inf, math.inf),
}  # fmt: skip
WHOLE: dict[str, tuple[Callable[[Tensor], Tensor], float, float]] = {
    "remainder": (lambda i: i % 3, 0, 2),
    "remainder, less": (lambda i: i % 3 - 1, -1, 1),
    "sum over no dimension": (lambda i: (i > 2).long().sum(dim=()), 0, 24),
    "sum over all": (lambda i: (i > 2).long().sum(), 0, 24),
    "sum over one": (lambda i: (i > 2).long().sum(-1), 0, 3),
    "sum of floats": (lambda i: (i > 2).float().sum(-1), 0, 3),
    "running sum": (lambda i: (i > 2).long().cumsum(1), 0, 3),
    "bits": (lambda i: i & 3, -math.inf, math.inf),
}


class Net(nn.Module):
    """A function of its input, and a parameter."""

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.run, self.p = run, nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        y = self.run(x)
        return y.to(torch.float64) * self.p + y.to(torch.float64)


def bounded(run: Callable[[Tensor], Tensor], inputs: list[Tensor], low: float, high: float) -> None:
    """Compare what is known of the traced wire with the values it takes."""
    graph = trace(Net(run), (inputs[0],), {})
    (wire,) = (op.args[0] for op in graph.ops if op.base == "mul" and op.trainable)
    found = interval(wire)
    assert found == (low, high)
    for x in inputs:
        y = run(x)
        assert found[0] <= y.min() <= y.max() <= found[1]


@pytest.mark.parametrize("name", REAL)
def test_of_real_numbers(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    inputs = [s * torch.randn(8, 3, generator=rng) for s in (1.0, 1e-9, 100.0)]
    bounded(REAL[name][0], inputs, *REAL[name][1:])


@pytest.mark.parametrize("name", WHOLE)
def test_of_integers(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    bounded(WHOLE[name][0], [torch.randint(-9, 9, (8, 3), generator=rng)], *WHOLE[name][1:])
