"""Padding, interpolation, sliding blocks: fixed maps along spatial dimensions."""

from collections.abc import Sequence
from typing import Any

import torch

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Least, Relations, Rewrite
from symfind.graph.primitives import Node
from symfind.ops.moved import moved
from symfind.ops.pooling import last_dimensions, spatial_rank
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op


@lower("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d",
      "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d",
      "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "_upsample_nearest_exact1d",
      "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")  # fmt: skip
def upsample(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Interpolation weights sum to one."""
    return last_dimensions(b, x, spatial_rank(b.op.target), 1.0)


@sizes("upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
          "upsample_linear1d", "_upsample_nearest_exact2d")  # fmt: skip
def upsample_sizes(r: Relations, op: Op) -> Rewrite | None:
    """Every entry becomes a fixed number of entries."""
    x, out = r.of(op.args[0]), r.of(op)
    rank = len(out) - 2
    for d, (axis, old) in enumerate(zip(out, x, strict=True)):
        if axis.size == old.size:
            r.same(axis, old)
        elif d < 2 or axis.size % old.size:
            r.pin(axis, old)
        else:
            factor = Axis(axis.size // old.size)
            r.pin(factor)
            r.flattened(axis, [old, factor])
    tail = out[-rank:]
    if op.args[1] is None:
        return None  # given by factors
    return Rewrite({1: lambda e: [e(a) for a in tail]})


@lower("grid_sampler")
def grid_sampler(b: Builder, x: Node, grid: Node, *_: object) -> Node:
    """Linear in the image where the grid does not depend on parameters."""
    if b.learned(grid):
        return b.opaque([x, grid], b.op.shape, "a learned sampling grid")
    return last_dimensions(b, x, len(x.axes) - 2, None)


_BORDER = 3  # entries around a picture at most; more are channels


@lower("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d",
      "replication_pad1d", "reflection_pad3d", "replication_pad3d")  # fmt: skip
def pad(
    b: Builder,
    x: Node,
    padding: Sequence[int],
    mode: str | float = "constant",
    value: float | None = None,
) -> Node:
    """A constant is a concatenation; reflections are a fixed map."""
    if "constant_pad" in b.op.target and isinstance(mode, int | float):
        value = mode
    if _is_constant(b.op):
        return b.about(x, float(value or 0.0), lambda y: _framed(b, y, padding))
    return last_dimensions(b, x, len(padding) // 2, 1.0)


def _is_constant(op: Op) -> bool:
    mode = op.args[2] if len(op.args) > 2 else op.kwargs.get("mode", "constant")
    return op.base == "constant_pad_nd" or (op.base == "pad" and mode == "constant")


def _framed(b: Builder, x: Node, padding: Sequence[int]) -> Node:
    """Zeros around a wire, or less of it."""
    rank = len(x.axes)
    for i in range(len(padding) // 2):
        d = rank - 1 - i
        before, after = padding[2 * i], padding[2 * i + 1]
        lo, hi = max(-before, 0), max(-after, 0)
        x = b.narrow(x, d, lo, x.axes[d].size - lo - hi)
        parts = [x]
        for n, at in ((max(before, 0), 0), (max(after, 0), 1)):
            if n:
                shape = [n if k == d else s for k, s in enumerate(x.shape)]
                parts.insert(0 if at == 0 else len(parts), b.zeros(shape))
        x = b.join(parts, d)
    return x


@sizes("constant_pad_nd", "pad", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
          "replication_pad2d")  # fmt: skip
def pad_sizes(r: Relations, op: Op) -> Rewrite:
    """Entries put before and after a dimension: a border stays, channels that are made shrink."""
    pads, constant = op.args[1], _is_constant(op)
    put: dict[int, Axis] = {}
    for d, (axis, old) in enumerate(zip(r.of(op), r.of(op.args[0]), strict=True)):
        place = 2 * (len(r.of(op)) - 1 - d)
        before, after = pads[place : place + 2] if place < len(pads) else (0, 0)
        if before >= 0 and after >= 0:
            ends = [Axis(before), Axis(after)]
            border = max(before, after) <= _BORDER or not constant
            r.pin(*(ends if border else ()))
            put |= {place: ends[0], place + 1: ends[1]}
            r.concatenated(axis, [ends[0], old, ends[1]])
            if border and (before or after):  # and a kernel meets more than what is put there
                r.least.append(Least(old, min(max(before, after) + 1, old.size)))
        else:
            r.pin(axis, old)
    return Rewrite({1: lambda e: [e(put[i]) if i in put else n for i, n in enumerate(pads)]})


@exact("pad", "constant_pad_nd")
def pad_exact(
    t: Tape, x: Value, sizes: Sequence[int], mode: Any = "constant", value: Any = None
) -> Value:
    """Constants, or copies, at the ends."""
    if not isinstance(mode, str):  # constant_pad_nd(x, sizes, value)
        mode, value = "constant", mode
    sizes = list(sizes)
    padded = t.linear(lambda a: torch.nn.functional.pad(a, sizes, mode), x)
    if mode != "constant" or not value:
        return padded
    filled = torch.nn.functional.pad(torch.zeros(x.shape), sizes, mode, float(value))
    return t.add(padded, t.lift(filled))


@lower("im2col")
def im2col(
    b: Builder, x: Node, kernel: Sequence[int], dilation: object, padding: Sequence[int], *_: object
) -> Node:
    """Sliding blocks: positions become (place in the block, block), the same for all channels."""
    *batch, c, _h, _w = x.shape
    blocks = b.op.shape[-1]
    unit = None if any(padding) else 1.0
    y = b.mix(x, [-2, -1], [kernel[0] * kernel[1], blocks], unit=unit)
    return b.view(y, [*batch, c * kernel[0] * kernel[1], blocks])


@lower("col2im")
def col2im(b: Builder, x: Node, size: Sequence[int], kernel: Sequence[int], *_: object) -> Node:
    """Sums of sliding blocks."""
    *batch, c, blocks = x.shape
    k = kernel[0] * kernel[1]
    y = b.view(x, [*batch, c // k, k, blocks])
    return b.mix(y, [-2, -1], list(size))


exact(
    "col2im", "im2col", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
    "replication_pad1d", "replication_pad2d", "replication_pad3d", "upsample_nearest1d",
    "upsample_nearest2d", "upsample_nearest3d",
)(moved)  # fmt: skip
