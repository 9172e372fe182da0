"""Entries that a fill takes out of what follows: masks of attention.

An entry far below zero has no part in a softmax. Whatever is done to the wire before it is filled
is then as if it had not been filled at all; so it is only where a softmax is all that sees it.
An entry that is infinite stays so under every positive scale and every shift, wherever it goes,
but has no more to do with the wire: relations between entries end there. Every other fill is a
number.
"""

import math
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Contract, Node, Source
from symfind.graph.uniform import is_uniform, number
from symfind.ops.facts import facts
from symfind.trace import Op

MASKED = -1e4  # a fill this low before a softmax removes the entry
_GONE = -1e3  # and so does one that is divided afterwards: exp is zero here
_SEEN = ("softmax", "_safe_softmax")
_ATTENTION = ("q", "k", "v", "attn_mask")


def filled(b: Builder, values: Sequence[Node]) -> Node | None:
    """One of two wires where the other is a number that takes entries out, else None."""
    fill, wire = values if is_uniform(values[0]) else values[::-1]
    value = number(fill) if is_uniform(fill) else math.nan
    shape = tuple(b.op.shape)
    if wire.shape != shape or not (value <= MASKED or math.isinf(value)):
        return None
    soft = value <= MASKED and softened(b.op, value)
    if soft and wire.varies:
        return b.scale(wire, 1.0)
    if soft or math.isinf(value) or exponentiated(b.op):
        return b.mix(wire, [], [], unit=1.0, peak=True)  # the maximum of one entry or of none
    return None


def softened(op: Op, fill: float) -> bool:
    """Whether nothing but softmaxes sees what an operation returns, filled with a number."""
    return bool(op.users) and all(_soft(user, op, fill) for user in op.users)


def _soft(user: Op, op: Op, fill: float) -> bool:
    """Whether one reader takes filled entries to nothing but softmaxes, far below zero."""
    args, base = user.args, user.base
    if fill > _GONE or (user.dtype is not None and not user.dtype.is_floating_point):
        return False
    if base in _SEEN:
        return args[0] is op
    if base == "log_softmax":
        return fill == -math.inf
    if base == "scaled_dot_product_attention":
        named = dict(zip(_ATTENTION, args, strict=False)) | user.kwargs
        return [k for k, x in named.items() if x is op] == ["attn_mask"]
    if facts(user).moves or base in ("cat", "stack"):
        return softened(user, fill)
    if base == "masked_fill" and args[0] is op and user.operands.count(op) == 1:
        return softened(user, fill)
    if base == "where" and len(args) == 3 and args[0] is not op:
        return softened(user, fill)
    if _peak(user):
        return _taken_off(user, op)
    changed = _after(user, op, fill)
    return changed is not None and softened(user, changed)


def _after(user: Op, op: Op, fill: float) -> float | None:
    """What filled entries are at least as low as after a sum, a product or a bound."""
    rest = [x for x in user.args[:2] if x is not op]
    if len(rest) != 1 or user.operands.count(op) != 1:
        return None
    other, first = rest[0], user.args[0] is op
    if not isinstance(other, (Op, int, float, NoneType)):
        return None
    high, low = _range(other)
    if user.base == "add" and not (user.kwargs.get("alpha", 1) != 1 and not first):
        return fill if high <= -_GONE else None
    if user.base == "sub" and first and user.kwargs.get("alpha", 1) == 1:
        return fill if low >= _GONE or _peak_of(other, op) else None
    if user.base == "mul" and low > 0:
        return fill * low
    if user.base == "div" and first and low > 0 and math.isfinite(high):
        return fill / high
    if user.base in ("maximum", "clamp", "clamp_min", "max") and high <= MASKED:
        return max(fill, high)
    return None


def _range(x: Any) -> tuple[float, float]:
    """The largest and the smallest value of a number or a constant; of all else zero for both."""
    value = x.value() if isinstance(x, Op) else torch.tensor(float(x or 0.0))
    if value is None or value.is_complex() or not value.numel():
        return 0.0, 0.0
    return float(value.max()), float(value.min())


def _peak(op: Op) -> bool:
    """Whether an operation is a maximum over dimensions."""
    return op.base == "amax" or (op.base == "max" and len(op.operands) == 1)


def _peak_of(x: Any, op: Op) -> bool:
    """Whether a value is the maximum of what an operation returns."""
    while isinstance(x, Op) and facts(x).moves:
        x = x.args[0]
    return isinstance(x, Op) and _peak(x) and x.args[0] is op


def _taken_off(peak: Op, op: Op) -> bool:
    """Whether a maximum is only taken off from what it is the maximum of, before a softmax."""
    dims = _dims(peak.args[1:2], op)
    ends = list(_carried(peak))
    return bool(dims and ends) and all(
        end.base == "sub" and end.args[0] is op and _over(end, dims) for end in ends
    )


def _carried(op: Op) -> Iterable[Op]:
    """What reads a value, or a view of it."""
    for user in op.users:
        if facts(user).moves:
            yield from _carried(user)
        else:
            yield user


def _dims(args: Sequence[Any], op: Op) -> set[int]:
    """Dimensions that are given as one or several."""
    given = args[0] if args else ()
    rank = len(op.shape or ())
    return {d % rank for d in ([given] if isinstance(given, int) else given)} if rank else set()


def _over(op: Op, dims: set[int]) -> bool:
    """Whether a softmax over given dimensions, written out or not, is all that reads a value."""
    return bool(op.users) and all(
        (user.base in _SEEN and _dims(user.args[1:2], op) == dims)
        or (user.base == "exp" and _shared(user, dims))
        for user in op.users
    )


def _shared(op: Op, dims: set[int] | None = None) -> bool:
    """Whether a value is only divided by its sum, over given dimensions if any."""
    sums = [u for u in op.users if u.base == "sum" and dims in (None, _dims(u.args[1:2], op))]
    quotients = [u for u in op.users if u.base == "div" and u.args[0] is op and u.args[1] in sums]
    return bool(quotients) and len(sums) + len(quotients) == len(op.users) and all(
        reader in quotients for one in sums for reader in one.users
    )  # fmt: skip


def exponentiated(op: Op) -> bool:
    """Whether a softmax that is written out is all that sees what an operation returns."""
    ends = [u for u in op.users if u.base == "exp"]
    peaks = [u for u in op.users if _peak(u)]
    off = [u for u in op.users if u.base == "sub" and _peak_of(u.args[1], op)]
    return (
        bool(ends or off)
        and len(ends) + len(peaks) + len(off) == len(op.users)
        and all(_shared(one) for one in ends)
        and all(_taken_off(one, op) for one in peaks)
    )


def unmasked(b: Builder, x: Node, fill: Node, sign: float) -> Node | None:
    """z where x = z·m, and x + fill is far below zero wherever the mask m is not one."""
    if not isinstance(x, Contract) or len(x.inputs) != 2 or not softened(b.op, MASKED):
        return None
    value = fill.value() if isinstance(fill, Source) and fill.fixed else None
    for wire, mask in (x.inputs, x.inputs[::-1]):
        kept = mask.value() if isinstance(mask, Source) else None
        if value is None or kept is None or wire.shape != x.shape or kept.is_complex():
            continue
        low = sign * value
        try:
            out, low = torch.broadcast_tensors(kept == 0, low <= MASKED)
        except RuntimeError:
            continue
        whole = bool(((kept == 0) | (kept == 1)).all() and ((value == 0) | low).all())
        if whole and bool((out == low).all()) and bool(out.any()):
            return wire
    return None
