"""Discovery on twins of models that are too large for it, lifted to their size."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import symfind
from symfind.discovery import beyond


class Film(nn.Module):
    """A modulation behind a norm with a bias: a shift for every channel."""

    def __init__(self, n: int, c: int, d: int, m: int) -> None:
        super().__init__()
        self.a, self.norm = nn.Linear(n, d), nn.LayerNorm(d)
        self.film, self.o = nn.Linear(c, 2 * d), nn.Linear(d, m)

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


@pytest.mark.parametrize("sizes", [(9, 7, 12, 8), (30, 20, 40, 25)])
def test_what_is_found_on_twins_counts_at_full_size(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a model that is measured itself, and in one that its twins stand for."""
    monkeypatch.setattr(beyond, "MOST_PARAMETERS", 100)
    n, c, d, _ = sizes
    x = (torch.randn(4, n), torch.randn(4, c))
    report = analysed(Film(*sizes), *x, without=["gauge", "shift", "parallel"])
    found = {f.formula: f for f in report.factors if f.origin == "discovery"}
    assert report.is_complete and report.dimension.redundant == n + 2 * d + 1
    assert report.dimension.formula == "in_a+2*out_a+1"
    assert report.certificate.on == ("twin" if d == 40 else "model")
    factor = found["out_a"]
    assert factor.total == d and factor.parameters == ("film.weight", "film.bias", "norm.bias")
    (family,) = factor.generators
    function = symfind.open(Film(*sizes), x).subject.function()
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
    assert [f.formula for f in found] == ["w_0*(w_0-1)/2"] * equal
