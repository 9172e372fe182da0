"""Following a vector field for a finite time, to the precision of its numbers.

Gragg, On extrapolation algorithms for ordinary initial value problems (1965), and Bulirsch and
Stoer (1966): midpoint rules of ever smaller steps have an error in even powers of the step, which
is extrapolated to zero. A stretch on which the last two orders do not agree is halved.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]
Field = Callable[[Tensors], Tensors]

_MIDPOINTS = tuple(range(2, 18, 2))  # steps of the rules of a stretch: order 16
_AGREE = 16.0  # times rounding, of a tensor's size
_NOISY = 4096.0  # the same, of a field that is not known better: orders no longer come closer
_SHORTEST = 1 / 256  # of the whole time; here the last order is taken as it is
_FIRST = 1e-4  # the same of the first stretch, of a way that may end
_RETURNED = 1e-6  # of a whole way, by which a way back may miss where it began
_MOST = 48  # stretches that are tried of a way that may end, once some of it is known
_EASY = 5  # rules after which the next stretch is twice as long


def extrapolated(field: Field, theta: Tensors, t: float) -> dict[str, Tensor]:
    """The tensors that a field moves, after time t, across what is not resolved as well.

    Args:
        field: changes by name, at any point.
        theta: the point that is left.
        t: time.
    """
    return _followed(field, theta, t, across=True)[0]


def resolved(field: Field, theta: Tensors, t: float) -> tuple[dict[str, Tensor], float]:
    """The same up to where the field ends, and what part of the time that is.

    It ends at a pole, or where it turns around: there no step is short enough, and the way back
    leads elsewhere. Where that takes many short stretches it is followed no further. What has a
    kink there is crossed; so is a turn that no rule looks beyond, in the last step of a stretch:
    whether the whole way leads back is for the caller to see.
    """
    return _followed(field, theta, t, across=False)


def _followed(
    field: Field, theta: Tensors, t: float, across: bool
) -> tuple[dict[str, Tensor], float]:
    here, done, part, tried = dict(theta), 0.0, 1.0, 0
    known = here, done  # up to where all is resolved
    while True:
        start = field(here)
        tried += 1
        if tried > _MOST and known[1] and not across:
            return {k: known[0][k] for k in start}, known[1]
        moved, rules = _stretch(field, here, start, t * part)
        if rules is None:
            if part > (_SHORTEST if done or across else _FIRST):
                part /= 2
                continue
            if not across and not _returns(field, here, moved, t, part):
                return {k: known[0][k] for k in start}, known[1]
        here = {**here, **{k: here[k] + d for k, d in moved.items()}}
        done += part
        known = known if rules is None else (here, done)
        if done >= 1.0 or not all(bool(torch.isfinite(d).all()) for d in moved.values()):
            return {k: here[k] for k in start}, min(done, 1.0)
        if rules is not None and rules < _EASY:
            part *= 2
        part = min(part, 1.0 - done)


def _returns(field: Field, here: Tensors, moved: Tensors, t: float, part: float) -> bool:
    """Whether the way back over a stretch leads to where it began, by what the whole way moves."""
    there = {**here, **{k: here[k] + d for k, d in moved.items()}}
    back, _ = _stretch(field, there, field(there), -t * part)
    missed = math.hypot(*(float((d + back[k]).norm()) for k, d in moved.items()))
    return missed <= _RETURNED / part * math.hypot(*(float(d.norm()) for d in moved.values()))


def _stretch(
    field: Field, here: Tensors, start: Tensors, t: float
) -> tuple[dict[str, Tensor], int | None]:
    """What moves in a time, and after how many rules two orders agreed; None where none did."""
    rows: list[dict[str, Tensor]] = []
    apart = float("inf")
    for rules, n in enumerate(_MIDPOINTS, 1):
        row = [_midpoints(field, here, start, t, n)]
        for k, lower in enumerate(rows):
            factor = (n / _MIDPOINTS[rules - 2 - k]) ** 2 - 1
            row.append({key: d + (d - lower[key]) / factor for key, d in row[-1].items()})
        if rows:
            before, apart = apart, _apart(row[-1], rows[-1], here)
            if apart <= _AGREE:
                return row[-1], rules
            if rules > _EASY and not apart < before:
                return row[-1], (rules if apart <= _NOISY else None)
        rows = row
    return row[-1], None


def _midpoints(field: Field, here: Tensors, start: Tensors, t: float, n: int) -> dict[str, Tensor]:
    """What moves by a midpoint rule of n steps, n even."""
    h = t / n
    before = {k: torch.zeros_like(d) for k, d in start.items()}
    after = {k: h * d for k, d in start.items()}
    for _ in range(n - 1):
        slope = field({**here, **{k: here[k] + d for k, d in after.items()}})
        before, after = after, {k: d + 2 * h * slope[k] for k, d in before.items()}
    return after


def _apart(one: Tensors, two: Tensors, here: Tensors) -> float:
    """How far two changes of tensors differ, in roundings of the tensors."""
    worst = 0.0
    for key, d in one.items():
        size = max(float(here[key].norm()), float(d.norm()), 1e-300)
        apart = float((d - two[key]).norm()) / size / torch.finfo(d.dtype).eps
        if not apart <= worst:
            worst = apart
    return worst
