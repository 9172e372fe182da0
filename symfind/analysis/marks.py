"""Numbers that a model tells from others: zero, those that it compares with, no number at all.

What stands for a missing value, for a padding or for the end of a sequence is met by no random
number, and what the model has there, a parameter perhaps, is seen on no other inputs.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from symfind.trace import Graph, Op

_BOUNDS = ("clamp", "clamp_min", "clamp_max", "hardtanh", "threshold")
_STEPS = ("bucketize", "searchsorted")
_ASKS = ("isnan", "isinf", "isposinf", "isneginf", "isfinite", "nan_to_num")
_ALWAYS = (0.0, 1.0, -1.0)
_MOST = 64  # numbers of one operation


def marks(graph: Graph) -> tuple[float, ...]:
    """Numbers with which what the input reaches is compared, and zero and one, in order.

    Infinite ones and those that are none are among them where the model asks for such.
    """
    found = dict.fromkeys(_ALWAYS)
    for op in graph.ops:
        if not op.varies:
            continue
        if op.dtype == torch.bool or op.base in (*_BOUNDS, *_STEPS):
            found |= dict.fromkeys(_numbers(op.args))
        same = op.base in ("eq", "ne") and len(op.operands) == 2 and len(set(op.operands)) == 1
        if op.base in _ASKS or same:
            found |= dict.fromkeys((math.inf, -math.inf, math.nan))
    return tuple(found)


def _numbers(args: tuple) -> Iterator[float]:
    for arg in args:
        if isinstance(arg, Op):
            value = arg.value() if arg.constant and arg.shape is not None else None
            if value is not None and value.numel() <= _MOST and not value.is_complex():
                yield from value.flatten().tolist()
        elif isinstance(arg, (int, float)) and not isinstance(arg, bool):
            yield float(arg)


def kinds(values: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
    """Those that a model may be given together, by words for them.

    What is finite goes with numbers on either side of it.
    """
    near = [x for v in values if math.isfinite(v) for x in (v, v - 1, v + 1, v / 2, 2 * v)]
    found = {
        "numbers that the model compares with, and zero": tuple(dict.fromkeys(near)),
        "infinite values": tuple(v for v in values if math.isinf(v)),
        "missing values": tuple(v for v in values if math.isnan(v)),
    }
    return {words: numbers for words, numbers in found.items() if numbers}


def marked(leaf: Any, values: tuple[float, ...], rng: torch.Generator, alone: bool) -> Any:
    """Rows of real numbers or integers with one of some numbers in each, at half of its places.

    Args:
        leaf: of inputs; what is neither stays.
        values: by row along the first axis, again and again; for integers the whole ones of them.
        rng: at which places.
        alone: whether every other row is of its number alone, and the rest as it was.
    """
    if not isinstance(leaf, Tensor) or leaf.is_complex() or leaf.dtype == torch.bool:
        return leaf
    if not leaf.is_floating_point():
        values = tuple(v for v in values if v == round(v))
    if not values or not leaf.ndim:
        return leaf
    row = torch.arange(len(leaf)).reshape(-1, *[1] * (leaf.ndim - 1))
    table = torch.tensor(values, dtype=torch.float64).to(leaf.dtype)
    taken = row % 2 == 0 if alone else torch.rand(leaf.shape, generator=rng) < 0.5
    return torch.where(taken, table[row // 2 % len(table)], leaf)
