"""Entries written to places that an index names."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations
from symfind.graph.primitives import Node
from symfind.graph.uniform import is_uniform, number
from symfind.ops.moved import moved
from symfind.ops.movement import repeated
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op


@lower("scatter.value")
def scatter_value(b: Builder, x: Node, dim: int, index: Node, value: object) -> Node:
    """Some entries replaced by a number: a product with a mask, and a constant."""
    dim %= len(x.axes)
    if not b.learned(x):
        y: Any = b.opaque([x, index], b.op.shape)  # locally constant
        if is_uniform(x) and _distinct(index, dim) and _alike(x, index, dim):
            one = torch.tensor(value).to(b.op.dtype)  # integers cut it off
            y.rows = dim, float(one), number(x)
        return y
    if b.learned(index):
        return b.opaque([x, index], b.op.shape, "places that parameters decide")
    kept = b.multiply(x, b.source("input", x.shape))
    return b.add(kept, b.source("input", x.shape))


def _distinct(index: Node, dim: int) -> bool:
    """Whether no place is named twice along a dimension: one place, or those of a sorted row."""
    while isinstance(index, p.Narrow):
        (index,) = index.inputs
    return index.shape[dim] == 1 or (
        isinstance(index, p.Order) and index.distinct and index.dims == (dim,)
    )


def _alike(x: Node, index: Node, dim: int) -> bool:
    """Whether the index names places in every row."""
    pairs = zip(x.shape, index.shape, strict=True)
    return all(n == m for d, (n, m) in enumerate(pairs) if d != dim)


@lower("index_add")
def index_add(b: Builder, x: Node, dim: int, index: Node, y: Node, *, alpha: float = 1) -> Node:
    """Rows of y added to rows of x that the data name: a map along that dimension."""
    if b.learned(index):
        return b.opaque([x, index, y], b.op.shape, "places that parameters decide")
    dim %= len(x.axes)
    placed = b.reading(b.mix(y, [dim], [x.axes[dim].size]), index)
    return b.add(x, placed, signs=[1.0, float(alpha)])


@exact("index_add")
def index_add_exact(
    t: Tape, x: Any, dim: int, index: Tensor, source: Any, *, alpha: Any = 1
) -> Value:
    """Rows added to some rows."""
    source = t.scale(t.lift(source), alpha)
    return t.linear(lambda a, b: a.index_add(dim, index, b), t.lift(x), source)


def _placed(b: Builder, x: Node, dim: int, index: Node, y: Node, peak: bool = False) -> Node | None:
    """Entries of y where the index puts them in a wire like x, None where that is cut off."""
    shape = index.shape
    if any(d != dim and n != x.shape[d] for d, n in enumerate(shape)):
        return None
    for d, n in enumerate(shape):
        y = b.narrow(y, d, 0, n)
    placed: Any = b.mix(y, [dim], [x.axes[dim].size], peak=peak)
    same = repeated(index)
    placed.stiff = tuple(d for d in range(len(shape)) if d != dim and d not in same)
    return b.reading(placed, index)


def _kept(b: Builder, x: Node, dim: int, index: Node) -> Node:
    """Entries of x where the index puts nothing: a mask along the dimensions that it names."""
    same = repeated(index)
    mask = [1 if d != dim and d in same else n for d, n in enumerate(x.shape)]
    return b.multiply(x, b.source("input", mask))


@lower("scatter_add", "scatter.src", "scatter_reduce.two")
def scatter(
    b: Builder, x: Node, dim: int, index: Node, y: Node, reduce: str = "", *,
    include_self: bool = True,
) -> Node:  # fmt: skip
    """Entries of y added to entries of x, put in their place, averaged with them, or compared."""
    dim %= len(x.axes)
    target = b.op.target
    how = "sum" if "scatter_add" in target else reduce or "replace"
    peak = how in ("amax", "amin")
    rank = len(index.shape)
    placed = None
    if rank and how in ("sum", "replace", "mean", "amax", "amin"):
        placed = _placed(b, x, dim, index, y, peak)
    if placed is None:
        return b.opaque([x, index, y], b.op.shape, "places that parameters decide, or products")
    if peak:
        still = any(is_uniform(x, n) for n in (0.0, math.inf, -math.inf))
        return placed if still else b.entrywise(x, placed, degree=1.0)
    if is_uniform(x, 0.0):
        return placed
    adds = how == "sum" and include_self
    return b.add(x if adds else _kept(b, x, dim, index), placed)


@sizes("scatter", "scatter_add", "scatter_reduce", "index_put", "index_add", "masked_scatter")
def scatter_sizes(r: Relations, op: Op) -> None:
    """A tensor with some entries replaced."""
    r.broadcast(r.of(op), r.of(op.args[0]))


@exact("scatter", "scatter.src", "scatter.value")
def scatter_exact(t: Tape, x: Any, dim: int, index: Tensor, source: Any) -> Value:
    """Some entries replaced."""
    if not isinstance(source, (Value, Tensor)):
        source = torch.full(index.shape, float(source), dtype=torch.float64)
    return t.linear(lambda a, b: a.scatter(dim, index, b), t.lift(x), t.lift(source))


@lower("index_copy")
def index_copy(b: Builder, x: Node, dim: int, index: Node, y: Node) -> Node:
    """Rows of x replaced by rows of y."""
    if b.learned(index):
        return b.opaque([x, index, y], b.op.shape, "places that parameters decide")
    dim %= len(x.axes)
    mask = [n if d == dim else 1 for d, n in enumerate(x.shape)]
    kept = b.multiply(x, b.source("input", mask))
    return b.add(kept, b.reading(b.mix(y, [dim], [x.axes[dim].size]), index))


@lower("index_put")
def index_put(
    b: Builder, x: Node, indices: Sequence[Node | None], y: Node, accumulate: bool = False
) -> Node:
    """Rows of x, along one dimension, replaced by rows of y or added to: a map along it.

    Where constants name every row once and in order, the rows are those of y.
    """
    named = [(dim, index) for dim, index in enumerate(indices) if index is not None]
    picked = _picked(*named[0]) if len(named) == 1 else None
    if picked is None or b.learned(picked[1]):
        used = [index for _, index in named]
        return b.opaque([x, *used, y], b.op.shape, "places along several dimensions, or learned")
    dim, index, rows, places = picked
    y = b.expand(y, [rows if d == dim else n for d, n in enumerate(x.shape)])
    if places != list(range(x.shape[dim])):
        y = b.reading(b.mix(y, [dim], [x.axes[dim].size]), index)
    elif not accumulate:
        return y
    if is_uniform(x, 0.0):
        return y
    mask = [n if d == dim else 1 for d, n in enumerate(x.shape)]
    return b.add(x if accumulate else b.multiply(x, b.source("input", mask)), y)


def _picked(dim: int, index: Node) -> tuple[int, Node, int, list[int]] | None:
    """A dimension, its index, how many rows that names and, where it is constant, which."""
    value = index.value() if isinstance(index, p.Source) and index.fixed else None
    if len(index.shape) != 1:
        return None
    if value is None:
        return None  # of a mask that follows from data it is not known how many
    places = value.nonzero().flatten() if value.dtype in (torch.bool, torch.uint8) else value
    return dim, index, len(places), places.tolist()


@lower("masked_scatter")
def masked_scatter(b: Builder, x: Node, mask: Node, y: Node) -> Node:
    """Whole rows of x replaced by rows of y, in order: maps along all dimensions but the last."""
    width = x.axes[-1].size
    rank = len(x.axes) - 1
    if b.learned(mask) or rank not in repeated(mask) or y.shape[-1:] != (width,):
        return b.opaque([x, mask, y], b.op.shape, "entries in the order of a mask")
    kept = b.multiply(x, b.source("input", [*x.shape[:-1], 1]))
    rows = b.view(y, [math.prod(y.shape[:-1]), width])
    placed = b.reading(b.mix(rows, [0], [math.prod(x.shape[:-1])]), mask)
    return b.add(kept, b.view(placed, x.shape))


exact("index_copy", "index_put", "scatter_add")(moved)
