"""Following a vector field on named tensors for a finite time.

Dormand and Prince, A family of embedded Runge-Kutta formulae (1980): the pair's method of order
five, at steps of equal length. Where no number of steps is given, see `extrapolate`.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from symfind.algebra.extrapolate import extrapolated, resolved

Field = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

_ALONG = ((math.sqrt(5) - 1) / 2, 1.0)  # where a straight line is looked at
_STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
_WEIGHTS = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)


def integrate(
    field: Field, theta: Mapping[str, Tensor], t: float, steps: int | None = 4
) -> dict[str, Tensor]:
    """The tensors that a field moves, after time t.

    A field that is the same along a straight line, to the last bit, is followed in one step.

    Args:
        field: changes by name, at any point.
        theta: the point that is left.
        t: time.
        steps: of equal length; None for the precision of the numbers.
    """
    straight = _straight(field, theta, t)
    if straight is not None:
        return straight
    if steps is None:
        return extrapolated(field, theta, t)
    here, h = dict(theta), t / steps
    for _ in range(steps):
        slopes: list[Mapping[str, Tensor]] = []
        for row in _STAGES:
            slopes.append(field({**here, **_moved(here, slopes, row, h)}))
        here.update(_moved(here, slopes, _WEIGHTS, h))
    return {k: here[k] for k in slopes[0]}


def followed(
    field: Field, theta: Mapping[str, Tensor], t: float
) -> tuple[dict[str, Tensor], float]:
    """The same to the precision of the numbers, and for what part of the time.

    Where the field ends before (see `extrapolate.resolved`), it is followed up to there.
    """
    straight = _straight(field, theta, t)
    return resolved(field, theta, t) if straight is None else (straight, 1.0)


def _straight(field: Field, theta: Mapping[str, Tensor], t: float) -> dict[str, Tensor] | None:
    """The end of a straight line, where the field is the same along it; None where it is not."""
    first = field(theta)
    straight = {part: {k: theta[k] + part * t * d for k, d in first.items()} for part in _ALONG}
    same = all(_equal(field({**theta, **there}), first) for there in straight.values())
    return straight[1.0] if same else None


def _moved(
    here: Mapping[str, Tensor], slopes: list[Mapping[str, Tensor]], row: tuple[float, ...], h: float
) -> dict[str, Tensor]:
    """The point after a mean of slopes."""
    if not row:
        return {}
    return {
        k: here[k] + h * sum(w * s[k] for w, s in zip(row, slopes, strict=True) if w)
        for k in slopes[0]
    }


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two changes are the same, to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], d) for k, d in other.items())
