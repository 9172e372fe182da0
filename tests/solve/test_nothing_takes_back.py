"""A weight that reads nothing but zeros takes nothing back."""

import pytest
import torch
from torch import Tensor, nn

import symfind


class Scaled(nn.Module):
    """A hidden layer whose units are multiplied by a number, and shifted by another."""

    def __init__(self, factor: float, shift: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 3)
        self.factor, self.shift = factor, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x) * self.factor + self.shift))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_bias_is_taken_back_only_where_what_is_read_is_not_zero(shift: float) -> None:
    report = symfind.analyze(Scaled(0.0, shift), torch.randn(9, 4))
    assert report.verification.status == "verified"
    assert report.dimension.redundant == report.certificate.nullity == 40
