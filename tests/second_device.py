"""A second device made of the first: what would fail on an accelerator fails here.

Tensors that are moved to `cpu:1` are kept on the processor and say that they are there. As on an
accelerator, an operation on tensors of both devices is an error (numbers, and indices into what is
elsewhere, may come from the first). Kernels are those of the processor.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

aten = torch.ops.aten

NAME = "cpu:1"
_DEVICE = torch.device(NAME)
_HOME = torch.device("cpu")
_MOVES = (aten._to_copy.default, aten.copy_.default)
_INDEXES = (
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
)


class Elsewhere(Tensor):
    """A tensor on the second device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "Elsewhere":
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=_DEVICE,
        )
        made.inner = inner
        return made

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __repr__(self) -> str:
        return f"Elsewhere({self.inner})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple, kwargs: dict) -> Any:
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, Elsewhere)]
    strangers = [x for x in tensors if not isinstance(x, Elsewhere) and x.dim()]
    if there and strangers and func not in (*_MOVES, *_INDEXES):
        shapes = ", ".join(str(tuple(x.shape)) for x in strangers)
        raise RuntimeError(f"{func} on two devices: {shapes} on {_HOME}, others on {_DEVICE}")
    asked = kwargs.get("device")
    if asked is not None:
        away = torch.device(asked) == _DEVICE
        kwargs = {**kwargs, "device": _HOME}
    elif func is aten.copy_.default:
        away = isinstance(args[0], Elsewhere)
    else:
        away = bool(there)
    if func is aten._efficientzerotensor.default:
        func = aten.zeros.default  # the kernels below know no tensors without entries
    home_args, home_kwargs = tree_map_only(Elsewhere, lambda x: x.inner, (args, kwargs))
    result = func(*home_args, **home_kwargs)
    if not away:
        return result
    same = {id(x.inner): x for x in there}  # what was changed in place is still that tensor
    return tree_map_only(Tensor, lambda x: same[id(x)] if id(x) in same else Elsewhere(x), result)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


class _Values(TorchFunctionMode):
    """Numbers become tensors below what modes see: move them afterwards."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        device = kwargs.pop("device", None) if func is torch.tensor else None
        result = func(*args, **kwargs)
        return result if device is None else result.to(device)


@contextmanager
def second_device() -> Iterator[str]:
    """While this lasts, there is a second device; gives its name."""
    with _Values(), _Operations():
        yield NAME
