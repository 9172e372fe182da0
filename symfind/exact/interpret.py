"""Run a traced network on the tape."""

from collections.abc import Mapping
from typing import Any

import torch

from symfind.errors import ExactError
from symfind.ops import registry
from symfind.ops.facts import facts
from symfind.residues.tape import Refusal, Tape, Undecided, Value
from symfind.trace.constants import evaluate
from symfind.trace.graph import Graph, Op, replace, walk
from symfind.trace.kernels import resolve, run

_CPU = torch.device("cpu")


def interpret(
    graph: Graph, tape: Tape, parameters: Mapping[str, Value], inputs: Mapping[str, Any]
) -> list[Value]:
    """The outputs of ``graph``, as values on the tape.

    Args:
        graph: the network.
        tape: records every operation.
        parameters: trainable ones, by canonical name.
        inputs: by name: a value where it is real, else a tensor of integers or truth values.

    Raises:
        ExactError: an operation is not piecewise rational, or has no rule; the message names it.
        Undecided: the point lies where two pieces meet, or at a pole.
        ZeroDivisionError: the point is a pole modulo p.
    """
    known: dict[str, Any] = {}
    outputs = []
    for op in graph.ops:
        try:
            result = _result(op, tape, parameters, inputs, known)
        except Refusal as refusal:
            raise _refused(op, str(refusal)) from refusal
        except ExactError as error:
            raise ExactError(f"{error}, at {_place(op)}") from error
        except (Undecided, ZeroDivisionError):
            raise
        except Exception as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise _refused(op, f"does not fit its exact rule ({first})") from error
        known[op.name] = result
        if op.target == "output":
            outputs.append(tape.lift(result))
    return outputs


def _result(
    op: Op,
    tape: Tape,
    parameters: Mapping[str, Value],
    inputs: Mapping[str, Any],
    known: Mapping[str, Any],
) -> Any:
    if op.target == "input":
        return inputs[op.key]
    if op.target == "parameter" and op.trainable:
        return parameters[op.key]
    if op.constant:
        value = evaluate(op)
        if value is None and op.target in ("constant", "parameter"):
            raise ExactError(
                f"the value of {op.key!r} is not known: build the model on a device with storage"
            )
        if value is not None:
            return value
    args = replace(op.args, lambda o: known[o.name])
    kwargs = replace(op.kwargs, lambda o: known[o.name])
    if op.target == "output":
        return args[0]
    if op.target == "getitem":
        return args[0][args[1]]
    if not any(_holds_value(known[o.name]) for o in walk((op.args, op.kwargs))):
        if _random(op.target):
            raise Refusal("is random")
        return run(op, args, kwargs, _CPU)
    rule = registry.exact.find(op.target)
    if rule is None:
        raise Refusal(facts(op).irrational or "has no exact rule")
    tape.op = op
    # real numbers only: what torch would convert to, and where it would put the result
    return rule(tape, *args, **{k: v for k, v in kwargs.items() if k != "dtype"})


def _holds_value(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(_holds_value(item) for item in result)
    return isinstance(result, Value)


def _random(target: str) -> bool:
    if not target.startswith("aten."):
        return False
    return torch.Tag.nondeterministic_seeded in getattr(resolve(target), "tags", ())


def _place(op: Op) -> str:
    inside = f" in {op.module}" if op.module else ""
    line = f", {op.where}" if op.where else ""
    return f"{op.target} ({op.name}{inside}{line})"


def _refused(op: Op, why: str) -> ExactError:
    return ExactError(
        f"exact mode is for piecewise rational models, and {_place(op)} {why}. Replace the "
        "operation, or certify the model in floating point: symfind analyze --certify always"
    )
