"""Entries that trade places between dimensions, and triangles of them."""

import math
from collections.abc import Sequence

import torch

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, Rewrite, alike
from symfind.graph.primitives import Node
from symfind.ops.moved import moved
from symfind.ops.registry import exact, lower, sizes
from symfind.trace import Op


@lower("pixel_shuffle")
def pixel_shuffle(b: Builder, x: Node, r: int) -> Node:
    """Channels to space."""
    *batch, c, h, w = x.shape
    k = len(batch)
    y = b.view(x, [*batch, c // r**2, r, r, h, w])
    y = b.permute(y, [*range(k), k, k + 3, k + 1, k + 4, k + 2])
    return b.view(y, b.op.shape)


@lower("pixel_unshuffle")
def pixel_unshuffle(b: Builder, x: Node, r: int) -> Node:
    """Space to channels."""
    *batch, c, h, w = x.shape
    k = len(batch)
    y = b.view(x, [*batch, c, h // r, r, w // r, r])
    y = b.permute(y, [*range(k), k, k + 2, k + 4, k + 1, k + 3])
    return b.view(y, b.op.shape)


@sizes("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle_sizes(r: Relations, op: Op) -> None:
    """Channels to space, or back: the factor stays."""
    factor = op.args[1]
    few, many = (op, op.args[0]) if "unshuffle" not in op.target else (op.args[0], op)
    wide, deep = r.of(few), r.of(many)
    squares = [Axis(factor), Axis(factor)]
    r.pin(*squares)
    for a, b in zip(wide[:-3], deep[:-3], strict=True):
        r.same(a, b)
    r.flattened(deep[-3], [wide[-3], *squares])
    for d, square in zip((-2, -1), squares, strict=True):
        r.flattened(wide[d], [deep[d], square])


@lower("channel_shuffle")
def channel_shuffle(b: Builder, x: Node, groups: int) -> Node:
    """The transpose of (group, channel)."""
    n, c, *rest = x.shape
    y = b.transpose(b.view(x, [n, groups, c // groups, *rest]), 1, 2)
    return b.view(y, x.shape)


@sizes("channel_shuffle")
def channel_shuffle_sizes(r: Relations, op: Op) -> Rewrite:
    """The transpose of (group, channel)."""
    source, out = r.of(op.args[0]), r.of(op)
    groups = op.args[1]
    outer, inner = Axis(groups), Axis(math.prod(op.shape or ()) and source[1].size // groups)
    r.flattened(source[1], [outer, inner])
    r.flattened(out[1], [inner, outer])
    for d in (0, *range(2, len(out))):
        r.same(source[d], out[d])
    return Rewrite({1: lambda e: e(outer)})


@lower("rot90")
def rot90(b: Builder, x: Node, k: int = 1, dims: Sequence[int] = (0, 1)) -> Node:
    """Quarter turns: a transpose and a reversed dimension, or two of these."""
    first, second = (d % len(x.axes) for d in dims)

    def turned(y: Node, d: int) -> Node:
        return b.take(y, d, b.constant(torch.arange(y.axes[d].size).flip(0)))

    k %= 4
    if k == 2:
        return turned(turned(x, first), second)
    if k:
        return turned(b.transpose(x, first, second), first if k == 1 else second)
    return x


@lower("tril", "triu")
def triangle(b: Builder, x: Node, diagonal: int = 0) -> Node:
    """Half of the entries zero: a product with a constant."""
    half = torch.tril if b.op.target.startswith("aten.tril") else torch.triu
    return b.multiply(x, b.masking(half(torch.ones(x.shape[-2:], dtype=torch.float64), diagonal)))


exact("channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "rot90", "tril", "triu")(moved)
sizes("tril", "triu")(alike)
