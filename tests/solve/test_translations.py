"""Translations of many parameters, as one linear system."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.solve.families.together import _even


class _Read(nn.Module):
    """A wire that a softmax reads, and a sum times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.a, self.b, self.factor = nn.Linear(3, 4), nn.Linear(4, 3), factor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3] to [N, 3] and [N]."""
        h = self.b(self.a(x))
        return h.softmax(-1), h.sum(-1) * self.factor


@pytest.mark.parametrize("factor", [1.0, 1e-4, 1e-9, 1e-12])
def test_what_a_small_factor_lets_through_is_seen(factor: float) -> None:
    """A constant on all entries is seen by the sum, however small that is beside the softmax."""
    derived = symfind.open(_Read(factor), torch.randn(5, 3)).counted.redundant
    measured = symfind.analyze(_Read(1.0), torch.randn(5, 3)).certificate.nullity
    assert derived == measured


def test_what_nothing_lets_through_is_not() -> None:
    rules = [symfind.open(_Read(f), torch.randn(5, 3)).counted.redundant for f in (1.0, 0.0)]
    assert rules[1] > rules[0]


def test_equations_that_say_nothing_stay_zero() -> None:
    """Where nothing is seen all rows are zero, and where nothing is asked there are none."""
    assert torch.equal(_even(torch.zeros(2, 3)), torch.zeros(2, 3))
    assert _even(torch.zeros(0, 3)).shape == (0, 3)
    small = torch.tensor([[1.0, 0.0], [0.0, 1e-12], [0.0, 0.0]], dtype=torch.float64)
    assert _even(small).norm(dim=1).tolist() == [1.0, 1.0, 0.0]
