"""Derivatives that are not those of the function, or are missing."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import symfind
from symfind.verify import Function, honesty
from symfind.verify.honesty import honest


class Through(nn.Module):
    """Two linear maps with something between."""

    def __init__(self, between) -> None:
        super().__init__()
        self.first, self.between, self.last = nn.Linear(3, 4), between, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self.first(x)))


def test_derivatives_that_lie_make_no_null_directions() -> None:
    """The derivative of a Bessel function is missing, for each of its operations alike."""
    between = torch.special.bessel_j0
    certificate = symfind.analyze(Through(between), torch.randn(4, 3)).certificate
    assert certificate.status == "undetermined"
    assert "not those of its function" in certificate.reason


def test_honest_ones_are_believed() -> None:
    """Of 26 parameters a norm leaves a quadratic form (10), two sums and two biases, one scale."""
    certificate = symfind.analyze(
        Through(lambda x: torch.linalg.norm(x, dim=-1, keepdim=True).expand(-1, 4)),
        torch.randn(4, 3),
    ).certificate
    assert certificate.status == "complete" and certificate.nullity == 13


def test_a_padding_row_counts_as_any_other() -> None:
    class Padded(nn.Module):
        def __init__(self, padding: int | None) -> None:
            super().__init__()
            self.table, self.read = nn.Embedding(7, 2, padding), nn.Linear(2, 5)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.read(self.table(tokens).tanh())

    found = [
        symfind.analyze(Padded(p), torch.arange(7)[None]).certificate.nullity for p in (None, 0)
    ]
    assert found[0] == found[1]


def test_differences_stand_in_where_no_derivative_is_implemented() -> None:
    torch.manual_seed(0)
    model = Through(lambda x: torch.cdist(x, x.flip(0)).expand(4, 4))
    function = Function(model, (torch.randn(4, 3),), {})
    theta = function.random_point(torch.Generator().manual_seed(0))
    step = function.random_point(torch.Generator().manual_seed(1))
    pulled = function.jacobian(theta)
    flat = torch.cat([step[n].reshape(-1) for n in function.names])
    torch.testing.assert_close(function.jvp(theta, step), pulled @ flat, rtol=1e-7, atol=1e-9)


def test_kinks_are_no_lies() -> None:
    """Squares of rectified products: of their many kinks some lie within any long step."""
    for seed in range(5):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), weight_norm(nn.Linear(4, 3)), nn.ReLU(),
                              weight_norm(nn.Linear(3, 3)))  # fmt: skip
        function = Function(model, (torch.randn(256, 3),), {})
        rng = torch.Generator().manual_seed(seed)
        assert honest(function, function.random_point(rng), function.inputs, rng)


def test_steepness_is_no_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zigzag whose kinks lie so close that every step but the shortest meets some."""

    def believed() -> list[bool]:
        answers = []
        for seed in range(5):
            torch.manual_seed(seed)
            zigzag = Through(lambda x: ((3e5 * x).remainder(2.0) - 1.0).abs())
            function = Function(zigzag, (torch.randn(6, 3),), {})
            rng = torch.Generator().manual_seed(seed)
            answers.append(honest(function, function.random_point(rng), function.inputs, rng))
        return answers

    assert all(believed())
    monkeypatch.setattr(honesty, "STEPS", honesty.STEPS[:1])
    assert sum(believed()) < 3
