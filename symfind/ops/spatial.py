"""Pooling, padding, interpolation: fixed maps along spatial dimensions."""

from collections.abc import Sequence

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import rule


def _last(b: Builder, x: Node, n: int, unit: float | None, peak: bool = False) -> Node:
    rank = len(x.axes)
    dims = list(range(rank - n, rank))
    shape = b.op.shape if b.op.shape is not None else b.op.outputs[0][0]
    return b.mix(x, dims, [shape[d] for d in dims], unit=unit, peak=peak)


def _rank(target: str) -> int:
    return next(n for n in (1, 2, 3) if f"{n}d" in target)


@rule("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Maximum over windows."""
    return _last(b, x, _rank(b.op.target), 1.0, peak=True)


@rule("max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d",
      "adaptive_max_pool1d", "adaptive_max_pool3d", "max_pool1d_with_indices")  # fmt: skip
def max_pool_with_indices(b: Builder, x: Node, *_: object, **__: object) -> tuple[Node, Node]:
    """Maximum over windows, and where."""
    y = _last(b, x, _rank(b.op.target), 1.0, peak=True)
    return y, b.opaque([x], y.shape)


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    b: Builder,
    x: Node,
    kernel: object,
    stride: object = (),
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Node:
    """Mean over windows; with zeros padded in, the edges differ."""
    padded = padding if isinstance(padding, int) else any(padding)
    even = divisor is None and not (padded and count_include_pad)
    return _last(b, x, _rank(b.op.target), 1.0 if even else None)


@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(b: Builder, x: Node, *_: object) -> Node:
    """Mean over windows that cover the input."""
    return _last(b, x, _rank(b.op.target), 1.0)


@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d",
      "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d",
      "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "_upsample_nearest_exact1d",
      "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")  # fmt: skip
def upsample(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Interpolation weights sum to one."""
    return _last(b, x, _rank(b.op.target), 1.0)


@rule("grid_sampler")
def grid_sampler(b: Builder, x: Node, grid: Node, *_: object) -> Node:
    """Linear in the image where the grid does not depend on parameters."""
    if b.learned(grid):
        return b.opaque([x, grid], b.op.shape, "a learned sampling grid")
    return _last(b, x, len(x.axes) - 2, None)


@rule("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d",
      "replication_pad1d", "reflection_pad3d", "replication_pad3d")  # fmt: skip
def pad(
    b: Builder,
    x: Node,
    padding: Sequence[int],
    mode: str | float = "constant",
    value: float | None = None,
) -> Node:
    """A constant is a concatenation; reflections are a fixed map."""
    target = b.op.target
    constant = "constant_pad" in target or (target.startswith("aten.pad") and mode == "constant")
    if "constant_pad" in target and isinstance(mode, int | float):
        value = mode
    if constant:
        return b.about(x, float(value or 0.0), lambda y: _framed(b, y, padding))
    return _last(b, x, len(padding) // 2, 1.0)


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


@rule("im2col")
def im2col(
    b: Builder, x: Node, kernel: Sequence[int], dilation: object, padding: Sequence[int], *_: object
) -> Node:
    """Sliding blocks: positions become (place in the block, block), the same for all channels."""
    *batch, c, _h, _w = x.shape
    blocks = b.op.shape[-1]
    unit = None if any(padding) else 1.0
    y = b.mix(x, [-2, -1], [kernel[0] * kernel[1], blocks], unit=unit)
    return b.view(y, [*batch, c * kernel[0] * kernel[1], blocks])


@rule("col2im")
def col2im(b: Builder, x: Node, size: Sequence[int], kernel: Sequence[int], *_: object) -> Node:
    """Sums of sliding blocks."""
    *batch, c, blocks = x.shape
    k = kernel[0] * kernel[1]
    y = b.view(x, [*batch, c // k, k, blocks])
    return b.mix(y, [-2, -1], list(size))
