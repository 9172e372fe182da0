"""At drawn points every channel of a gate with two kinks reaches across both, and not far more."""

import importlib

import pytest
import torch
from torch import Tensor, nn

import symfind

enliven = importlib.import_module("symfind.points.enliven")
APART = 6.0  # the kinks of a hard sigmoid


def reaches(seed: int) -> Tensor:
    """How far apart the lowest and the highest tenth of each channel are, over fresh inputs."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.Hardsigmoid(), nn.Linear(8, 2))
    subject = symfind.open(model, torch.randn(32, 3)).subject
    theta = subject.function().random_point(torch.Generator().manual_seed(seed))
    fresh, rng = subject.fresh(), torch.Generator().manual_seed(seed + 1)
    inputs = torch.cat([fresh(rng).args[0].double() for _ in range(20)])
    values = inputs @ theta["0.weight"].T + theta["0.bias"]
    low, high = values.quantile(torch.tensor([0.1, 0.9], dtype=torch.float64), dim=0)
    return (high - low) / APART


def test_every_channel_crosses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = torch.cat([reaches(seed) for seed in range(4)])
    assert 1.0 < found.min() and found.max() < 2.5
    monkeypatch.setattr(enliven, "cross", lambda *given: None)
    found = torch.cat([reaches(seed) for seed in range(4)])
    assert found.min() < 1.0


def test_outliers_do_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where some inputs are a hundred times as large, the others are within the kinks as well."""

    class Outlying(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = x * (1.0 + 99.0 * (x[:, :1] > 4.0))
            return self.last(nn.functional.hardsigmoid(self.gate(x)))

    def within() -> float:
        torch.manual_seed(0)
        model = Outlying()
        subject = symfind.open(model, torch.randn(32, 3)).subject
        theta = subject.function().random_point(torch.Generator().manual_seed(0))
        fresh, rng = subject.fresh(), torch.Generator().manual_seed(1)
        x = torch.cat([fresh(rng).args[0].double() for _ in range(20)])
        x = x * (1.0 + 99.0 * (x[:, :1] > 4.0))
        values = x @ theta["gate.weight"].T + theta["gate.bias"]
        ordinary = values[x.abs().amax(1) < 10.0]
        spread = ordinary.quantile(0.9, dim=0) - ordinary.quantile(0.1, dim=0)
        return float(spread.min()) / APART

    assert within() > 0.3
    monkeypatch.setattr(enliven, "cross", lambda *given: None)
    assert within() < 0.3


def test_what_rests_at_a_kink_half_of_the_time_crosses_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A channel of a gate reads one of a gate alone: many of its values are one, at an end."""

    def beyond() -> float:
        """The least part of the values of a channel that is beyond either kink."""
        found = []
        for seed in range(4):
            torch.manual_seed(seed)
            model = nn.Sequential(nn.Conv1d(3, 8, 1), nn.ReLU6(), nn.Conv1d(8, 8, 1, groups=8),
                                  nn.ReLU6(), nn.Conv1d(8, 2, 1))  # fmt: skip
            subject = symfind.open(model, torch.randn(1, 3, 5)).subject
            theta = subject.function().random_point(torch.Generator().manual_seed(seed))
            fresh, rng = subject.fresh(), torch.Generator().manual_seed(seed + 1)
            x = torch.cat([fresh(rng).args[0].double() for _ in range(100)])
            bound = {name: value for name, value in theta.items() if name[0] in "02"}
            values = torch.func.functional_call(model[:3].double(), bound, (x,))
            flat = values.movedim(1, 0).flatten(1)
            found += [(flat < 0).double().mean(1), (flat > APART).double().mean(1)]
        return float(torch.cat(found).min())

    assert beyond() > 0.02
    monkeypatch.setattr(enliven, "_BEYOND", 0.0)
    assert beyond() == 0.0
