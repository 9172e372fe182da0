"""Results of frequent operations on tensors without values, when their shapes can be told at once.

torch finds the shapes of results on the meta device by decompositions in Python, which for the
first time import its compiler. Here are the few operations that most of a network consists of,
for contiguous operands of one floating dtype; whatever does not fit is left to torch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten

_POINTWISE = {
    "add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "maximum.default", "minimum.default",
    *(f"{name}.default" for name in (
        "relu", "relu6", "gelu", "silu", "mish", "elu", "celu", "selu", "leaky_relu", "hardtanh",
        "hardswish", "hardsigmoid", "softplus", "sigmoid", "tanh", "sin", "cos", "exp", "log",
        "sqrt", "rsqrt", "neg", "abs", "erf", "reciprocal", "clamp")),
    "pow.Tensor_Scalar",
}  # fmt: skip


def result(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """A tensor on meta of the shape of ``func(*args, **kwargs)``; None where torch shall say it."""
    rule = _RULES.get(func)
    if rule is None:
        return None
    given = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    dtype = given[0].dtype if given else torch.bool
    if not dtype.is_floating_point or any(t.dtype != dtype for t in given):
        return None
    told = rule(*args, **kwargs)
    if told is None or isinstance(told, Tensor):
        return told
    return torch.empty(told, dtype=dtype, device="meta")


def _pointwise(*args: Any, **kwargs: Any) -> Tensor | tuple[int, ...] | None:
    given = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    shape = broadcast([t.shape for t in given])
    if shape is None or any(isinstance(a, complex) for a in args):
        return None
    whole = [t for t in given if t.shape == shape]
    if whole and all(t.stride() == whole[0].stride() for t in whole):
        return torch.empty_like(whole[0], device="meta")  # laid out as the operands are
    return shape if all(t.is_contiguous() for t in given) else None


def broadcast(shapes: list[Any]) -> tuple[int, ...] | None:
    """The shape that several broadcast to, None where they do not."""
    if all(shape == shapes[0] for shape in shapes):
        return tuple(shapes[0])
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    found = []
    for sizes in zip(*padded, strict=True):
        wide = {n for n in sizes if n != 1}
        if len(wide) > 1:
            return None
        found.append(wide.pop() if wide else 1)
    return tuple(found)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[int, ...] | None:
    fits = x.ndim and weight.ndim == 2 and x.shape[-1] == weight.shape[1]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    return (*x.shape[:-1], weight.shape[0])


def _matmul(x: Tensor, y: Tensor) -> tuple[int, ...] | None:
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2]:
        return None
    batch = broadcast([x.shape[:-2], y.shape[:-2]])
    return None if batch is None else (*batch, x.shape[-2], y.shape[-1])


def _layer_norm(
    x: Tensor, shape: list[int], weight: Tensor | None = None, bias: Tensor | None = None,
    *rest: Any,
) -> tuple[int, ...] | None:  # fmt: skip
    sizes = tuple(shape)
    fits = all(t is None or tuple(t.shape) == sizes for t in (weight, bias))
    return tuple(x.shape) if fits and tuple(x.shape[x.ndim - len(sizes) :]) == sizes else None


def _batch_norm(x: Tensor, *rest: Any) -> tuple[int, ...] | None:
    channels = x.shape[1:2]
    fits = all(t.shape == channels for t in rest[:4] if t is not None)
    return tuple(x.shape) if fits and x.ndim >= 2 and x.is_contiguous() else None


def _softmax(x: Tensor, dim: int, dtype: Any = None) -> tuple[int, ...] | None:
    fits = dtype in (None, x.dtype) and x.is_contiguous() and -x.ndim <= dim < x.ndim
    return tuple(x.shape) if fits else None


def _reduced(
    x: Tensor, dims: Any = None, keep: bool = False, *, dtype: Any = None
) -> tuple[int, ...] | None:
    if dtype not in (None, x.dtype) or not dims or any(not -x.ndim <= d < x.ndim for d in dims):
        return None
    gone = {d % x.ndim for d in dims}
    sizes = [(1 if i in gone else n) for i, n in enumerate(x.shape) if keep or i not in gone]
    return tuple(sizes)


def _attention(q: Tensor, k: Tensor, v: Tensor, *rest: Any, **options: Any) -> Any:
    fits = q.ndim == k.ndim == v.ndim and q.ndim > 2 and q.shape[-1] == k.shape[-1]
    same = q.shape[:-2] == k.shape[:-2] == v.shape[:-2] and k.shape[-2] == v.shape[-2]
    return (*q.shape[:-1], v.shape[-1]) if fits and same else None


_RULES: dict[Any, Callable[..., Tensor | tuple[int, ...] | None]] = {
    aten.linear.default: _linear,
    aten.matmul.default: _matmul,
    aten.layer_norm.default: _layer_norm,
    aten.batch_norm.default: _batch_norm,
    aten.softmax.int: _softmax,
    aten.scaled_dot_product_attention.default: _attention,
    aten.mean.dim: _reduced,
    aten.sum.dim_IntList: _reduced,
    **{
        getattr(getattr(aten, name.partition(".")[0]), name.partition(".")[2]): _pointwise
        for name in _POINTWISE
    },
}
