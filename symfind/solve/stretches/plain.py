"""Fixed numbers in a stretch: not so small or large that what it tells could pass for rounding."""

import math
from collections.abc import Iterator

from torch import Tensor

from symfind.solve.stretches.cut import Stretch
from symfind.trace.graph import Op

_EACH, _ALL = 5.0, 8.0  # decades from one: of a number, and of all that may be multiplied
_PLUS = {"add", "sub", "rsub", "masked_fill", "cat", "stack", "pad", "constant_pad_nd"}
_TIMES = {"mul", "div"}


def plain(stretch: Stretch) -> bool:
    """Whether all numbers together are of ordinary size that are added or multiply.

    What is added last may be of any size.
    """
    own, whole = set(stretch.ops), 0.0
    for op in (*stretch.ops, *_makers(stretch)):
        last = op.base in _PLUS and op in own and own.isdisjoint(op.users)
        found = max(map(_decades, _numbers(op)), default=0.0)
        whole += 0.0 if last else found
        if not last and found > _EACH:
            return False
    return whole <= _ALL


def _makers(stretch: Stretch) -> Iterator[Op]:
    """Operations that make weights of parameters alone."""
    stack, seen = [x for op in stretch.ops for x in op.operands], set[Op]()
    while stack:
        op = stack.pop()
        if op not in seen and op.trainable and not op.varies:
            seen.add(op)
            stack += op.operands
            yield op


def _numbers(op: Op) -> Iterator[float]:
    """What is fixed of its operands."""
    if op.base in _PLUS | _TIMES:
        for x in (*op.args, *op.kwargs.values()):
            if isinstance(x, int | float):
                yield float(x)
    for x in op.operands:
        value = x.value() if x.constant else None
        if isinstance(value, Tensor) and value.is_floating_point():
            sizes = value[value.isfinite() & (value != 0)].abs()
            yield from (float(f(sizes)) for f in (Tensor.min, Tensor.max) if sizes.numel())


def _decades(x: float) -> float:
    return abs(math.log10(abs(x))) if x and math.isfinite(x) else 0.0
