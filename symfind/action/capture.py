"""Recording which torch calls compute something from named tensors.

The computation runs once on tensors without values, so that nothing of it can depend on them; what
does is refused.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from symfind.action.program import Program, Unrecordable, function
from symfind.errors import InputError

_LARGEST = 4096  # entries of a constant that is written down


class Names:
    """Tensors without values for those of a checkpoint, made when they are asked for."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Parameters by name."""
        self.parameters = {
            name: torch.empty(shape, dtype=torch.float64, device="meta")
            for name, shape in shapes.items()
        }
        self.buffers: dict[str, Tensor] = {}
        self.known = {id(t): name for name, t in self.parameters.items()}

    def buffer(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor that is no parameter."""
        if name not in self.buffers:
            wide = torch.float64 if dtype.is_floating_point else dtype
            self.buffers[name] = torch.empty(shape, dtype=wide, device="meta")
            self.known[id(self.buffers[name])] = name
        return self.buffers[name]


def capture(
    names: Names,
    compute: Callable[..., Mapping[str, Tensor]],
    given: Mapping[str, tuple[int, ...]] = {},
) -> Program:
    """The calls that a function makes.

    Args:
        names: tensors that it may read.
        compute: called with the given tensors, in order; gives tensors by name.
        given: shapes of what is given beside the named tensors.

    Raises:
        Unrecordable: the result depends on values in other ways than through calls.
    """
    inputs = {
        name: torch.empty(shape, dtype=torch.float64, device="meta")
        for name, shape in given.items()
    }
    recorder = _Recorder(names, inputs)
    try:
        with torch.no_grad(), recorder:
            results = compute(*inputs.values())
        return recorder.program(results)
    except Unrecordable:
        raise
    except (RuntimeError, NotImplementedError, LookupError, TypeError, InputError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unrecordable(first) from error


class _Recorder(TorchFunctionMode):
    def __init__(self, names: Names, given: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.names = names
        self.refs: dict[int, Any] = {id(t): {"given": name} for name, t in given.items()}
        self.steps: list[list[Any]] = []
        self.keep: list[Any] = [given]  # an identity holds while its object lives
        self.literal: dict[int, Any] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        blank = any(t.is_meta for t in _tensors((args, kwargs)))
        moved = (args, kwargs) if not blank else (_blank(args), _blank(kwargs))
        result = func(*moved[0], **moved[1])
        name = _name(func)
        changed = name.endswith("__setitem__") or (name.endswith("_") and name[-2] != "_")
        if changed or next(_tensors(result), None) is not None:
            self._note(name, args, kwargs, args[0] if changed else result)
        return result

    def _note(self, name: str, args: tuple, kwargs: dict, result: Any) -> None:
        indexed = name.endswith("item__")
        step = [
            name,
            [self.said(a, indexed) for a in args],
            {k: self.said(v) for k, v in kwargs.items()},
        ]
        self.keep.append((args, kwargs, result))
        k = len(self.steps)
        self.steps.append(step)
        if isinstance(result, Tensor):
            self.refs[id(result)] = {"%": k}
        elif isinstance(result, (tuple, list)):
            for i, item in enumerate(result):
                if isinstance(item, Tensor):
                    self.refs[id(item)] = {"item": [k, i]}

    def said(self, value: Any, indexed: bool = False) -> Any:
        """An argument as data."""
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray):
            return self.said(value.tolist())
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, tuple) and indexed:
            return {"tuple": [self.said(v, indexed) for v in value]}
        if isinstance(value, (tuple, list, range)):
            return [self.said(v) for v in value]
        if isinstance(value, slice):
            return {"slice": [self.said(v) for v in (value.start, value.stop, value.step)]}
        if value is Ellipsis:
            return {"...": True}
        if isinstance(value, torch.dtype):
            return {"dtype": "real" if value.is_floating_point else str(value).split(".")[1]}
        if isinstance(value, torch.device):
            return {"device": True}
        if isinstance(value, torch.Generator):
            return {"seed": value.initial_seed()}
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": str(value)}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise Unrecordable(f"an argument of type {type(value).__name__}")

    def _tensor(self, value: Tensor) -> Any:
        if id(value) in self.refs:
            return self.refs[id(value)]
        if id(value) in self.names.known:
            return {"in": self.names.known[id(value)]}
        if value.is_meta or value.numel() > _LARGEST or value.is_complex():
            raise Unrecordable("a constant too large to be written down")
        self.keep.append(value)
        dtype = "real" if value.is_floating_point() else str(value.dtype).split(".")[1]
        with torch._C.DisableTorchFunction():
            values = value.detach().reshape(-1).tolist()
        if not all(math.isfinite(v) for v in values):
            raise Unrecordable("a constant that is not finite")
        return {"tensor": {"values": values, "shape": list(value.shape), "dtype": dtype}}

    def program(self, results: Mapping[str, Tensor]) -> Program:
        """What the results need, without the rest."""
        ends = {name: self._tensor(t) for name, t in results.items()}
        needed: set[int] = set()
        stack = [ends]
        while stack:
            for k in _steps_in(stack.pop()):
                if k not in needed:
                    needed.add(k)
                    stack.append(self.steps[k][1:])  # type: ignore[arg-type]
        new = {k: i for i, k in enumerate(sorted(needed))}
        reads: dict[str, int] = {}
        steps = [[self.steps[k][0], *_placed(self.steps[k][1:], new, reads)] for k in new]
        for name, *_ in steps:
            function(name)
        ends = _placed(ends, new, reads)
        return Program(tuple(reads), tuple(steps), ends)


def _name(func: Any) -> str:
    if isinstance(func, torch._ops.OpOverload):
        return str(func)
    name = resolve_name(func) or getattr(func, "__name__", "")
    return name.removeprefix("torch.").replace("_C.TensorBase.", "Tensor.")


def _tensors(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from _tensors(item)
    elif isinstance(tree, dict):
        yield from _tensors(list(tree.values()))


def _blank(tree: Any) -> Any:
    """The same with tensors that have no values, wherever they were."""
    if isinstance(tree, Tensor):
        return tree if tree.is_meta or tree.dim() == 0 else tree.to("meta")
    if isinstance(tree, (tuple, list)) and not hasattr(tree, "_fields"):
        return type(tree)(_blank(item) for item in tree)
    if isinstance(tree, dict):
        return {k: _blank(v) for k, v in tree.items()}
    return tree


def _steps_in(data: Any) -> Any:
    if isinstance(data, dict):
        if "%" in data:
            yield data["%"]
        elif "item" in data and isinstance(data["item"], list):
            yield data["item"][0]
        else:
            yield from _steps_in(list(data.values()))
    elif isinstance(data, list):
        for item in data:
            yield from _steps_in(item)


def _placed(data: Any, new: Mapping[int, int], reads: dict[str, int]) -> Any:
    """References by the numbers that steps and tensors have at last."""
    if isinstance(data, list):
        return [_placed(item, new, reads) for item in data]
    if not isinstance(data, dict):
        return data
    if "%" in data:
        return {"%": new[data["%"]]}
    if "item" in data and isinstance(data["item"], list):
        return {"item": [new[data["item"][0]], data["item"][1]]}
    if "in" in data and isinstance(data["in"], str):
        return {"in": reads.setdefault(data["in"], len(reads))}
    return {key: _placed(value, new, reads) for key, value in data.items()}
