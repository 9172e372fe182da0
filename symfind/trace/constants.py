"""Values of operations that depend on neither inputs nor trainable parameters."""

from typing import Any

import torch

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


def _compute(op: Op) -> Any:
    if op.target in ("constant", "parameter"):
        if op.data is None or op.data.device.type == "meta":
            return None
        return widen(op.data.detach().cpu())
    if op.target.startswith(_RANDOM) or any(o._value is None for o in op.operands):
        return None
    args = replace(op.args, lambda o: o._value)
    kwargs = replace(op.kwargs, lambda o: o._value)
    try:
        with torch.no_grad():
            return run(op, args, kwargs, torch.device("cpu"))
    except Exception:  # an unknown value is always a safe answer
        return None
