"""False generators whose sum is true: they are caught, and the sum is kept."""

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from symfind.verify.function import Function
from symfind.verify.invariance import verify
from tests.verify.examples import Bond, Scales

SEEDS = range(50)


def chain(layers: int = 4) -> Function:
    torch.manual_seed(0)
    linear = [nn.Linear(3, 3, bias=False) for _ in range(layers)]
    return Function(nn.Sequential(*linear), (torch.randn(8, 3),))


def names(*exponents: float) -> Mapping[str, float]:
    return {f"{i}.weight": e for i, e in enumerate(exponents) if e}


TRUE = Scales("true", names(1, -1, 0, 0))
PAIR = [Scales("up", names(1)), Scales("down", names(0, -1))]
TRIPLE = [Scales("a", names(2)), Scales("b", names(0, -1)), Scales("c", names(0, 0, -1))]
UNEVEN = [Scales("once", names(1)), Scales("twice", names(0, 2))]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("false", [PAIR, TRIPLE], ids=["pair", "triple"])
def test_false_scalings_whose_sum_is_true_never_pass_together(false: list[Scales]) -> None:
    function = chain()
    for seed in SEEDS:
        outcome = verify(function, [TRUE, *false], rng=rng(seed))
        assert outcome.failed == tuple(f.id for f in false), seed


@pytest.mark.parametrize("false", [PAIR, TRIPLE, UNEVEN], ids=["pair", "triple", "uneven"])
def test_the_true_sum_is_kept(false: list[Scales]) -> None:
    function = chain()
    outcome = verify(function, false, rng=rng(3))
    (kept,) = outcome.kept
    assert kept.dimension == len(false) - 1
    assert {g.id for g, _ in kept.parts} == {f.id for f in false}
    assert outcome.residuals[kept.id].worst < 1e-9
    theta = function.random_point(rng(5))
    moved = {**theta, **kept.flow(theta, kept.coefficients(rng(6)), 0.7)}
    torch.testing.assert_close(function(moved), function(theta))


def test_coefficients_of_what_is_kept_are_simple() -> None:
    (kept,) = verify(chain(), UNEVEN, rng=rng(0)).kept
    once, twice = (float(mix) for _, mix in kept.parts)
    assert once == -2 * twice and {abs(once), abs(twice)} == {1.0, 0.5}


def test_combinations_of_different_generators_stay_apart() -> None:
    others = [Scales("third", names(0, 0, 1)), Scales("fourth", names(0, 0, 0, -1))]
    function = chain(4)
    kept = verify(function, [*PAIR, *others], rng=rng(1)).kept
    assert sum(one.dimension for one in kept) == 3  # any two scales of a chain make up


def test_nothing_is_kept_where_nothing_is_true() -> None:
    relu = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 3, bias=False))
    false = [Scales("in", {"0.weight": 1.0}), Scales("out", {"2.weight": 1.0})]
    outcome = verify(Function(relu, (torch.randn(8, 3),)), false, rng=rng(0))
    assert outcome.failed == ("in", "out") and outcome.kept == ()


def test_a_small_false_generator_does_not_hide_beside_large_ones() -> None:
    # at the weight of 1e-10 its part of the output is below what a joint test can see
    class Faint(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            self.faint = nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x)) + 1e-12 * self.faint

    model = Faint()
    bond = Bond("bond", "first.weight", "second.weight", 3)
    planted = Scales("planted", {"first.weight": 1e-9})
    function = Function(model, (torch.randn(8, 3),))
    for seed in SEEDS:
        assert verify(function, [bond, planted], rng=rng(seed)).failed == ("planted",), seed


def test_what_holds_at_one_point_only_fails() -> None:
    class Special(nn.Module):
        """The first entry is not read where it is negative."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.b + self.a.relu() * x.square()

    function = Function(Special(), (torch.randn(8, 1),))
    dead = {"a": -torch.ones(1, dtype=torch.float64), "b": torch.ones(1, dtype=torch.float64)}
    alive = {**dead, "a": -dead["a"]}
    inert = Scales("inert", {"a": 1.0})
    assert verify(function, [inert], rng=rng(0), points=[dead]).failed == ()
    assert verify(function, [inert], rng=rng(0), points=[dead, alive]).failed == ("inert",)
