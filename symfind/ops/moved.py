"""Operations that copy, rearrange, or add up entries are exact as torch has them.

Whatever their other arguments, each result is a sum of entries of the floating operands.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.residues.tape import Tape, Value
from symfind.trace.kernels import run


def moved(tape: Tape, *args: Any, **kwargs: Any) -> Any:
    """Run the operation that the tape is at on everything that it moves."""
    op, values = tape.op, list[Value]()
    template = (_holes(tape, args, values), _holes(tape, kwargs, values))

    def function(*tensors: Tensor) -> Any:
        filled_args, filled_kwargs = _filled(template, tensors)
        return run(op, filled_args, filled_kwargs, torch.device("cpu"))

    return tape.linear(function, *values)


class _Hole(int):
    """The place of a value, by its number."""


def _holes(tape: Tape, tree: Any, values: list[Value]) -> Any:
    if isinstance(tree, Tensor) and tree.is_floating_point():
        tree = tape.lift(tree)
    if isinstance(tree, Value):
        values.append(tree)
        return _Hole(len(values) - 1)
    if isinstance(tree, (tuple, list)):
        return type(tree)(_holes(tape, item, values) for item in tree)
    if isinstance(tree, dict):
        return {key: _holes(tape, item, values) for key, item in tree.items()}
    return tree


def _filled(tree: Any, tensors: Sequence[Tensor]) -> Any:
    if isinstance(tree, _Hole):
        return tensors[tree]
    if isinstance(tree, (tuple, list)):
        return type(tree)(_filled(item, tensors) for item in tree)
    if isinstance(tree, dict):
        return {key: _filled(item, tensors) for key, item in tree.items()}
    return tree
