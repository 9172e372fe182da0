"""Fixed numbers in a stretch: not so small or large that what it tells could pass for rounding."""

import math
from collections import Counter
from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from symfind.solve.point.values import Environment
from symfind.solve.stretches.cut import ATTENTION, Stretch, carried, summed
from symfind.trace.graph import Op

_EACH, _ALL = 5.0, 8.0  # decades from one: of a number, and of all that may be multiplied
_PLUS = {"add", "sub", "rsub", "masked_fill", "cat", "stack", "pad", "constant_pad_nd"}
_TIMES = {"mul", "div"}
_CURVED = {"exp", "sigmoid", "tanh", "softmax", "log_softmax"}
_STEEP = 6.0  # of what these read: they are nearly flat beyond


def plain(stretch: Stretch, env: Environment) -> bool:
    """Whether all numbers together are of ordinary size that are added or multiply.

    What is added last may be of any size. No function of parameters may be flat at the point.
    """
    makers = list(_makers(stretch))
    if any(op.base in _CURVED and _flat(op, env) for op in makers):
        return False
    sizes = {op: _size(op, stretch.ops) for op in (*stretch.ops, *makers)}
    times = _Times(stretch.ops, [op for op, size in sizes.items() if size])
    whole = sum(sizes[op] * n for op, n in times.all().items())
    return max(sizes.values()) <= _EACH and whole <= _ALL


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


class _Times:
    """How often numbers are multiplied by themselves, as far as they reach.

    Of a sum it is the most of any summand, of a product the sum of all factors.
    """

    def __init__(self, ops: Collection[Op], having: Collection[Op]) -> None:
        """Of operations in order, some of which have numbers."""
        self._own, self._having = set(ops), set(having)
        self._known: dict[Op, Counter[Op]] = {}
        for op in ops:  # in order, so that no call is deep
            self.of(op)

    def all(self) -> Counter[Op]:
        """The most there are anywhere."""
        found = Counter[Op]()
        for one in self._known.values():
            found |= one
        return found

    def of(self, op: Op) -> Counter[Op]:
        """Of a result."""
        if op not in self._known:
            self._known[op] = self._made(op) if self._inside(op) else Counter()
        return self._known[op]

    def _inside(self, op: Op) -> bool:
        return op in self._own if op.varies else op.trainable

    def _made(self, op: Op) -> Counter[Op]:
        found = Counter({op: 1}) if op in self._having else Counter[Op]()
        for x in op.operands if op.base == ATTENTION else carried(op):
            for _ in range(_power(op)):
                found = found | self.of(x) if summed(op) else found + self.of(x)
        return found


def _power(op: Op) -> int:
    if op.base == "pow":
        return int(op.args[1])
    return 2 if op.base == "square" else 1


def _size(op: Op, own: Collection[Op]) -> float:
    last = op.base in _PLUS and op in own and not any(u in own for u in op.users)
    numbers = (*_scales(op), *(() if last else _fixed(op)))
    return max(map(_decades, numbers), default=0.0)


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


def _decades(x: float) -> float:
    return abs(math.log10(abs(x))) if x and math.isfinite(x) else 0.0
