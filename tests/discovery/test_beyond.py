"""Analysis where a rule is missing: what discovery says of the directions that are left."""

import pytest
import torch
from torch import nn

import symfind
from symfind.count.carriers import Carried
from symfind.discovery import locality
from symfind.report import Report
from tests.discovery.models import ODD, Stopped
from tests.ground_truth.models import CASES

MODELS = {odd.name: odd for odd in ODD}


@pytest.mark.parametrize("name", ["inverse", "singular-values"])
def test_unexplained_directions_are_discovered(name: str) -> None:
    torch.manual_seed(0)
    model, args = MODELS[name].build()
    report = symfind.analyze(model, args)
    certificate, dimension = report.certificate, MODELS[name].dimension
    assert report.dimension.redundant == certificate.redundant == dimension
    assert certificate.status == "complete" and certificate.unexplained == 0
    assert report.dimension.formula == str(dimension)
    assert {factor.origin for factor in report.factors} == {"discovery"}
    assert certificate.discovered is not None
    assert sum(field.counted for field in certificate.discovered) == dimension
    for field in certificate.discovered:
        assert field.generators >= field.dimension == field.counted > 0 and field.residual < 1e-9
        assert field.exact and all(tensor in field.text for tensor in field.parameters)
    for factor in report.factors:
        assert factor.residual is not None and (factor.residual.finite or 0.0) < 1e-9
    assert (
        f"Found by discovery, without a rule: {dimension} of the {dimension}" in certificate.words
    )
    assert not certificate.unexplained_sets
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("name", ["inverse", "singular-values"])
def test_what_was_found_acts_on_weights(name: str) -> None:
    """Generators of found factors are applied like any other; without discovery there are none."""
    torch.manual_seed(0)
    model, args = MODELS[name].build()
    session = symfind.open(model, args)
    function, rng = session.subject.function(), torch.Generator().manual_seed(1)
    theta = function.random_point(rng)
    for factor in session.report().factors:
        (family,) = factor.generators
        assert family.parameters == factor.parameters
        moved = family.flow(theta, family.coefficients(rng), 0.7)
        assert any(float((v - theta[n]).norm()) > 0.1 for n, v in moved.items())
        change = function({**theta, **moved}) - function(theta)
        assert float(change.norm()) < 1e-10 * float(function(theta).norm())
    without = session.report(discovery=False)
    assert without.dimension.redundant == 0 and not without.factors
    assert without.certificate.unexplained == MODELS[name].dimension
    assert "Discovery was switched off" in without.certificate.words


def test_beside_what_the_rules_derive() -> None:
    """A bond with ReLU, and one with a spectrum, of which a rule finds the scale alone."""
    torch.manual_seed(0)

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 4)
            self.read = nn.Linear(3, 2)

        def forward(self, x):
            return self.read(torch.fft.rfft(self.second(torch.relu(self.first(x)))).abs())

    report = symfind.analyze(Mixed(), torch.randn(12, 3))
    derived = [factor for factor in report.factors if factor.origin is None]
    assert sum(factor.total for factor in derived) == 4 + 1  # for each hidden unit, and one of all
    assert report.dimension.redundant == 4 + 1 + 3 and report.is_complete
    found = report.certificate.discovered
    assert found is not None and sum(field.counted for field in found) == 1 + 2
    assert {name for field in found for name in field.parameters} == {
        "second.weight", "second.bias", "read.weight",
    }  # fmt: skip


def test_nothing_is_discovered_where_there_is_nothing() -> None:
    torch.manual_seed(0)
    model, args = MODELS["exponential"].build()
    complete = symfind.analyze(model, args)
    assert complete.certificate.discovered is None
    assert "discovered" not in complete.to_dict()["certificate"]
    # more parameters than functions: null directions that no field explains
    case = next(case for case in CASES if case.name == "residual-linear")
    filling = symfind.analyze(*case.build()[:2]).certificate
    assert filling.unexplained == 8 and filling.discovered == ()
    assert "no vector field that explains any of them" in filling.words
    assert {one.kind for one in filling.unexplained_sets} == {"filling"}


def test_sets_that_are_as_good_as_explained_do_not_keep_it(monkeypatch) -> None:
    """What elimination blurs may come out as known, again and again: that ends the pass."""
    calls = 0

    def blurred(sizes, known, beyond):
        nonlocal calls
        calls += 1
        if calls > 50:
            raise AssertionError("looked at the same again and again")
        return (Carried(tuple(sizes), known[:, :1]),)

    monkeypatch.setattr(locality, "carried", blurred)
    torch.manual_seed(0)
    case = next(case for case in CASES if case.name == "residual-linear")
    assert symfind.analyze(*case.build()[:2]).certificate.unexplained == 8
    assert 0 < calls <= 50


@pytest.mark.parametrize(
    "bend", [lambda z: nn.functional.leaky_relu(z, 1 + 1e-9), lambda z: z + 1e-9 * torch.tanh(z)]
)
def test_what_is_nearly_linear_is_not_discovered(bend) -> None:
    class Bent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.last(bend(self.first(x)))

    torch.manual_seed(0)
    report = symfind.analyze(Bent(), torch.randn(5, 3), formula=False)
    assert not report.certificate.discovered and report.certificate.status == "incomplete"


def test_a_derivative_that_lies_is_not_discovered() -> None:
    """The derivatives say that the first layer does nothing, the values say that it does."""
    torch.manual_seed(0)
    certificate = symfind.analyze(Stopped(), torch.randn(8, 3)).certificate
    moved = {name for field in certificate.discovered or () for name in field.parameters}
    assert not any(name.startswith("hidden") for name in moved)
