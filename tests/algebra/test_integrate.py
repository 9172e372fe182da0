"""Flows against fields that have a closed form, in as few steps as they need."""

import math

import pytest
import torch
from torch import Tensor

from symfind.algebra.integrate import followed, integrate


def _turning(rate: float):
    return lambda theta: {"x": rate * torch.stack([-theta["x"][1], theta["x"][0]])}


@pytest.mark.parametrize("rate", [0.0, 0.3, 40.0])
@pytest.mark.parametrize("t", [0.1, 1.0, -1.0])
def test_a_rotation_is_followed_to_rounding(rate: float, t: float) -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    y = integrate(_turning(rate), {"x": x, "other": x}, t, None)
    c, s = math.cos(rate * t), math.sin(rate * t)
    assert set(y) == {"x"}
    expected = torch.tensor([c - 2 * s, s + 2 * c], dtype=torch.float64)
    torch.testing.assert_close(y["x"], expected, rtol=0, atol=1e-13)


def test_a_field_that_bends_far_more_than_it_moves() -> None:
    # x' = 1e-2 cos(100 s), s' = 1: a step that is chosen by the speed alone sees nothing of it
    field = lambda at: {"x": 0.01 * torch.cos(100 * at["s"]), "s": torch.ones_like(at["s"])}  # noqa: E731
    zero = torch.zeros((), dtype=torch.float64)
    moved = integrate(field, {"x": zero + 1, "s": zero}, 1.0, None)
    assert abs(float(moved["x"]) - 1 - 1e-4 * math.sin(100)) < 1e-14


def test_a_kink_costs_accuracy_and_not_the_result() -> None:
    field = lambda at: {"x": 1 + (at["x"] - 0.3).abs()}  # noqa: E731
    moved = integrate(field, {"x": torch.zeros((), dtype=torch.float64)}, 1.0, None)
    turn = math.log(1.3)  # when x reaches 0.3: x = 1.3 (1 - e^-t)
    assert abs(float(moved["x"]) - (0.3 + math.expm1(1.0 - turn))) < 1e-5


def test_what_leaves_in_finite_time_is_not_finite_and_ends() -> None:
    field = lambda at: {"x": at["x"] ** 2}  # noqa: E731
    moved = integrate(field, {"x": torch.ones((), dtype=torch.float64)}, 2.0, None)
    assert not torch.isfinite(moved["x"]) or abs(float(moved["x"])) > 1e3


def _from(x: float, field, t: float) -> tuple[float, float]:
    """Where one number is led, and for what part of the time."""
    begin = {"x": torch.tensor(x, dtype=torch.float64)}
    moved, part = followed(lambda at: {"x": field(at["x"])}, begin, t)
    return float(moved["x"]), part


@pytest.mark.parametrize("t", [0.5, 3.0, 200.0])
def test_a_field_with_a_pole_is_followed_up_to_it(t: float) -> None:
    # x' = -1/x: x² = x₀² - 2t reaches zero at 1/8
    x, part = _from(0.5, lambda x: -1 / x, t)
    assert 0.3 * 0.125 < part * t < 0.125
    assert abs(x - math.sqrt(0.25 - 2 * part * t)) < 1e-14
    x, part = _from(0.5, lambda x: -1 / x, 0.05)
    assert part == 1.0 and abs(x - math.sqrt(0.15)) < 1e-14


def test_a_field_that_turns_around_is_followed_up_to_there() -> None:
    turn = math.atan(0.5)  # when x reaches zero: x = tan(turn - t)
    for t in (0.3, 0.7, 1.0):
        x, part = _from(0.5, lambda x: -x.sign() * (1 + x**2), t)
        assert 0.5 * min(turn, t) < part * t <= turn
        assert abs(x - math.tan(turn - part * t)) < 1e-14


def test_what_leaves_in_finite_time_is_followed_up_to_then() -> None:
    x, part = _from(1.0, lambda x: x**2, 2.0)  # 1 / (1 - t)
    assert 0.7 < 2.0 * part < 1.0 and abs(x * (1 - 2.0 * part) - 1) < 1e-10


def test_a_kink_is_crossed() -> None:
    x, part = _from(0.0, lambda x: 1 + (x - 0.3).abs(), 1.0)
    assert part == 1.0 and abs(x - (0.3 + math.expm1(1.0 - math.log(1.3)))) < 1e-5


def test_what_is_not_resolved_from_the_first_is_not_followed() -> None:
    assert _from(1e-9, lambda x: -1 / x, 1.0) == (1e-9, 0.0)


def start() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {name: torch.randn(4, 4, dtype=torch.float64) for name in ("still", "moved")}


def counted(field):
    """A field, and how often it was asked."""
    asked = []

    def again(theta):
        asked.append(1)
        return field(theta)

    return again, asked


def test_a_field_that_does_not_depend_on_what_it_moves_is_one_step() -> None:
    theta = start()
    field, asked = counted(lambda at: {"moved": at["still"] @ at["still"]})
    found = integrate(field, theta, 0.7)
    assert torch.equal(found["moved"], theta["moved"] + 0.7 * (theta["still"] @ theta["still"]))
    assert len(asked) == 3


def test_a_field_that_depends_on_what_it_moves_is_followed() -> None:
    theta = start()
    field, asked = counted(lambda at: {"moved": at["still"] @ at["moved"]})
    found = integrate(field, theta, 0.1, 8)
    exact = torch.linalg.matrix_exp(0.1 * theta["still"]) @ theta["moved"]
    assert (found["moved"] - exact).norm() <= 1e-8 * exact.norm()
    assert len(asked) > 40


def test_a_field_that_is_the_same_at_the_end_alone_is_not_straight() -> None:
    theta = {"x": torch.zeros(1, dtype=torch.float64)}
    found = integrate(lambda at: {"x": 1 + 1.0 * (at["x"] % 1 != 0)}, theta, 1.0, 64)
    assert float(found["x"]) > 1.9
