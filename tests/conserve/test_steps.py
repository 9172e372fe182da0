"""Under discrete steps a quadratic law changes by a recursion that is exact."""

import pytest
import torch
from torch import nn

import symfind
from symfind.conserve.steps import parse_steps
from symfind.errors import InputError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


@pytest.mark.parametrize(
    "steps", ["sgd:lr=0.05", "sgd:lr=0.05,wd=0.01", "sgd:lr=0.1,momentum=0.9,wd=0.01"]
)
def test_five_hundred_steps_are_predicted(steps) -> None:
    found = symfind.conserved(network(), torch.randn(5, 3), check=False, steps=steps)
    assert found.steps
    for drift in found.steps:
        assert drift.steps == 500
        assert drift.error < 1e-12
        assert drift.measured > 1e-8
        assert drift.predicted == pytest.approx(drift.measured, rel=1e-6)


def test_adam_has_no_law() -> None:
    found = symfind.conserved(network(), torch.randn(5, 3), check=False, steps="adam:lr=0.01")
    assert all(d.predicted is None and d.measured > 1e-3 for d in found.steps)


@pytest.mark.parametrize("text", ["sgd", "sgd:lr=x", "rmsprop:lr=0.1", "sgd:lr=0.1,momentum=1"])
def test_what_is_no_optimiser_is_refused(text) -> None:
    with pytest.raises(InputError, match="--steps"):
        parse_steps(text)
