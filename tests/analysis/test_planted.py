"""A rule that is broken on purpose: what it says that is false is caught, what is true is kept."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

import symfind
from symfind.analysis import derived
from symfind.solve.families.family import ScalingFamily


def torn(family: ScalingFamily) -> list[ScalingFamily]:
    """One scaling as two: what writes a bond, and what reads it."""
    members = family.scaling.members
    signs = [[m for m in members if m.exponent > 0], [m for m in members if m.exponent < 0]]
    return [
        ScalingFamily(
            kind=family.kind,
            sources=tuple(dict.fromkeys(m.source for m in part)),
            scaling=replace(family.scaling, members=part),
        )
        for part in signs
    ]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scaling is torn in two false ones whose sum is true."""
    honest = derived.derive

    def derive(*given: Any) -> Any:
        found = honest(*given)
        families = [
            part
            for family in found.families
            for part in (torn(family) if isinstance(family, ScalingFamily) else [family])
        ]
        return replace(found, families=families)

    monkeypatch.setattr(derived, "derive", derive)


def network(width: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2, bias=False))


@pytest.mark.parametrize(("width", "seeds"), [(1, 50), (4, 10)])
def test_torn_scalings_are_caught_at_every_seed(broken: None, width: int, seeds: int) -> None:
    model, inputs = network(width), torch.randn(16, 3)
    for seed in range(seeds):
        report = symfind.analyze(model, inputs, seed=seed, certify="never")
        assert report.verification.status == "failed", seed
        assert len(report.verification.failed) == 2, seed
        assert report.dimension.redundant == width, seed


def test_their_sums_are_counted_named_and_enough(broken: None) -> None:
    model = network(4)
    report = symfind.analyze(model, torch.randn(16, 3))
    (kept,) = report.factors
    assert kept.total == 4 and kept.kind == "scaling"
    assert kept.generator.text.startswith("only together")
    assert kept.residual.infinitesimal < 1e-9 and kept.residual.finite < 1e-9
    assert report.certificate.status == "complete"
    assert report.verification.points > 1
    theta = {n: p.detach().double() for n, p in model.named_parameters()}
    x = torch.randn(32, 3, dtype=torch.float64)
    (generator,) = kept.generators
    c = generator.coefficients(torch.Generator().manual_seed(0))
    moved = {**theta, **generator.flow(theta, c, 0.5)}
    expected = torch.func.functional_call(model, theta, x)
    torch.testing.assert_close(torch.func.functional_call(model, moved, x), expected)
