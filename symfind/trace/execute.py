"""Run a traced graph on given parameters and inputs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from symfind.errors import TraceError
from symfind.trace.graph import Graph, Op, replace
from symfind.trace.kernels import run, widen

Adjust = Callable[[Op, list[Any]], list[Any]]


def execute(
    graph: Graph,
    parameters: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor] | Sequence[Tensor],
    constants: Mapping[str, Tensor] | None = None,
    adjust: Adjust | None = None,
) -> list[Tensor]:
    """The outputs of ``graph``, computed operation by operation in float64.

    ``parameters`` are looked up by canonical name, ``inputs`` by name or in the order of
    ``graph.inputs``; ``constants`` supplies (or replaces) buffers by name; ``adjust`` is shown the
    arguments of every operation that parameters reach, and says which to take instead. Runs on the
    device of the parameters and can be differentiated. Raises TraceError where a constant is
    unknown.
    """
    return list(_execute(graph, parameters, inputs, constants or {}, adjust).values())


def _execute(
    graph: Graph,
    parameters: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor] | Sequence[Tensor],
    constants: Mapping[str, Tensor],
    adjust: Adjust | None = None,
) -> dict[str, Tensor]:
    if not isinstance(inputs, Mapping):
        inputs = {op.key: tensor for op, tensor in zip(graph.inputs, inputs, strict=True)}
    device = next((p.device for p in parameters.values()), torch.device("cpu"))
    results: dict[str, Any] = {}
    outputs: dict[str, Tensor] = {}
    left = Counter(operand.name for op in graph.ops for operand in op.operands)
    replaced: set[str] = set()  # constants that rest on what `constants` supplies
    with sdpa_kernel(SDPBackend.MATH):  # the only kernel that has all derivatives
        for op in graph.ops:
            operands = op.operands
            if op.target == "input":
                result = widen(inputs[op.key].to(device))
            elif op.target == "parameter" and op.trainable:
                result = widen(parameters[op.key])
            elif op.target in ("constant", "parameter") and op.key in constants:
                replaced.add(op.name)
                result = widen(constants[op.key].to(device))
            else:
                result = None
                if op.constant and not any(o.name in replaced for o in operands):
                    result = _to(_constant(op), device)
                elif op.constant:
                    replaced.add(op.name)
                if result is None:
                    args = adjust(op, list(op.args)) if adjust and op.trainable else op.args
                    result = run(
                        op,
                        replace(tuple(args), lambda o: results[o.name]),
                        replace(op.kwargs, lambda o: results[o.name]),
                        device,
                    )
            results[op.name] = result
            if op.target == "output":
                outputs[op.name] = result
            for operand in operands:
                left[operand.name] -= 1
                if left[operand.name] == 0:
                    del results[operand.name]
    return outputs


def _constant(op: Op) -> Any:
    from symfind.trace.constants import evaluate

    value = evaluate(op)
    if value is None and op.target in ("constant", "parameter"):
        raise TraceError(
            f"the value of {op.key!r} is not known (the model has no storage for it); "
            "pass it in constants"
        )
    return value


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, (tuple, list)):
        return type(value)(_to(item, device) for item in value)
    return value
