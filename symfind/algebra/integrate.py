"""Following a vector field on named tensors for a finite time."""

import math
from collections.abc import Callable, Mapping

from torch import Tensor

Field = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

_FINE = 100  # steps in which a field moves a tensor by its own size: a part of 1e-10 is lost
_MOST = 2000  # steps


def integrate(
    field: Field, theta: Mapping[str, Tensor], t: float, steps: int | None = 4
) -> dict[str, Tensor]:
    """The tensors that a field moves, after time t: Runge–Kutta of order four.

    Args:
        field: changes by name, at any point.
        theta: the point that is left.
        t: time.
        steps: of equal length; None for as many as double precision deserves.
    """
    if steps is None:
        wanted = _FINE * abs(t) * _speed(field(theta), theta)
        steps = 4 + math.ceil(min(wanted, _MOST))
    here, h, touched = dict(theta), t / steps, set[str]()

    def at(offset: Mapping[str, Tensor], scale: float) -> Mapping[str, Tensor]:
        return field({**here, **{k: here[k] + scale * d for k, d in offset.items()}})

    for _ in range(steps):
        k1 = at({}, 0.0)
        k2 = at(k1, h / 2)
        k3 = at(k2, h / 2)
        k4 = at(k3, h)
        touched |= set(k1)
        here.update({k: here[k] + h / 6 * (k1[k] + 2 * k2[k] + 2 * k3[k] + k4[k]) for k in k1})
    return {k: here[k] for k in touched}


def _speed(change: Mapping[str, Tensor], theta: Mapping[str, Tensor]) -> float:
    """The largest change of a tensor relative to its size."""
    return max((float(d.norm() / theta[k].norm().clamp(min=1e-300)) for k, d in change.items()),
               default=0.0)  # fmt: skip
