import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from symfind.algebra.integrate import followed, integrate
from symfind.verify import invariance
from symfind.verify.counted import counted
from symfind.verify.function import Function
from symfind.verify.invariance import measured, points_of, verify
from tests.ground_truth.layers import Attention
from tests.verify.examples import Bond, Shift, WrongFlow

DEPTH, WIDTH = 17, 4


def deep_linear() -> Function:
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(DEPTH)))
    return Function(model, (torch.randn(8, WIDTH),))


def bonds(wrong: tuple[int, ...] = (), kind: type[Bond] = Bond) -> list[Bond]:
    return [
        (kind if i in wrong else Bond)(
            f"bond-{i}", f"{i}.weight", f"{i + 1}.weight", WIDTH, wrong=kind is Bond and i in wrong
        )
        for i in range(DEPTH - 1)
    ]


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_all_right() -> None:
    outcome = verify(deep_linear(), bonds(), rng=rng())
    assert outcome.status == "verified" and outcome.failed == ()
    assert outcome.worst < 1e-11
    assert outcome.random > 1e-2
    assert all(r.finite is not None and r.finite < 1e-11 for r in outcome.residuals.values())


def test_joint_check_of_a_point_costs_one_derivative_and_three_evaluations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = deep_linear()
    calls = {"linearised": 0, "__call__": 0}

    def counted(name):
        plain = getattr(Function, name)

        def call(self, *args):
            calls[name] += 1
            return plain(self, *args)

        monkeypatch.setattr(Function, name, call)

    for name in calls:
        counted(name)
    monkeypatch.setattr(invariance, "_ALONE", 0)
    points = [function.random_point(rng()) for _ in range(2)]
    verify(function, bonds(), rng=rng(), points=points)
    assert calls == {"linearised": 2, "__call__": 6}


def test_a_direction_is_computed_once_at_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, plain = [], Bond.direction

    def direction(self, theta, c):
        asked.append(self.id)
        return plain(self, theta, c)

    monkeypatch.setattr(Bond, "direction", direction)
    monkeypatch.setattr(invariance, "_ALONE", 0)
    function = deep_linear()
    verify(function, bonds(), rng=rng(), points=[function.random_point(rng())])
    assert asked == [f"bond-{i}" for i in range(DEPTH - 1)]


def test_what_is_not_expected_to_hold_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(Function, "difference", never)
    function = deep_linear()
    found = measured(function, bonds((2,))[1:4], rng=rng(), theta=function.random_point(rng()))
    assert found["bond-2"].infinitesimal > 1e-3 and found["bond-2"].finite is None
    for name in ("bond-1", "bond-3"):
        assert found[name].worst < 1e-11 and found[name].finite is not None


def test_progress_has_counts_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 40, 2))
    monkeypatch.setattr("symfind.verify.counted.time.monotonic", lambda: next(clock))
    said: list[str] = []
    assert list(counted("abc", "flows", said.append)) == ["a", "b", "c"]
    assert said[-1] == "verifying, flows: generator 3 of 3, about 3 s"


@pytest.mark.parametrize("wrong", [(0,), (7,), (15,), (2, 3), (0, 8, 15)])
def test_wrong_generators_are_named(wrong: tuple[int, ...]) -> None:
    outcome = verify(deep_linear(), bonds(wrong), rng=rng())
    assert outcome.status == "failed"
    assert outcome.failed == tuple(f"bond-{i}" for i in wrong)
    for i in range(DEPTH - 1):
        residual = outcome.residuals[f"bond-{i}"]
        assert (residual.infinitesimal > 1e-3) == (i in wrong)
        assert (residual.finite is None) == (i in wrong)


def test_wrong_flow_is_named() -> None:
    outcome = verify(deep_linear(), bonds((5,), WrongFlow), rng=rng())
    assert outcome.failed == ("bond-5",)
    assert outcome.residuals["bond-5"].infinitesimal < 1e-11
    assert outcome.residuals["bond-5"].finite > 1e-6


def test_tiny_wrong_generator_does_not_hide() -> None:
    class Tiny(Bond):
        def coefficients(self, rng):
            return 1e-12 * super().coefficients(rng)

    generators = bonds()
    generators[4] = Tiny("tiny", "4.weight", "5.weight", WIDTH, wrong=True)
    assert verify(deep_linear(), generators, rng=rng()).failed == ("tiny",)


def test_direction_on_tensors_that_do_not_matter() -> None:
    # A key bias has no effect in any direction: rounding must not be compared with rounding.
    function = Function(Attention(4, 2, 2, bias=True), (torch.randn(3, 5, 4),))
    outcome = verify(function, [Shift("key-bias", "k.bias")], rng=rng())
    assert outcome.status == "verified" and outcome.worst < 1e-11
    assert verify(function, [Shift("query-bias", "q.bias")], rng=rng()).status == "failed"


@dataclass(frozen=True)
class Singular(Bond):
    """A field that is infinite where the writer is as at one of some points, or NaN."""

    poles: tuple[float, ...] = ()
    value: float = math.nan

    def direction(self, theta: Mapping[str, torch.Tensor], c: torch.Tensor) -> dict[str, Any]:
        pole = float(theta[self.writer].flatten()[0]) in self.poles
        return {n: d * self.value if pole else d for n, d in super().direction(theta, c).items()}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_field_that_is_not_finite_at_a_point_is_tested_at_others(value: float) -> None:
    function, good = deep_linear(), bonds()[1]
    points = points_of(function, rng())
    firsts = [float(theta["0.weight"].flatten()[0]) for theta in points]

    def failed(poles: list[float], wrong: bool = False) -> tuple[str, ...]:
        field = Singular("field", "0.weight", "1.weight", WIDTH, wrong, tuple(poles), value)
        outcome = verify(function, [field, good], rng=rng(), points=points)
        assert good.id not in outcome.failed
        return outcome.failed

    assert failed(firsts[:1]) == ()
    assert failed(firsts[:1], wrong=True) == ("field",)
    assert failed(firsts) == ("field",)  # nothing was tested


class Squares(nn.Module):
    """Sees differences of the squares of its weights, and whether their sum is large."""

    def __init__(self, step: float = 0.0) -> None:
        super().__init__()
        self.weight, self.step = nn.Parameter(torch.randn(4)), step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        squares = self.weight.square()
        return x * (squares - squares.mean()) + self.step * (squares.sum() > 4.0)


@dataclass(frozen=True)
class Lifted(Shift):
    """One constant added to all squares, for as long as none of them is zero."""

    parts: int = 4

    def direction(self, theta: Mapping[str, torch.Tensor], c: torch.Tensor) -> dict[str, Any]:
        moving = torch.arange(4) < self.parts
        return {self.name: torch.where(moving, c / theta[self.name], 0.0)}

    def flow(self, theta: Mapping[str, torch.Tensor], c: torch.Tensor, t: float) -> dict[str, Any]:
        return integrate(lambda here: self.direction(here, c), theta, t, steps=None)


class Ending:
    """Knows where its field ends."""

    def way(self, theta: Mapping[str, torch.Tensor], c: torch.Tensor, t: float) -> Any:
        return followed(lambda here: self.direction(here, c), theta, t)  # type: ignore[attr-defined]


class LiftedWay(Ending, Lifted):
    """The same constant, which says where it ends."""


@pytest.mark.parametrize("kind", [Lifted, LiftedWay])
def test_a_flow_that_runs_into_a_pole_is_followed_for_a_shorter_time(kind: type[Lifted]) -> None:
    function = Function(Squares(), (torch.randn(8, 4),))
    jumping = Function(Squares(1.0), (torch.randn(8, 4),))
    jumped = 0
    for seed in range(8):
        weight = torch.randn(4, generator=rng().manual_seed(seed), dtype=torch.float64)
        weight[0] = 0.02  # the pole is near
        right, wrong = kind("right", "weight"), kind("wrong", "weight", parts=3)
        outcome = verify(function, [right, wrong], rng=rng().manual_seed(seed),
                         points=[{"weight": weight}])  # fmt: skip
        assert outcome.failed == ("wrong",), seed
        at_step = {"weight": weight * (4.0 - 1e-9) ** 0.5 / weight.norm()}
        outcome = verify(jumping, [right], rng=rng().manual_seed(seed), points=[at_step])
        jumped += outcome.failed == ("right",)
    assert jumped > 2  # a step that such a flow crosses is seen all the same


class Magnitudes(nn.Module):
    """Sees differences of the absolute values of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (self.weight.abs() - self.weight.abs().mean())


@dataclass(frozen=True)
class Longer(Lifted):
    """One constant added to all absolute values, for as long as none of them is zero."""

    def direction(self, theta: Mapping[str, torch.Tensor], c: torch.Tensor) -> dict[str, Any]:
        moving = torch.arange(4) < self.parts
        return {self.name: torch.where(moving, c * theta[self.name].sign(), 0.0)}


class LongerWay(Ending, Longer):
    """The same constant, which says where it ends."""


@pytest.mark.parametrize("kind", [Longer, LongerWay])
@pytest.mark.parametrize("seed", range(8))
def test_a_flow_that_ends_where_its_field_turns_is_followed_for_a_shorter_time(
    seed: int, kind: type[Longer]
) -> None:
    weight = torch.randn(4, generator=rng().manual_seed(seed), dtype=torch.float64)
    weight[0] = 0.02  # it may not be made shorter by more than this
    right, wrong = kind("right", "weight"), kind("wrong", "weight", parts=3)
    function = Function(Magnitudes(), (torch.randn(8, 4),))
    outcome = verify(
        function, [right, wrong], rng=rng().manual_seed(seed), points=[{"weight": weight}]
    )
    assert outcome.failed == ("wrong",)


def test_flows_that_end_pass_together(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.tensor([0.002, 0.3, -1.0, 2.0], dtype=torch.float64)
    ways = []
    plain = LiftedWay.way

    def way(self: LiftedWay, theta: Any, c: torch.Tensor, t: float) -> Any:
        ways.append(plain(self, theta, c, t))
        return ways[-1]

    monkeypatch.setattr(LiftedWay, "way", way)
    function = Function(Squares(), (torch.randn(8, 4),))
    several = [LiftedWay(f"right-{i}", "weight") for i in range(6)]
    for seed in range(4):
        outcome = verify(function, several, rng=rng().manual_seed(seed),
                         points=[{"weight": weight}])  # fmt: skip
        assert outcome.status == "verified" and len(ways) == len(several) * (seed + 1)
    assert any(part < 1.0 for _, part in ways)


class Kinked(nn.Module):
    """Sees one weight where it is positive, and another."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (self.weight[1] + self.weight[0].relu())


@dataclass(frozen=True)
class Bent(Ending, Lifted):
    """Moves the weight that is seen where it is positive, by a field with a kink at zero."""

    def direction(self, theta: Mapping[str, torch.Tensor], c: torch.Tensor) -> dict[str, Any]:
        first = theta[self.name][0]
        return {self.name: c * torch.stack([1 + first.abs(), 0 * first, 2 + 0 * first])}


def test_a_kink_behind_which_a_field_is_false_is_crossed() -> None:
    function = Function(Kinked(), (torch.randn(8, 3),))
    failed = 0
    for seed in range(16):
        weight = torch.tensor([-0.005, 1.0, 1.0], dtype=torch.float64)
        outcome = verify(function, [Bent("bent", "weight")], rng=rng().manual_seed(seed),
                         points=[{"weight": weight}])  # fmt: skip
        failed += outcome.failed == ("bent",)
    assert 4 <= failed < 16  # of those that go that way


def test_no_generators() -> None:
    assert verify(deep_linear(), [], rng=rng()).status == "verified"


def test_wrong_shape_is_named() -> None:
    class Misshapen(Bond):
        def direction(self, theta, c):
            return {self.writer: torch.ones(3)}

    with pytest.raises(ValueError, match="odd"):
        verify(deep_linear(), [Misshapen("odd", "0.weight", "1.weight", WIDTH)], rng=rng())


@torch.library.custom_op("symfind_tests::product", mutates_args=())
def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A matrix product that has a reverse derivative only."""
    return x @ weight.T


def _keep(ctx: object, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)  # type: ignore[attr-defined]


def _back(ctx: object, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
    return g @ weight, g.T @ x


torch.library.register_autograd("symfind_tests::product", _back, setup_context=_keep)


@pytest.mark.parametrize("wrong", [(), (0,)])
def test_a_derivative_that_an_operation_drops_rejects_nothing(wrong: tuple[int, ...]) -> None:
    class Opaque(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.symfind_tests.product(x, self.weight)

    model = nn.Sequential(Opaque(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False))
    function = Function(model, (torch.randn(8, WIDTH),))
    bond = Bond("bond", "0.weight", "1.weight", WIDTH, wrong=bool(wrong))
    outcome = verify(function, [bond], rng=rng())
    assert outcome.failed == (("bond",) if wrong else ())
