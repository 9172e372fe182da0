"""Fixed numbers in a stretch: not so small or large that what it tells could pass for rounding."""

import math
from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from symfind.solve.point.values import Environment
from symfind.solve.stretches.cut import ATTENTION, Stretch, carried, summed, times
from symfind.trace.graph import Op

_EACH, _ALL = 5.0, 8.0  # decades from one: of a number, and of all that may be multiplied
_PLUS = {"add", "sub", "rsub", "masked_fill", "cat", "stack", "pad", "constant_pad_nd"}
_TIMES = {"mul", "div"}
_CURVED = {"exp", "sigmoid", "tanh", "softmax", "log_softmax"}
_STEEP = 6.0  # of what these read: they are nearly flat beyond

_Decades = tuple[float, float]  # below one, and above


def plain(stretch: Stretch, env: Environment) -> bool:
    """Whether all numbers together are of ordinary size that are added or multiply.

    What is added last may be of any size. No function of parameters may be flat at the point.
    """
    makers = list(_makers(stretch))
    if any(op.base in _CURVED and _flat(op, env) for op in makers):
        return False
    sizes = {op: _size(op, stretch.ops) for op in (*stretch.ops, *makers)}
    if any(max(size) > _EACH for size in sizes.values()):
        return False
    small, large = zip(*_Reach(stretch.ops, sizes).all(), strict=True)
    return max(small) + max(large) <= _ALL


def _makers(stretch: Stretch) -> Iterator[Op]:
    """Operations that make weights of parameters alone."""
    stack, seen = [x for op in stretch.ops for x in op.operands], set[Op]()
    while stack:
        op = stack.pop()
        if op not in seen and op.trainable and not op.varies:
            seen.add(op)
            stack += op.operands
            yield op


def _flat(op: Op, env: Environment) -> bool:
    x = env.value_of(op.args[0])
    return float(torch.where(x.isfinite(), x, 0.0).abs().max()) > _STEEP


class _Reach:
    """How many decades below and above one are what numbers make when they are multiplied.

    Of a sum it is the most of any summand, of a product the sum of all factors.
    """

    def __init__(self, ops: Collection[Op], sizes: Mapping[Op, _Decades]) -> None:
        """Of operations in order, with what their own numbers are."""
        self._own, self._sizes = set(ops), sizes
        self._known: dict[Op, _Decades] = {}
        for op in ops:  # in order, so that no call is deep
            self.of(op)

    def all(self) -> Collection[_Decades]:
        """Of all results."""
        return self._known.values()

    def of(self, op: Op) -> _Decades:
        """Of a result."""
        if op not in self._known:
            self._known[op] = self._made(op) if self._inside(op) else (0.0, 0.0)
        return self._known[op]

    def _inside(self, op: Op) -> bool:
        return op in self._own if op.varies else op in self._sizes

    def _made(self, op: Op) -> _Decades:
        operands = op.operands if op.base == ATTENTION else carried(op)
        found = [self.of(x) for x in operands for _ in range(_power(op))]
        if op.base == "div" and isinstance(op.args[1], Op):
            found[-1] = found[-1][::-1]
        elif not _straight(op):
            found = [_either(one) for one in found]
        join = max if summed(op) else sum
        small, large = self._sizes[op]
        below, above = zip(*found, strict=True) if found else ((0.0,), (0.0,))
        return small + join(below), large + join(above)


def _straight(op: Op) -> bool:
    """Whether what is small makes what is small, and what is large what is large."""
    return op.base != "div" and (summed(op) or times(op))


def _either(size: _Decades) -> _Decades:
    return max(size), max(size)


def _power(op: Op) -> int:
    if op.base == "pow":
        return int(op.args[1])
    return 2 if op.base == "square" else 1


def _size(op: Op, own: Collection[Op]) -> _Decades:
    """Of the least and the largest of the numbers of an operation; of what is added last, none."""
    last = op.base in _PLUS and op in own and not any(u in own for u in op.users)
    numbers = [*_scales(op), *(() if last else _fixed(op))]
    ends = [math.log10(abs(x)) for x in numbers if x and math.isfinite(x)]
    size = max(0.0, -min(ends, default=0.0)), max(0.0, *ends, 0.0)
    return size if _straight(op) and not op.base.startswith("avg_pool") else _either(size)


def _scales(op: Op) -> Iterator[float]:
    """Numbers that an operation multiplies by, beside its operands."""
    divisor = op.args[6:7] if op.base in ("avg_pool2d", "avg_pool3d") else ()
    if op.base != ATTENTION:
        yield from map(float, filter(_number, (*op.kwargs.values(), *divisor)))


def _fixed(op: Op) -> Iterator[float]:
    """What is fixed of its operands."""
    if op.base in _PLUS | _TIMES:
        yield from map(float, filter(_number, op.args))
    for x in op.operands:
        value = x.value() if x.constant else None
        if isinstance(value, Tensor) and value.is_floating_point():
            sizes = value[value.isfinite() & (value != 0)].abs()
            yield from (float(f(sizes)) for f in (Tensor.min, Tensor.max) if sizes.numel())


def _number(x: object) -> bool:
    return isinstance(x, int | float)
