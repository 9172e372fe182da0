"""The inverse of every view: a parent in which one view of it has been replaced."""

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import torch
from torch import fx

from symfind.trace.exported import Shaped
from symfind.trace.memory import Emit, View

aten = torch.ops.aten


class Unrecordable(Exception):
    """Something that the recorder does not follow; another way of tracing may."""


def undo(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    """The node of ``parent`` with ``value`` in the place of what ``view`` shows of it.

    Raises:
        Unrecordable: nothing is known about views of this kind.
    """
    name = view.func._schema.name.removeprefix("aten::") if view.func else "a view"
    rule = _UNDO.get(name)
    if rule is None:
        raise Unrecordable(f"a write through {name}")
    return rule(emit, view, parent, value)


def _same(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    if view.before.shape != view.after.shape:
        raise Unrecordable("a write through a view that repeats entries")
    if view.before.dtype != view.after.dtype:
        raise Unrecordable("a write through another dtype")
    return value


def _shape(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    if math.prod(view.before.shape) != math.prod(view.after.shape):
        raise Unrecordable("a write through a view of another size")
    if view.before.dtype != view.after.dtype:
        raise Unrecordable("a write through another dtype")
    return emit(aten.view.default, (value, list(view.before.shape)), {}, view.before)


def _order(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    """Undo a permutation, which is found by what it does to strides that are all different."""
    rank = len(view.before.shape)
    strides = [2**i for i in range(rank)]
    marked = torch.empty_strided([2] * rank, strides, device="meta")
    moved = view.func(marked, *view.args, **view.kwargs).stride()
    back = [moved.index(stride) for stride in strides]
    return emit(aten.permute.default, (value, back), {}, view.before)


def _argument(view: View, place: int, name: str, default: Any) -> Any:
    if len(view.args) >= place:
        return view.args[place - 1]
    return view.kwargs.get(name, default)


def _slice(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    dim, start, end, step = (
        _argument(view, i, name, default)
        for i, (name, default) in enumerate(
            (("dim", 0), ("start", None), ("end", None), ("step", 1)), 1
        )
    )
    return emit(aten.slice_scatter.default, (parent, value, dim, start, end, step), {}, view.before)


def _narrow(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    dim, start = _argument(view, 1, "dim", 0), _argument(view, 2, "start", 0)
    if not isinstance(start, int):
        raise Unrecordable("a write to a place that is computed")
    start %= max(view.before.shape[dim], 1)
    end = start + view.after.shape[dim]
    return emit(aten.slice_scatter.default, (parent, value, dim, start, end, 1), {}, view.before)


def _select(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    dim, index = _argument(view, 1, "dim", 0), _argument(view, 2, "index", 0)
    return emit(aten.select_scatter.default, (parent, value, dim, index), {}, view.before)


def _piece(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    """Undo one of the pieces that an axis was split into."""
    rank = len(view.before.shape)
    dim = _argument(view, 2, "dim", 0) % rank
    assert view.index is not None
    ends = list(accumulate(shaped.shape[dim] for shaped in view.siblings))
    end = ends[view.index]
    start = end - view.siblings[view.index].shape[dim]
    return emit(aten.slice_scatter.default, (parent, value, dim, start, end, 1), {}, view.before)


def _entry(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    dim = _argument(view, 1, "dim", 0)
    return emit(aten.select_scatter.default, (parent, value, dim, view.index), {}, view.before)


def _diagonal(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    args = [_argument(view, i, n, d) for i, (n, d) in enumerate(_DIAGONAL, 1)]
    return emit(aten.diagonal_scatter.default, (parent, value, *args), {}, view.before)


def _complex(emit: Emit, view: View, parent: fx.Node, value: fx.Node) -> fx.Node:
    pairs = view.after.dtype.is_complex
    back = aten.view_as_real.default if pairs else aten.view_as_complex.default
    return emit(back, (value,), {}, view.before)


_DIAGONAL = (("offset", 0), ("dim1", 0), ("dim2", 1))

_UNDO: dict[str, Callable[[Emit, View, fx.Node, fx.Node], fx.Node]] = {
    **dict.fromkeys(
        ("detach", "alias", "lift_fresh", "lift", "contiguous", "to", "_to_copy", "type_as",
         "expand", "expand_as", "broadcast_to", "resolve_conj", "resolve_neg"), _same),
    **dict.fromkeys(
        ("view", "reshape", "_unsafe_view", "_reshape_alias", "flatten", "unflatten", "unsqueeze",
         "squeeze", "view_as", "reshape_as", "ravel", "atleast_1d", "atleast_2d", "atleast_3d"),
        _shape),
    **dict.fromkeys(
        ("permute", "transpose", "t", "movedim", "moveaxis", "swapaxes", "swapdims", "mT",
         "numpy_T"), _order),
    "slice": _slice,
    "narrow": _narrow,
    "select": _select,
    **dict.fromkeys(
        ("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk"),
        _piece),
    "unbind": _entry,
    "diagonal": _diagonal,
    **dict.fromkeys(("view_as_real", "view_as_complex"), _complex),
}  # fmt: skip


def shaped(tensor: Any) -> Shaped:
    """Shape and dtype of a tensor."""
    return Shaped(tuple(tensor.shape), tensor.dtype)
