"""Fields that are followed: against flows in closed form, and in as few steps as they need."""

import pytest
import torch
from torch import Tensor

from symfind.algebra.integrate import integrate


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


@pytest.mark.parametrize("steps", [8, None])
def test_a_field_that_depends_on_what_it_moves_is_followed(steps: int | None) -> None:
    theta = start()
    field, asked = counted(lambda at: {"moved": at["still"] @ at["moved"]})
    found = integrate(field, theta, 0.1, steps)
    exact = torch.linalg.matrix_exp(0.1 * theta["still"]) @ theta["moved"]
    assert (found["moved"] - exact).norm() <= 1e-8 * exact.norm()
    assert len(asked) > 40


def test_a_field_that_is_the_same_at_the_end_alone_is_not_straight() -> None:
    theta = {"x": torch.zeros(1, dtype=torch.float64)}
    found = integrate(lambda at: {"x": 1 + 1.0 * (at["x"] % 1 != 0)}, theta, 1.0, 64)
    assert float(found["x"]) > 1.9
