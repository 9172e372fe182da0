"""Discovery on twins of models that are too large for it, lifted to their size."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import symfind


class Film(nn.Module):
    """A modulation behind a norm with a bias: a shift for every channel, which no rule needs to
    give: kinds of rules are switched off in the test."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.a, self.norm = nn.Linear(30, d), nn.LayerNorm(d)
        self.film, self.o = nn.Linear(20, 2 * d), nn.Linear(d, 25)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        scale, shift = self.film(c).chunk(2, 1)
        return self.o(F.gelu(self.norm(self.a(x)) * (1 + scale) + shift))


class Metric(nn.Module):
    """Squares with weights that are one for the first few only."""

    def __init__(self, equal: bool) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(40, 90))
        more = torch.ones(30) if equal else torch.linspace(2.0, 3.0, 30)
        self.register_buffer("weight", torch.cat([torch.ones(10), more]))

    def forward(self, x: Tensor) -> Tensor:
        return ((x @ self.w.T).square() * self.weight).sum(1)


def analysed(model: nn.Module, *inputs: Tensor, **options: Any) -> symfind.Report:
    torch.manual_seed(0)
    return symfind.analyze(model, inputs, **options)


@pytest.mark.parametrize("d", [20, 40])  # measured itself, and on twins
def test_what_is_found_on_twins_counts_at_full_size(d: int) -> None:
    x = (torch.randn(4, 30), torch.randn(4, 20))
    ruled = analysed(Film(d), *x)
    report = analysed(Film(d), *x, without=["gauge", "shift", "parallel"])
    found = {f.formula: f for f in report.factors if f.origin == "discovery"}
    assert report.is_complete and report.dimension.parameters > 1000
    assert report.dimension.redundant == 30 + 2 * d + 1 >= ruled.dimension.redundant
    assert report.certificate.on == ("model" if d == 20 else "twin")
    factor = found[f"d_{d}"]
    assert factor.total == d and factor.parameters == ("film.weight", "film.bias", "norm.bias")
    (family,) = factor.generators
    function = symfind.open(Film(d), x).subject.function()
    theta = function.random_point(torch.Generator().manual_seed(1))
    c = family.coefficients(torch.Generator().manual_seed(2))
    assert c.shape == (d,)
    moved = {**theta, **family.flow(theta, c, 0.5)}
    torch.testing.assert_close(function(moved), function(theta))
    assert float((moved["norm.bias"] - theta["norm.bias"]).norm()) > 0.01


@pytest.mark.parametrize("equal", [True, False])
def test_what_only_a_twin_has_is_refused_by_the_model(equal: bool) -> None:
    """Twins keep the first few weights, which are equal."""
    report = analysed(Metric(equal), torch.randn(4, 90), without=["all"])
    found = [f for f in report.factors if f.origin == "discovery"]
    assert report.is_complete is equal
    assert [f.formula for f in found] == ["d_40*(d_40-1)/2"] * equal
