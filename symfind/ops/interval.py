"""Bounds of wires that the input decides: which rows of a table can be read at all.

Interval arithmetic (Moore 1966, Interval Analysis, ch. 2) on the operations that position ids are
made of: a comparison is 0 or 1, n of them add up to at most n, and so on. An interval may be too
wide, never too narrow: what is rounded may lie outside of what the numbers say, and an integer that
its type does not hold becomes any other.
"""

import math
from collections.abc import Callable, Mapping

import torch

from symfind.ops.facts import facts
from symfind.trace import Op

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)
SLACK = 1e-2  # far more than half precision rounds, relative


def interval(op: Op) -> Interval:
    """The least and the largest value that the entries of a wire can take."""
    known: dict[int, Interval] = {}
    stack = [op]
    while stack:
        top = stack[-1]
        if id(top) in known:
            stack.pop()
            continue
        below = [] if top.constant or top.trainable else top.operands
        missing = [x for x in below if id(x) not in known]
        if missing:
            stack.extend(missing)
            continue
        known[id(top)] = bounds(top, known)
        stack.pop()
    return known[id(op)]


def bounds(op: Op, known: Mapping[int, Interval]) -> Interval:
    """The same, where the intervals of its operands are known by their ids."""
    return _held(_bounds(op, known), op.dtype)


def _bounds(op: Op, known: Mapping[int, Interval]) -> Interval:
    if op.trainable:
        return EVERYTHING
    if op.constant:
        value = op.value()
        if value is None or not value.numel() or value.is_complex():
            return EVERYTHING
        return float(value.min()), float(value.max())
    if op.dtype == torch.bool:
        return 0.0, 1.0
    if op.dtype == torch.uint8 or op.target == "aten.view.dtype":
        return EVERYTHING  # below zero comes 255
    if not op.target.startswith("aten."):
        return EVERYTHING
    name, fact = op.base, facts(op)

    def of(x: object) -> Interval:
        if isinstance(x, Op):
            return known[id(x)]
        return (float(x), float(x)) if isinstance(x, int | float) else EVERYTHING

    if fact.truth:
        return 0.0, 1.0
    if name == "_to_copy":
        return _cast(of(op.args[0]), op.args[0].dtype, op.dtype)
    if fact.moves:
        return of(op.args[0])
    if name in ("add", "sub", "mul", "maximum", "minimum") and len(op.args) == 2 and not op.kwargs:
        return _corners(name, of(op.args[0]), of(op.args[1]))
    if name == "where" and len(op.args) == 3:
        (a, b), (c, d) = of(op.args[1]), of(op.args[2])
        return min(a, c), max(b, d)
    if name in ("cumsum", "sum"):
        return _summed(op, _cast(of(op.args[0]), op.args[0].dtype, op.dtype))
    if name in ("clamp", "clamp_min", "clamp_max"):
        return _clamped(op, name, of)
    if name == "remainder" and isinstance(op.args[1], int) and op.args[1] > 0:
        # A remainder that is no integer is any below, and rounded it is the divisor itself.
        return 0.0, op.args[1] - (0.0 if _floats(op.dtype) else 1.0)
    return EVERYTHING


def _floats(dtype: torch.dtype | None) -> bool:
    return dtype is None or dtype.is_floating_point or dtype.is_complex


def _cast(x: Interval, before: torch.dtype | None, after: torch.dtype | None) -> Interval:
    """What is left of numbers that another type holds: an integer is what is before the point."""
    if _floats(after) or not _floats(before):
        return x
    low, high = (math.trunc(v) if math.isfinite(v) else v for v in x)
    return low, high


def _held(x: Interval, dtype: torch.dtype | None) -> Interval:
    """An interval widened by rounding, or all that a type of integers holds where it is left."""
    if dtype is None or dtype == torch.bool or dtype.is_complex:
        return x
    if dtype.is_floating_point:
        low, high = (0.0 if _whole(v, dtype) else abs(v) * SLACK for v in x)
        return x[0] - low, x[1] + high
    least, most = float(torch.iinfo(dtype).min), float(torch.iinfo(dtype).max)
    if dtype == torch.int64:
        return x  # counts do not get there
    return x if least <= x[0] <= x[1] <= most else (least, most)


def _whole(v: float, dtype: torch.dtype | None) -> bool:
    """Whether sums and products of numbers up to this one are never rounded beyond it."""
    if not math.isfinite(v) or dtype is None:
        return not math.isfinite(v)
    return v == int(v) and abs(v) * torch.finfo(dtype).eps < 1


def _corners(name: str, a: Interval, b: Interval) -> Interval:
    pairs = [(x, y) for x in a for y in b]
    if name == "mul":
        # Zero times a bound that is not known is zero.
        values = [0.0 if 0 in pair else pair[0] * pair[1] for pair in pairs]
    else:
        make: dict[str, Callable[[float, float], float]] = {
            "add": lambda x, y: x + y, "maximum": max, "minimum": min,
        }  # fmt: skip
        if name == "sub":
            return a[0] - b[1], a[1] - b[0]
        return make[name](a[0], b[0]), make[name](a[1], b[1])
    return min(values), max(values)


def _summed(op: Op, each: Interval) -> Interval:
    """Between one entry and all of them in a running sum; all of them in a sum."""
    args, shape = op.args[1:], op.args[0].shape
    dim = args[0] if args else op.kwargs.get("dim")
    dims = [] if dim is None else [dim] if isinstance(dim, int) else dim  # none are all
    n = math.prod(shape[d] for d in dims or range(len(shape))) if shape else 1
    if not n:
        return EVERYTHING
    if _floats(op.dtype) and not all(_whole(n * v, op.dtype) for v in each):
        return EVERYTHING  # every sum is rounded
    least = n if ".sum" in op.target else 1
    bounds = [k * v for k in (least, n) for v in each]
    return min(bounds), max(bounds)


def _clamped(op: Op, name: str, of: Callable[[object], Interval]) -> Interval:
    low, high = of(op.args[0])
    given = [*op.args[1:], None, None]
    least = op.kwargs.get("min", None if name == "clamp_max" else given[0])
    most = op.kwargs.get("max", given[0] if name == "clamp_max" else given[1])
    if name != "clamp":
        least, most = (least, None) if name == "clamp_min" else (None, most)
    if least is not None:
        a, b = of(least)
        low, high = max(low, a), max(high, b)
    if most is not None:
        a, b = of(most)
        low, high = min(low, a), min(high, b)
    return low, high
