"""One spelling for operations that have many, and none for those that change no values.

Everything here is exact: casts between floating dtypes and copies are dropped because a graph
stands for a function of real numbers.
"""

from collections.abc import Callable
from typing import Any

import torch

from symfind.trace.graph import Op

_IDENTITY = {
    "aten.clone", "aten.contiguous", "aten.alias", "aten.detach", "aten.lift_fresh_copy",
    "aten.lift_fresh", "aten.lift", "aten.positive", "aten.dropout", "aten.feature_dropout",
    "aten.alpha_dropout", "aten.feature_alpha_dropout", "aten.native_dropout",
    "aten.resolve_conj", "aten.resolve_neg", "aten.alias_copy", "aten.detach_copy",
    "aten._to_copy", "aten.to", "aten.type_as", "aten._autocast_to_reduced_precision",
    "aten._autocast_to_full_precision", "aten.real",
}  # fmt: skip

_RENAME = {
    "aten.unsafe_split.Tensor": "aten.split.Tensor",
    "aten.split_copy.Tensor": "aten.split.Tensor",
    "aten.split.sizes": "aten.split_with_sizes.default",
    "aten.unsafe_split_with_sizes.default": "aten.split_with_sizes.default",
    "aten.split_with_sizes_copy.default": "aten.split_with_sizes.default",
    "aten.unbind_copy.int": "aten.unbind.int",
    "aten.__and__.Tensor": "aten.bitwise_and.Tensor",
    "aten.__or__.Tensor": "aten.bitwise_or.Tensor",
    "aten.__xor__.Tensor": "aten.bitwise_xor.Tensor",
    "aten.true_divide.Tensor": "aten.div.Tensor",
    "aten.divide.Tensor": "aten.div.Tensor",
    "aten.multiply.Tensor": "aten.mul.Tensor",
    "aten.subtract.Tensor": "aten.sub.Tensor",
    "aten.negative.default": "aten.neg.default",
    "aten.absolute.default": "aten.abs.default",
    "aten.concat.default": "aten.cat.default",
    "aten.concatenate.default": "aten.cat.default",
    "aten._softmax.default": "aten.softmax.int",
    "aten._log_softmax.default": "aten.log_softmax.int",
    "aten.special_expit.default": "aten.sigmoid.default",
    "aten.unsqueeze_copy.default": "aten.unsqueeze.default",
    "aten.squeeze_copy.dim": "aten.squeeze.dim",
}  # fmt: skip

_RENAMED = {f"{name.rpartition('.')[0]}." for name in _RENAME}

_DROPPED = {"device", "layout", "pin_memory", "memory_format", "non_blocking", "copy"}

_FULL = {
    "zeros": 0, "zeros_like": 0, "new_zeros": 0, "ones": 1, "ones_like": 1, "new_ones": 1,
    "empty_like": 0, "new_empty": 0, "new_empty_strided": 0, "empty": 0, "empty_strided": 0,
    "empty_permuted": 0, "zero": 0,
}  # fmt: skip


def simplify(op: Op, target: Any) -> Any:
    """``op`` in canonical form, or the operand that it equals, or None for an assertion.

    May change ``op`` in place. A list or tuple stands for an operation with several results.
    """
    schema = getattr(target, "_schema", None)
    if schema is not None:
        op.args, op.kwargs = _arguments(schema, op.args, op.kwargs)
    if op.target == "getitem":
        return _getitem(op)
    op.kwargs = {k: v for k, v in op.kwargs.items() if k not in _DROPPED and v is not None}
    base = op.target.rpartition(".")[0]
    name = base.removeprefix("aten.")
    if name.startswith(("_assert", "_functional_assert", "sym_constrain")):
        return None
    op.target = _RENAME.get(op.target, op.target)
    if base in _IDENTITY:
        return _identity(op, base)
    dtype, first = op.kwargs.get("dtype"), op.args[0] if op.args else None
    if isinstance(first, Op) and _floating(first.dtype) and _floating(dtype):
        del op.kwargs["dtype"]
    if name in _FULL and base.startswith("aten."):
        return _full(op, _FULL[name])
    rewrite = _REWRITES.get(name) if base.startswith("aten.") else None
    return rewrite(op) if rewrite else op


def spelled(name: str) -> bool:
    """Whether ``name``, of an ATen operator without its overload, has a canonical spelling."""
    return name in _REWRITES or f"aten.{name}" in _IDENTITY or f"aten.{name}." in _RENAMED


def _arguments(schema: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """All arguments that may be positional as positional ones, defaults included."""
    rest = dict(kwargs)
    full = list(args)
    for argument in [a for a in schema.arguments if not a.kwarg_only][len(args) :]:
        if argument.name in rest:
            full.append(rest.pop(argument.name))
        else:
            full.append(argument.default_value)
    return tuple(full), rest


def _getitem(op: Op) -> Any:
    source, index = op.args
    if source.target == "aten.batch_norm.default" and index == 0:
        return source
    if source.target == "aten.native_layer_norm.default" and index == 0:
        return op
    if source.shape is not None and not source.outputs:
        return source if index == 0 else op
    return op


def _floating(dtype: torch.dtype | None) -> bool:
    return dtype is not None and dtype.is_floating_point


def _identity(op: Op, base: str) -> Any:
    source = op.args[0]
    if base == "aten.native_dropout":
        return (source, None)
    if base == "aten.real" and source.dtype is not None and source.dtype.is_complex:
        return op
    if op.dtype is None or source.dtype is None or op.dtype == source.dtype:
        return source
    if op.dtype.is_floating_point and source.dtype.is_floating_point:
        return source
    if op.dtype.is_complex and source.dtype.is_complex:
        return source
    op.target, op.args, op.kwargs = "aten._to_copy.default", (source,), {"dtype": op.dtype}
    return op


def _set(op: Op, target: str, *args: Any, **kwargs: Any) -> Op:
    op.target, op.args, op.kwargs = target, args, kwargs
    return op


def _full(op: Op, value: Any) -> Op:
    return _set(op, "aten.full.default", list(op.shape or ()), value, dtype=op.dtype)


def _fill(op: Op) -> Op:
    value = op.args[1]
    if isinstance(value, Op):
        return _same_or(op, "aten.expand.default", value, list(op.shape or ()))
    return _full(op, value)


def _full_with_dtype(op: Op) -> Op:
    return _full(op, op.args[1])


def _new_full(op: Op) -> Op:
    return _full(op, op.args[2])


def _copy(op: Op) -> Any:
    source = op.args[1]
    if source.dtype != op.dtype and not (
        source.dtype.is_floating_point and op.dtype is not None and op.dtype.is_floating_point
    ):
        return op
    return _same_or(op, "aten.expand.default", source, list(op.shape or ()))


def _same_or(op: Op, target: str, source: Op, *args: Any) -> Op:
    """``source`` where it has the shape of ``op`` already, else ``target`` applied to it."""
    return source if source.shape == op.shape else _set(op, target, source, *args)


def _padded(op: Op) -> Any:
    """The operand, where nothing is added on any side."""
    return op if any(op.args[1]) else op.args[0]


def _chunk(op: Op) -> Op:
    """In pieces of one size (the last may be smaller), and not in a number of pieces."""
    source, _, dim = op.args
    dim %= len(source.shape)
    shape, _ = op.outputs[0]
    return _set(op, "aten.split.Tensor", source, shape[dim] if shape else 1, dim)


def _view(op: Op) -> Op:
    if op.target == "aten.view.dtype":
        return op
    return _same_or(op, "aten.view.default", op.args[0], list(op.shape or ()))


def _expand(op: Op) -> Op:
    return _same_or(op, "aten.expand.default", op.args[0], list(op.shape or ()))


def _permute(order: Callable[[Op, int], list[int]]) -> Callable[[Op], Op]:
    def rewrite(op: Op) -> Op:
        source = op.args[0]
        rank = len(source.shape or ())
        dims = [d % rank for d in order(op, rank)]
        if dims == list(range(rank)):
            return source
        moved = [i for i, d in enumerate(dims) if i != d]
        if len(moved) == 2:
            return _set(op, "aten.transpose.int", source, *moved)
        return _set(op, "aten.permute.default", source, dims)

    return rewrite


def _swap(rank: int, first: int, second: int) -> list[int]:
    dims = list(range(rank))
    if rank:
        first, second = first % rank, second % rank
        dims[first], dims[second] = dims[second], dims[first]
    return dims


def _moved(op: Op, rank: int) -> list[int]:
    source, target = op.args[1], op.args[2]
    source = [source] if isinstance(source, int) else source
    target = [target] if isinstance(target, int) else target
    place = {t % rank: s % rank for s, t in zip(source, target, strict=True)}
    rest = iter(d for d in range(rank) if d not in place.values())
    return [place[i] if i in place else next(rest) for i in range(rank)]


def _slice(op: Op) -> Op:
    if op.target != "aten.slice.Tensor" and op.target != "aten.slice_copy.Tensor":
        return op
    source, dim, start, end, step = op.args
    dim %= len(source.shape)
    start, end, step = slice(start, end, step).indices(source.shape[dim])
    if (start, step) == (0, 1) and source.shape == op.shape:
        return source
    return _set(op, "aten.slice.Tensor", source, dim, start, end, step)


def _narrow(op: Op) -> Op:
    source, dim, start, length = op.args
    if not isinstance(start, int):
        return op
    dim %= len(source.shape)
    start %= max(source.shape[dim], 1)
    if source.shape == op.shape:
        return source
    return _set(op, "aten.slice.Tensor", source, dim, start, start + length, 1)


def _select(op: Op) -> Op:
    source, dim, index = op.args
    dim %= len(source.shape)
    if isinstance(index, int):
        index %= source.shape[dim]
    return _set(op, "aten.select.int", source, dim, index)


def _sum_with(neutral: float) -> Callable[[Op], Op]:
    """Drop ``x + 0``, ``x - 0``, ``x * 1`` and ``x / 1`` with a Python number."""

    def rewrite(op: Op) -> Op:
        source, other = op.args[0], op.args[1] if len(op.args) > 1 else None
        if (
            isinstance(source, Op)
            and isinstance(other, (int, float))
            and not isinstance(other, bool)
            and other == neutral
            and source.shape == op.shape
            and (source.dtype == op.dtype)
            and "rounding_mode" not in op.kwargs
        ):
            return source
        return op

    return rewrite


def _batch_norm(op: Op) -> Op:
    name, args = op.target.split(".")[1], op.args
    if name == "_native_batch_norm_legit_no_training":
        args = (*args[:5], False, *args[5:7])
    elif name == "_native_batch_norm_legit" and op.target.endswith("no_stats"):
        args = (*args[:3], None, None, *args[3:6])
    elif name == "_batch_norm_no_update":
        args = (*args[:5], False, *args[5:7])
    elif name == "_batch_norm_with_update_functional" or name == "_batch_norm_with_update":
        args = (*args[:5], True, *args[5:7])
    op.target, op.args, op.kwargs = "aten.batch_norm.default", tuple(args[:8]), {}
    if op.outputs:
        (op.shape, op.dtype), op.outputs = op.outputs[0], []
    return op


def _layer_norm(op: Op) -> Op:
    return _set(op, "aten.layer_norm.default", *op.args[:5])


def _attention(op: Op) -> Op:
    query, key, value, mask, _, causal = op.args[:6]
    op.args = (query, key, value, mask, 0.0, causal)
    return op


def _convolution(op: Op) -> Op:
    """Strides and the like as lists with one entry per spatial axis."""
    rank = int(op.target.split(".")[1][-2])
    op.args = (*op.args[:3], *(_listed(a, rank) for a in op.args[3:]))
    return op


def _listed(value: Any, rank: int) -> Any:
    """A list of ``rank`` numbers; the number of groups, which is no list, and words stay."""
    if not isinstance(value, (list, tuple)):
        return value
    return list(value) * rank if len(value) == 1 else list(value)


def _recurrent(op: Op) -> Op:
    """No dropout between layers: (input, hx, params, bias, layers, dropout, train, …)."""
    if op.target.endswith((".input", ".data")):
        args = list(op.args)
        place = 5 if op.target.endswith(".input") else 6
        args[place], args[place + 1] = 0.0, False
        op.args = tuple(args)
    return op


def _resized(op: Op) -> Any:
    """``source`` where a picture is brought to the size that it has, by no other factors than 1."""
    source, factors = op.args[0], [a for a in op.args[2:] if a is not None]
    given = [f for a in factors for f in (a if isinstance(a, (list, tuple)) else [a])]
    same = source.shape == op.shape and all(f is True or f is False or f == 1 for f in given)
    return source if same else op


def _softmax(op: Op) -> Op:
    source, dim = op.args[:2]
    if isinstance(source, Op) and not _floating(source.dtype):
        return op
    rank = len(source.shape) if isinstance(source, Op) and source.shape is not None else 0
    return _set(op, op.target, source, dim % rank if rank else dim)


_transposed = _permute(lambda op, rank: _swap(rank, op.args[1], op.args[2]))

_REWRITES: dict[str, Callable[[Op], Any]] = {
    **dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "flatten", "unflatten", "view_copy", "_reshape_copy",
         "_reshape_alias", "view_as", "reshape_as", "ravel"), _view),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "expand_copy"), _expand),
    "permute": _permute(lambda op, rank: list(op.args[1])),
    "permute_copy": _permute(lambda op, rank: list(op.args[1])),
    **dict.fromkeys(("numpy_T", "mT", "adjoint"), _permute(lambda op, rank: _swap(rank, -2, -1))),
    "numpy_T": _permute(lambda op, rank: list(range(rank))[::-1]),
    "t": _permute(lambda op, rank: list(range(rank))[::-1]),
    "t_copy": _permute(lambda op, rank: list(range(rank))[::-1]),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "transpose_copy"), _transposed),
    **dict.fromkeys(("movedim", "moveaxis"), _permute(_moved)),
    "slice": _slice,
    "slice_copy": _slice,
    "narrow": _narrow,
    **dict.fromkeys(("chunk", "unsafe_chunk"), _chunk),
    "narrow_copy": _narrow,
    **dict.fromkeys(("pad", "constant_pad_nd"), _padded),
    "select": _select,
    "select_copy": _select,
    "add": _sum_with(0),
    "sub": _sum_with(0),
    "mul": _sum_with(1),
    "div": _sum_with(1),
    "full_like": _full_with_dtype,
    "full": _full_with_dtype,
    "new_full": _new_full,
    "fill": _fill,
    "copy": _copy,
    **dict.fromkeys(
        ("_native_batch_norm_legit", "_native_batch_norm_legit_functional", "batch_norm",
         "_native_batch_norm_legit_no_training", "native_batch_norm", "cudnn_batch_norm",
         "_batch_norm_with_update", "_batch_norm_with_update_functional",
         "_batch_norm_no_update"), _batch_norm),
    "layer_norm": _layer_norm,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "conv_transpose1d"), _convolution),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d",
         "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"), _resized),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _softmax),
}  # fmt: skip
