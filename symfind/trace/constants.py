"""Values of operations that depend on neither inputs nor trainable parameters."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from symfind.trace.graph import Op, replace
from symfind.trace.kernels import run, widen

_RANDOM = ("aten.rand", "aten.normal", "aten.bernoulli", "aten.multinomial", "aten.poisson")


def evaluate(op: Op) -> Any:
    """The value of a constant operation, None where it cannot be known."""
    if not op.constant:
        return None
    # a stack rather than recursion: chains of constants can be longer than Python's stack
    stack = [op]
    while stack:
        current = stack[-1]
        if current._known:
            stack.pop()
            continue
        waiting = [operand for operand in current.operands if not operand._known]
        if waiting:
            stack.extend(waiting)
            continue
        current._value = _compute(current)
        current._known = True
        stack.pop()
    return op._value


def determined(op: Op) -> Tensor | None:
    """The value that constants and boolean inputs give an operation: these are kept as they are.

    None where it rests on anything else, or cannot be known.
    """
    values: dict[int, Any] = {}
    stack = [op]
    while stack:
        one = stack[-1]
        if id(one) not in values:
            if one.constant:
                values[id(one)] = evaluate(one)
            elif one.target == "input":
                values[id(one)] = one.data
            elif not one.operands:
                return None
        if id(one) in values:
            if values[id(one)] is None:
                return None
            stack.pop()
            continue
        waiting = [x for x in one.operands if id(x) not in values]
        if not waiting:
            values[id(one)] = _run(one, lambda x: values[id(x)])
        stack.extend(waiting)
    value = values[id(op)]
    return value if isinstance(value, Tensor) else None


def _compute(op: Op) -> Any:
    if op.target in ("constant", "parameter"):
        if op.data is None or op.data.device.type == "meta":
            return None
        return widen(op.data.detach().cpu())
    if op.target.startswith(_RANDOM) or any(o._value is None for o in op.operands):
        return None
    return _run(op, lambda o: o._value)


def _run(op: Op, value: Callable[[Op], Any]) -> Any:
    args, kwargs = replace(op.args, value), replace(op.kwargs, value)
    try:
        with torch.no_grad():
            return run(op, args, kwargs, torch.device("cpu"))
    except Exception:  # an unknown value is always a safe answer
        return None
