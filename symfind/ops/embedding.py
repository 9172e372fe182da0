"""Look-ups in a table of parameters."""

from typing import Any

import torch

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, Rewrite
from symfind.graph.primitives import Node, Source
from symfind.ops.interval import interval
from symfind.ops.moved import moved
from symfind.ops.registry import exact, lower, sizes
from symfind.trace import Op


@lower("embedding")
def embedding(b: Builder, weight: Node, index: Node, *_: object) -> Node:
    """A product with one-hot rows; with constant rows, a selection."""
    read = _read(index, weight.shape[0])
    if read is not None and len(read) == 1 and not index.fixed:
        index = b.constant(torch.full(index.shape, read[0]))
    if index.fixed:
        y = b.take(weight, 0, index)
        return b.view(y, b.op.shape)
    if b.op.columns:
        return b.reading(_by_column(b, weight, index), index)
    rows = b.one_hot(index, weight.axes[0])
    if read is not None and len(read) < weight.shape[0]:
        allowed = torch.zeros(weight.shape[0])
        allowed[read.start : read.stop] = 1.0
        b.confine(rows, allowed)
    batch = list(range(len(index.axes)))
    y = b.contract([rows, weight], [[*batch, "v"], ["v", "d"]], [*batch, "d"])
    return b.reading(y, index)


def _by_column(b: Builder, weight: Node, index: Node) -> Node:
    """Columns of places that read rows of their own: tables of their own, side by side."""
    lead = len(index.axes) - 1
    parts = []
    for at, (first, last) in enumerate(b.op.columns):
        table = b.narrow(weight, 0, first, last - first)
        rows = b.one_hot(index, table.axes[0], column=at)
        batch = list(range(lead + 1))
        parts.append(b.contract([rows, table], [[*batch, "v"], ["v", "d"]], [*batch, "d"]))
    return b.join(parts, lead)


def looked_up(b: Builder, table: Node, dim: int, index: Node) -> Node:
    """Entries of a wire that no input reaches, picked along one dimension by the data.

    An embedding, spelled as an index into a parameter: a product with one-hot rows.
    """
    rows = b.one_hot(index, table.axes[dim])
    read = _read(index, table.shape[dim], wraps=True)
    if read is not None and len(read) < table.shape[dim]:
        allowed = torch.zeros(table.shape[dim])
        allowed[read.start : read.stop] = 1.0
        b.confine(rows, allowed)
    batch = [("pick", i) for i in range(len(index.axes))]
    own = ["v" if d == dim else d for d in range(len(table.axes))]
    out = [*own[:dim], *batch, *own[dim + 1 :]]
    return b.contract([rows, table], [[*batch, "v"], own], out)


@sizes("embedding")
def embedding_sizes(r: Relations, op: Op) -> Rewrite:
    """Rows of a table; that one of them has no gradient is no property of the function."""
    table, index = op.args[:2]
    out = r.of(op)
    for axis, old in zip(out, [*r.of(index), r.of(table)[1]], strict=True):
        r.same(axis, old)
    r.tables.append(r.of(table)[0])
    _in_order(r, r.of(table)[0], index)
    return Rewrite({2: lambda e: -1})


def _in_order(r: Relations, rows: Axis, index: Op) -> None:
    """Rows that are read one after the other are one index with what counts them."""
    long = [a for a in r.of(index) if a.size > 1]
    value = index.value() if len(long) == 1 else None
    if value is None:
        return
    flat = value.reshape(-1).tolist()
    start, n = flat[0], len(flat)
    if start >= 0 and start + n <= rows.size and flat == list(range(start, start + n)):
        r.same(r.cut(rows, [start, n, rows.size - start - n])[1], long[0])


def _read(index: Node, rows: int, wraps: bool = False) -> range | None:
    """The rows between the least and the largest that an index can be, None for all of them."""
    if index.op is None or index.fixed:
        return None
    low, high = interval(index.op)
    if wraps and low < 0:
        return None  # -1 is the last row
    first, last = max(low, 0), min(high, rows - 1)
    return range(int(first), int(last) + 1) if first <= last else None


@lower("embedding_bag")
def embedding_bag(
    b: Builder, weight: Node, indices: Node, offsets: Node, scale: bool = False, mode: int = 0,
    sparse: bool = False, weights: Node | None = None, last: bool = False,
    padding: int | None = None, *_: object, **__: object,
) -> tuple[Node, ...]:  # fmt: skip
    """Weighted sums of rows (modes 0 and 1), or their maximum."""
    shapes = [shape for shape, _ in b.op.outputs]
    rest = [b.opaque([indices], shape or ()) for shape in shapes[1:]]
    if mode == 2 or (weights is not None and b.learned(weights)):
        inputs = [x for x in (weight, weights) if x is not None]
        return b.opaque(inputs, shapes[0], "a maximum of rows"), *rest
    sizes = _bag_sizes(indices, offsets, shapes[0][0])
    plain = weights is None and padding in (None, -1)  # what is padded is left out of a bag
    if plain and sizes is not None and (mode == 1 or len(set(sizes)) == 1):
        shares = b.source("input", [shapes[0][0], weight.shape[0]])
        shares.shares = (1,)
        counts = b.scale(shares, 1.0 if mode == 1 else float(sizes[0]))
    else:
        counts = b.source("input", [shapes[0][0], weight.shape[0]])
    y = b.contract([counts, weight], [["n", "v"], ["v", "d"]], ["n", "d"])
    return b.reading(y, indices, offsets), *rest


def _bag_sizes(indices: Node, offsets: Node, bags: int) -> list[int] | None:
    """How many rows are in each bag, where that is known and none is empty."""
    value = offsets.value() if isinstance(offsets, Source) else None
    if value is None or len(indices.shape) != 1:
        return None
    ends = [*value.reshape(-1).tolist(), indices.shape[0]][: bags + 1]
    sizes = [b - a for a, b in zip(ends, ends[1:], strict=False)]
    return sizes if sizes and min(sizes) > 0 else None


@lower("one_hot")
def one_hot(b: Builder, index: Node, classes: int = -1) -> Node:
    """One at a place that parameters decide: locally constant, and of a known sum."""
    y: Any = b.opaque([b.view(index, [*index.shape, 1])], b.op.shape)
    y.rows = len(index.shape), 1.0, 0.0
    return y


@sizes("one_hot")
def one_hot_sizes(r: Relations, op: Op) -> Rewrite:
    """Rows of the identity."""
    *lead, last = r.of(op)
    for axis, old in zip(lead, r.of(op.args[0]), strict=True):
        r.same(axis, old)
    return Rewrite({1: lambda e: e(last)})


exact("embedding")(moved)
