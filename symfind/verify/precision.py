"""Double precision all through a model, whatever precision its code asks for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from symfind.verify.constant_norms import constant_norm

WIDE = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex32: torch.complex128,
}

_METHODS: Any = Tensor  # not all of its methods are known to type checkers
_WIDE_METHODS: dict[Any, Callable[..., Tensor]] = {
    Tensor.float: Tensor.double,
    Tensor.half: Tensor.double,
    Tensor.bfloat16: Tensor.double,
    _METHODS.cfloat: _METHODS.cdouble,
    _METHODS.chalf: _METHODS.cdouble,
}

_WIDE_TYPES = {
    f"torch.{device}{name}Tensor": f"torch.{device}DoubleTensor"
    for device in ("", "cuda.")
    for name in ("Float", "Half", "BFloat16")
}
_LEGACY_TYPES = {torch.FloatTensor, torch.HalfTensor, torch.BFloat16Tensor}

_DROPOUTS = {
    torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.feature_alpha_dropout,
    F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout,
}  # fmt: skip


# A padding index keeps a row from being trained: it hides a derivative, and changes no value.
_TABLES = {torch.embedding: 2, F.embedding: 2}


_AS_THEY_ARE = {int, float, bool, type(None)}  # most arguments that are no tensors


def widen(value: Any) -> Any:
    """Replace every narrow floating tensor and dtype in nested arguments by its double one."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is tuple or kind is list:
        return kind([widen(v) for v in value])
    if isinstance(value, Tensor):
        wide = WIDE.get(value.dtype)
        return value if wide is None else value.to(wide)
    if isinstance(value, torch.dtype):
        return WIDE.get(value, value)
    if kind is dict:
        return {k: widen(v) for k, v in value.items()}
    if isinstance(value, str):
        return _WIDE_TYPES.get(value, value)
    if isinstance(value, type) and value in _LEGACY_TYPES:
        return torch.DoubleTensor
    return value


class DoublePrecision(TorchFunctionMode):
    """Rewrites requests for float32 (or narrower) to float64, and makes dropout the identity.

    It acts on the Python calls of the model, above autograd and `torch.func`, so that it composes
    with forward and reverse derivatives and with vmap.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func` with every precision widened."""
        kwargs = kwargs or {}
        if func in _DROPOUTS:
            return args[0] if args else kwargs["input"]
        if func is F.scaled_dot_product_attention:
            kwargs = {**kwargs, "dropout_p": 0.0} if len(args) < 5 else kwargs
            args = (*args[:4], 0.0, *args[5:]) if len(args) >= 5 else args
        if func in _TABLES:
            args, kwargs = _unpadded(func, args, kwargs)
        func = _WIDE_METHODS.get(func, func)
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return func(*args, **kwargs)
        # An in-place call must reach the tensor itself, not a wider copy of it.
        if args and (name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))):
            return func(args[0], *widen(args[1:]), **widen(kwargs))
        args, kwargs = widen(args), widen(kwargs)
        normed = constant_norm(func, args, kwargs)
        return func(*args, **kwargs) if normed is None else normed


def _unpadded(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    place, nothing = _TABLES[func], None if func is F.embedding else -1
    if len(args) > place:
        return (*args[:place], nothing, *args[place + 1 :]), kwargs
    return args, {**kwargs, "padding_idx": nothing} if "padding_idx" in kwargs else kwargs


@contextmanager
def double_precision() -> Iterator[None]:
    """Evaluate in float64 throughout, by the plain (differentiable) kernels, without dropout."""
    default = torch.get_default_dtype()
    fastpath = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, default)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
        torch.set_default_dtype(torch.float64)
        torch.backends.mha.set_fastpath_enabled(False)
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(DoublePrecision())
        yield
