"""Ranges and single entries of a dimension, and their concatenation."""

from collections.abc import Sequence

import torch

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Extent, Relations, Rewrite, sized
from symfind.graph.primitives import Node
from symfind.ops.moved import moved
from symfind.ops.registry import exact, lower, sizes
from symfind.trace import Op


@lower("slice")
def slice_(
    b: Builder, x: Node, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Node:  # fmt: skip
    """A range of one dimension; with a step that divides it, one residue class."""
    dim %= len(x.axes)
    n = x.axes[dim].size
    first, last, step = slice(start, end, step).indices(n)
    if step == 1:
        return b.narrow(x, dim, first, max(last - first, 0))
    if n % step == 0 and first < step and last > n - step + first:
        shape = list(x.shape)
        y = b.view(x, [*shape[:dim], n // step, step, *shape[dim + 1 :]])
        y = b.narrow(y, dim + 1, first, 1)
        return b.view(y, b.op.shape)
    picks = b.constant(torch.arange(first, last, step))
    return b.take(x, dim, picks)


@sizes("slice")
def slice_sizes(r: Relations, op: Op) -> Rewrite:
    """A range of one dimension; with a step that divides it, one residue class."""
    source, dim, start, end, step = op.args
    axes, out = r.of(source), r.of(op)
    dim %= len(axes)
    whole, length = axes[dim], out[dim].size
    for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
        if d != dim:
            r.same(axis, old)
    start, end, step = slice(start, end, step).indices(whole.size)
    if step == 1:
        before, own, _ = r.cut(whole, [start, length, whole.size - start - length])
        r.same(own, out[dim])
        return Rewrite({2: lambda e: e(before), 3: lambda e: e(before) + e(out[dim]), 4: _one})
    if whole.size % step == 0 and start < step and end > whole.size - step + start:
        classes = Axis(step)
        r.pin(classes)
        r.flattened(whole, [out[dim], classes])
        return Rewrite({2: lambda e: start, 3: lambda e: e(whole)})
    r.pin(whole, out[dim])
    return Rewrite({})


def _one(e: Extent) -> int:
    return 1


@lower("select")
def select(b: Builder, x: Node, dim: int, index: int) -> Node:
    """One entry of a dimension."""
    dim %= len(x.axes)
    return b.view(b.narrow(x, dim, index % x.axes[dim].size, 1), b.op.shape)


@sizes("select")
def select_sizes(r: Relations, op: Op) -> Rewrite | None:
    """One entry of a dimension."""
    source, dim, index = op.args
    if not isinstance(index, int):
        r.pin_all()
        return None
    axes = list(r.of(source))
    whole = axes.pop(dim)
    index %= whole.size
    for axis, old in zip(r.of(op), axes, strict=True):
        r.same(axis, old)
    before = r.cut(whole, [index, 1, whole.size - index - 1])[0]
    return Rewrite({2: lambda e: e(before)})


def _pieces(b: Builder, x: Node, dim: int, sizes: Sequence[int]) -> tuple[Node, ...]:
    start, result = 0, []
    for n in sizes:
        result.append(b.narrow(x, dim, start, n))
        start += n
    return tuple(result)


@lower("split.Tensor", "split_with_sizes")
def split(b: Builder, x: Node, sizes: object, dim: int = 0) -> tuple[Node, ...]:
    """Consecutive ranges of one dimension, sized as traced."""
    return _pieces(b, x, dim, [shape[dim] for shape, _ in b.op.outputs])


@sizes("split", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit")
def split_sizes(r: Relations, op: Op) -> Rewrite:
    """Consecutive ranges of one dimension."""
    axes = r.of(op.args[0])
    dim = (op.args[2] if len(op.args) > 2 else 0) % len(axes)
    parts = []
    for out in r.axes[id(op)]:
        for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
            if d != dim:
                r.same(axis, old)
        parts.append(out[dim])
    r.concatenated(axes[dim], parts)
    return Rewrite({1: sized(parts)}, "aten.split_with_sizes.default")


@lower("unbind")
def unbind(b: Builder, x: Node, dim: int = 0) -> tuple[Node, ...]:
    """Every entry of one dimension."""
    pieces = _pieces(b, x, dim, [1] * x.axes[dim].size)
    shape = list(x.shape)
    del shape[dim % len(x.axes)]
    return tuple(b.view(piece, shape) for piece in pieces)


@sizes("unbind")
def unbind_sizes(r: Relations, op: Op) -> None:
    """Every entry of one dimension."""
    axes = list(r.of(op.args[0]))
    whole = axes.pop(op.args[1] if len(op.args) > 1 else 0)
    r.cut(whole, [1] * whole.size)
    for out in r.axes[id(op)]:
        for axis, old in zip(out, axes, strict=True):
            r.same(axis, old)


@lower("cat")
def cat(b: Builder, xs: Sequence[Node], dim: int = 0) -> Node:
    """Concatenation."""
    return b.join(list(xs), dim)


@sizes("cat")
def cat_sizes(r: Relations, op: Op) -> None:
    """Concatenation."""
    out = r.of(op)
    dim = (op.args[1] if len(op.args) > 1 else 0) % len(out)
    xs = [r.of(x) for x in op.args[0] if len(x.shape) == len(out)]
    for axes in xs:
        for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
            if d != dim:
                r.same(axis, old)
    r.concatenated(out[dim], [axes[dim] for axes in xs])


@lower("stack")
def stack(b: Builder, xs: Sequence[Node], dim: int = 0) -> Node:
    """Concatenation along a new dimension."""
    dim %= len(xs[0].axes) + 1
    shape = list(xs[0].shape)
    return b.join([b.view(x, [*shape[:dim], 1, *shape[dim:]]) for x in xs], dim)


@sizes("stack")
def stack_sizes(r: Relations, op: Op) -> None:
    """Concatenation along a new dimension."""
    out = list(r.of(op))
    new = out.pop(op.args[1] if len(op.args) > 1 else 0)
    r.cut(new, [1] * new.size)
    for x in op.args[0]:
        for axis, old in zip(out, r.of(x), strict=True):
            r.same(axis, old)


@lower("hstack", "vstack", "column_stack")
def stack_along(b: Builder, xs: Sequence[Node]) -> Node:
    """Concatenation along the second dimension, or the first."""
    rank = len(xs[0].axes)
    if rank < 2:
        return b.opaque(xs, b.op.shape, "stacked vectors")
    return b.join(list(xs), 0 if b.op.target.startswith("aten.vstack") else 1)


@lower("slice_scatter")
def slice_scatter(
    b: Builder, x: Node, y: Node, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Node:  # fmt: skip
    """One range of x replaced by y."""
    dim %= len(x.axes)
    n = x.axes[dim].size
    first, last, step = slice(start, end, step).indices(n)
    if step != 1:
        return b.opaque([x, y], b.op.shape, "a scatter with a step")
    parts = [b.narrow(x, dim, 0, first)] if first else []
    parts.append(y)
    if last < n:
        parts.append(b.narrow(x, dim, last, n - last))
    return b.join(parts, dim)


@sizes("slice_scatter")
def slice_scatter_sizes(r: Relations, op: Op) -> Rewrite | None:
    """One range of a dimension replaced."""
    source, given, dim, start, end, step = (*op.args, 1)[:6]
    axes = r.of(source)
    r.broadcast(r.of(op), axes)
    start, end, step = slice(start, end, step).indices(axes[dim].size)
    if step != 1:
        r.pin_all()
        return None
    before, own, _ = r.cut(axes[dim], [start, end - start, axes[dim].size - end])
    for d, axis in enumerate(r.of(given)):
        r.same(axis, own if d == dim % len(axes) else axes[d])
    return Rewrite({3: lambda e: e(before), 4: lambda e: e(before) + e(own)})


@lower("select_scatter")
def select_scatter(b: Builder, x: Node, y: Node, dim: int, index: int) -> Node:
    """One entry of a dimension replaced by y."""
    dim %= len(x.axes)
    index %= x.axes[dim].size
    shape = [1 if d == dim else n for d, n in enumerate(x.shape)]
    return slice_scatter(b, x, b.view(y, shape), dim, index, index + 1)


@sizes("select_scatter")
def select_scatter_sizes(r: Relations, op: Op) -> Rewrite:
    """One entry of a dimension replaced."""
    source, given, dim, index = op.args
    axes = list(r.of(source))
    r.broadcast(r.of(op), axes)
    whole = axes.pop(dim)
    index %= whole.size
    for axis, old in zip(r.of(given), axes, strict=True):
        r.same(axis, old)
    before = r.cut(whole, [index, 1, whole.size - index - 1])[0]
    return Rewrite({3: lambda e: e(before)})


exact(
    "cat", "chunk", "hstack", "narrow", "select", "select_scatter", "slice", "slice_scatter",
    "split", "split_with_sizes", "stack", "unbind", "unfold", "vstack",
)(moved)  # fmt: skip
