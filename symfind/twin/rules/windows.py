"""Convolutions and pools: what slides along spatial dimensions.

Kernels keep their sizes, but for those that tile their input (patches): there the extent is the
product of patches and positions, and both shrink.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from symfind.algebra.axes import Axis
from symfind.trace import Op
from symfind.twin.relations import Definition, Extent, Least, Relations, Rewrite, relation

_DIMS = {"1d": 1, "2d": 2, "3d": 3}


class Window(NamedTuple):
    """One sliding dimension: its kernel's axis, and how it slides."""

    kernel: Axis
    stride: int
    padding: int
    dilation: int
    up: bool = False  # the extent is rounded up


def slide(r: Relations, source: Axis, target: Axis, w: Window) -> bool:
    """Relate the extents before and after a window; whether it tiles its input."""
    k, s, p, d = w.kernel.size, w.stride, w.padding, w.dilation
    reach = d * (k - 1) + 1
    if k == s and p == 0 and d == 1 and source.size == k * target.size:
        r.flattened(source, [target, w.kernel])
        return True
    r.pin(w.kernel)
    if s == 1 and target.size == source.size:
        r.same(source, target)
        # longer by one than it takes for every entry of the kernel to meet one of the input
        r.least.append(Least(source, min(max(p, reach - 1 - p) + 2, reach, source.size)))
        return False

    def extent(n: int) -> int:
        steps = n + 2 * p - reach
        m = (-(-steps // s) if w.up else steps // s) + 1
        return m - 1 if w.up and (m - 1) * s >= n + p else m

    if extent(source.size) != target.size:
        r.pin(source, target)
        return False
    r.definitions.append(Definition(target, source, extent))
    r.least.append(Least(source, min(reach, source.size)))
    return False


def listed(value: Any, rank: int) -> list[int]:
    """One number per spatial dimension."""
    if isinstance(value, int):
        return [value] * rank
    return list(value) * rank if len(value) == 1 else list(value)


def _rank(op: Op) -> int:
    return _DIMS[op.target.split(".")[1][-2:]]


@relation("conv1d", "conv2d", "conv3d", "convolution")
def conv(r: Relations, op: Op) -> Rewrite | None:
    """A sliding contraction over channels and kernel positions."""
    x, weight, bias, stride, padding, dilation = op.args[:6]
    if op.target.startswith("aten.convolution"):
        if op.args[6]:
            r.pin_all()
            return None
        groups, place = op.args[8], 8
    else:
        groups, place = op.args[6], 6
    axes, out = r.of(x), r.of(op)
    rows, columns, *kernel = r.of(weight)
    rank = len(kernel)
    channels, produced = axes[-rank - 1], out[-rank - 1]
    r.same(produced, rows)
    group = Axis(groups)
    if groups == 1:
        r.same(channels, columns)
    else:
        r.flattened(channels, [group, columns])
        r.flattened(rows, [group, Axis(rows.size // groups)])
    if bias is not None:
        r.same(r.of(bias)[0], rows)
    if len(axes) == rank + 2:
        r.same(axes[0], out[0])
    dilations = listed(dilation, rank)
    if isinstance(padding, str):
        reaches = [d * (k.size - 1) for d, k in zip(dilations, kernel, strict=True)]
        if padding == "same" and any(n % 2 for n in reaches):
            r.pin_all()
            return None
        paddings = [n // 2 if padding == "same" else 0 for n in reaches]
    else:
        paddings = listed(padding, rank)
    strides = listed(stride, rank)
    tiles = [
        slide(r, a, b, Window(k, s, p, d))
        for a, b, k, s, p, d in zip(
            axes[-rank:], out[-rank:], kernel, strides, paddings, dilations, strict=True
        )
    ]
    changes: dict[int | str, Any] = {3: _strides(strides, tiles, kernel)}
    if groups > 1:
        changes[place] = lambda e: e(group)
    return Rewrite(changes)


def _strides(strides: Sequence[int], tiles: Sequence[bool], kernel: Sequence[Axis]) -> Any:
    def rewrite(e: Extent) -> list[int]:
        return [e(k) if t else s for s, t, k in zip(strides, tiles, kernel, strict=True)]

    return rewrite


@relation("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(r: Relations, op: Op) -> Rewrite | None:
    """The transpose of a convolution; `(input, weight, bias, stride, padding, more, groups, …)`."""
    x, weight, bias, stride, padding, more, groups, dilation = op.args[:8]
    axes, out = r.of(x), r.of(op)
    rows, columns, *kernel = r.of(weight)
    rank = len(kernel)
    r.same(axes[-rank - 1], rows)
    group = Axis(groups)
    if groups == 1:
        r.same(out[-rank - 1], columns)
    else:
        r.flattened(rows, [group, Axis(rows.size // groups)])
        r.flattened(out[-rank - 1], [group, columns])
    if bias is not None:
        r.same(r.of(bias)[0], out[-rank - 1])
    if len(axes) == rank + 2:
        r.same(axes[0], out[0])
    numbers = [listed(v, rank) for v in (stride, padding, more, dilation)]
    tiles = []
    for a, b, k, s, p, m, d in zip(axes[-rank:], out[-rank:], kernel, *numbers, strict=True):
        tiles.append(k.size == s and p == m == 0 and d == 1)
        if tiles[-1]:
            r.flattened(b, [a, k])
        else:
            r.pin(k)
            r.definitions.append(Definition(b, a, _spread(s, p, m, d * (k.size - 1) + 1)))
            r.least.append(Least(a, min(2, a.size)))
    changes: dict[int | str, Any] = {3: _strides(numbers[0], tiles, kernel)}
    if groups > 1:
        changes[6] = lambda e: e(group)
    return Rewrite(changes)


def _spread(stride: int, padding: int, more: int, reach: int) -> Any:
    return lambda n: (n - 1) * stride - 2 * padding + reach + more


@relation("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
          "max_pool1d_with_indices", "max_pool2d_with_indices")  # fmt: skip
def pool(r: Relations, op: Op) -> Rewrite:
    """A window over every channel: `(input, kernel, stride, padding, …)`."""
    average = op.target.startswith("aten.avg")
    x = r.of(op.args[0])
    name = op.target.split(".")[1].removesuffix("_with_indices")
    rank = _DIMS[name[-2:]]
    kernel = listed(op.args[1], rank)
    stride = listed(op.args[2], rank) if len(op.args) > 2 and op.args[2] else list(kernel)
    padding = listed(op.args[3], rank) if len(op.args) > 3 else [0] * rank
    dilation = [1] * rank if average or len(op.args) < 5 else listed(op.args[4], rank)
    place = 4 if average else 5
    up = bool(op.args[place]) if len(op.args) > place else False
    for out in r.axes[id(op)]:
        for axis, old in zip(out[:-rank], x[:-rank], strict=True):
            r.same(axis, old)
    out = r.axes[id(op)][0]
    for a, b, k, s, p, d in zip(
        x[-rank:], out[-rank:], kernel, stride, padding, dilation, strict=True
    ):
        side = Axis(k)
        r.pin(side)
        slide(r, a, b, Window(side, s, p, d, up))
    for other in r.axes[id(op)][1:]:
        for axis, old in zip(other, out, strict=True):
            r.same(axis, old)
    return Rewrite({})


@relation("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
          "adaptive_max_pool1d", "adaptive_max_pool2d", "_adaptive_avg_pool2d")  # fmt: skip
def adaptive_pool(r: Relations, op: Op) -> Rewrite:
    """As many windows as asked for: one, as many as there are entries, or a fixed number."""
    x = r.of(op.args[0])
    rank = _rank(op)
    for out in r.axes[id(op)]:
        for d, (axis, old) in enumerate(zip(out, x, strict=True)):
            if axis.size == old.size:
                r.same(axis, old)
            elif d < len(x) - rank or axis.size > 1:
                r.pin(axis, old)
    last = r.axes[id(op)][0][-rank:]
    return Rewrite({1: lambda e: [e(a) for a in last]})


@relation("upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
          "upsample_linear1d", "_upsample_nearest_exact2d")  # fmt: skip
def upsample(r: Relations, op: Op) -> Rewrite | None:
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
