"""Entries written to places that an index names."""

import math

from symfind.rules.builder import Builder
from symfind.rules.movement import repeated
from symfind.rules.primitives import Node
from symfind.rules.registry import rule


@rule("scatter.value")
def scatter_value(b: Builder, x: Node, dim: int, index: Node, value: object) -> Node:
    """Some entries replaced by a number: a product with a mask, and a constant."""
    if not b.learned(x):
        return b.opaque([x, index], b.op.shape)  # locally constant
    if b.learned(index):
        return b.opaque([x, index], b.op.shape, "places that parameters decide")
    kept = b.multiply(x, b.source("input", x.shape))
    return b.add(kept, b.source("input", x.shape))


@rule("index_add")
def index_add(b: Builder, x: Node, dim: int, index: Node, y: Node, *, alpha: float = 1) -> Node:
    """Rows of y added to rows of x that the data name: a map along that dimension."""
    if b.learned(index):
        return b.opaque([x, index, y], b.op.shape, "places that parameters decide")
    dim %= len(x.axes)
    return b.add(x, b.mix(y, [dim], [x.axes[dim].size]), signs=[1.0, float(alpha)])


@rule("masked_scatter")
def masked_scatter(b: Builder, x: Node, mask: Node, y: Node) -> Node:
    """Whole rows of x replaced by rows of y, in order: maps along all dimensions but the last."""
    width = x.axes[-1].size
    rank = len(x.axes) - 1
    if b.learned(mask) or rank not in repeated(mask) or y.shape[-1:] != (width,):
        return b.opaque([x, mask, y], b.op.shape, "entries in the order of a mask")
    kept = b.multiply(x, b.source("input", [*x.shape[:-1], 1]))
    rows = b.view(y, [math.prod(y.shape[:-1]), width])
    placed = b.mix(rows, [0], [math.prod(x.shape[:-1])])
    return b.add(kept, b.view(placed, x.shape))
