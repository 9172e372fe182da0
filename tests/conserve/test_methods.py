"""Each method against what it must not find: the negative controls."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import symfind
from symfind.conserve.brackets import bracket, lie_closure
from symfind.conserve.closed import closed_combinations
from symfind.conserve.fields import Fields
from symfind.conserve.flow import gradient_flow, random_loss, relative_drift
from symfind.graph.primitives import Source
from symfind.solve.point.family import Family, Moves
from symfind.verify import Function
from tests.conserve.networks import chain


class Given(Family):
    """Fields on one tensor `w` given by a function of its value and the coefficients."""

    def __init__(self, count: int, field) -> None:  # type: ignore[no-untyped-def]
        self.n, self.field, self.kind = count, field, "gauge"
        self.source = Source((), [], role="parameter", key="w")
        self.sources = (self.source,)

    def count(self, sizes=None) -> int:  # type: ignore[no-untyped-def]
        return self.n

    def direction(self, env, c: Tensor) -> Moves:  # type: ignore[no-untyped-def]
        return {self.source: self.field(env.theta["w"], c)}


def draw(rng: torch.Generator) -> dict[str, Tensor]:
    return {"w": torch.randn(4, generator=rng, dtype=torch.float64)}


def closed(*fields: tuple) -> tuple[list[int], int]:
    spaces = [Fields(Given(n, f)) for n, f in fields]
    found = closed_combinations(spaces, draw, torch.Generator().manual_seed(0), mixed=True)
    assert found.clear and found.mixed is not None
    return [b.shape[1] for b in found.own], found.mixed.shape[1]


def test_symmetric_matrices_are_closed() -> None:
    assert closed((16, lambda w, c: c.reshape(4, 4) @ w)) == ([10], 0)


def test_rotations_are_not() -> None:
    def turn(w: Tensor, c: Tensor) -> Tensor:
        x = w.new_zeros(4, 4)
        i, j = torch.triu_indices(4, 4, 1)
        x = x.index_put((i, j), c)
        return (x - x.T) @ w

    assert closed((6, turn)) == ([0], 0)


def test_what_two_families_give_only_together() -> None:
    first = torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert closed((1, lambda w, c: c * (first @ w)), (1, lambda w, c: c * (first.T @ w))) == (
        [0, 0], 1,
    )  # fmt: skip


def test_curved_fields() -> None:
    # ∇(Σ c w³) is closed, and c w reversed is not
    assert closed((4, lambda w, c: c * w**2), (4, lambda w, c: c * w.flip(0) ** 3)) == ([4, 0], 0)


def test_a_derivative_that_is_hidden_is_noticed() -> None:
    hidden = Fields(Given(4, lambda w, c: c * w.detach().flip(0)))
    rng = torch.Generator().manual_seed(0)
    assert not hidden.differentiable(draw(rng), draw(rng), rng)
    assert Fields(Given(4, lambda w, c: c * w.flip(0))).differentiable(draw(rng), draw(rng), rng)


def test_bracket_of_linear_fields_is_the_commutator() -> None:
    a, b = torch.randn(2, 3, 3, dtype=torch.float64)
    point = torch.randn(3, dtype=torch.float64)
    found = bracket(lambda p: a @ p, lambda p: b @ p)(point)
    assert torch.allclose(found, (b @ a - a @ b) @ point)


@settings(derandomize=True, max_examples=8, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_lie_algebra_of_two_linear_layers(n: int, r: int, m: int) -> None:
    # Marcotte, Gribonval, Peyré 2023, section 4
    x = torch.randn(4 * n, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    function = Function(chain(n, r, m), (x,))
    rng = torch.Generator().manual_seed(0)
    found = lie_closure(function, function.random_point(rng), [function.inputs], rng)
    k = min(r, n + m)
    assert found.closed
    assert function.count - found.dimension == k * r - math.comb(k, 2)


def test_a_symmetry_that_is_no_gradient_drifts() -> None:
    torch.manual_seed(0)
    function = Function(chain(3, 3, 3), (torch.randn(12, 3),))
    rng = torch.Generator().manual_seed(0)
    theta = function.random_point(rng)
    calls = [function.inputs]
    path = gradient_flow(function, theta, calls, random_loss(function, theta, calls, rng))
    assert path.moved > 0.01
    fields = {0: Fields(_two("0.weight", "1.weight", -1.0))}
    law = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 0, 0]], dtype=torch.float64).T
    turn = torch.tensor([[0, 1.0, 0, -1.0, 0, 0, 0, 0, 0]], dtype=torch.float64).T
    wrong = {0: Fields(_two("0.weight", "1.weight", 1.0))}
    assert relative_drift(fields, {0: law}, path) < 1e-10
    assert relative_drift(fields, {0: turn}, path) > 1e-4
    assert relative_drift(wrong, {0: law}, path) > 1e-3


def _two(first: str, second: str, sign: float) -> Family:
    """δA = X A and δB = sign · B X."""
    a, b = (Source((), [], role="parameter", key=k) for k in (first, second))

    class Pair(Given):
        def direction(self, env, c: Tensor) -> Moves:  # type: ignore[no-untyped-def]
            x = c.reshape(3, 3)
            return {a: x @ env.theta[first], b: sign * env.theta[second] @ x}

    family = Pair(9, None)
    family.sources = (a, b)
    return family


@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU])
def test_no_symmetry_no_law(activation: type[nn.Module]) -> None:
    function = Function(chain(2, 3, 2, activation=activation), (torch.randn(40, 2),))
    rng = torch.Generator().manual_seed(0)
    found = lie_closure(function, function.random_point(rng), [function.inputs], rng)
    assert found.dimension == function.count


def test_a_scale_about_another_point_says_which() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.r = nn.Linear(3, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.r((self.w(x) + 1.0).relu())

    (law,) = symfind.conserved(Shifted(), torch.randn(8, 3)).laws
    assert law.text == "|w.weight[i,:]|² + (w.bias[i] + 1)² − |r.weight[:,i]|²"
    assert law.drift < 1e-6 < law.control
