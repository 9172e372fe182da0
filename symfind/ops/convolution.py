"""Convolutions of any dimension, grouped, depthwise and transposed; what slides along dimensions.

On a twin kernels keep their sizes, but for those that tile their input (patches): there the extent
is the product of patches and positions, and both shrink.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Definition, Extent, Least, Relations, Rewrite
from symfind.graph.primitives import Node
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op

Ints = int | Sequence[int]


@lower("conv1d", "conv2d", "conv3d")
def conv(
    b: Builder,
    x: Node,
    weight: Node,
    bias: Node | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Node:
    """A sliding contraction over input channels and kernel positions."""
    spatial = b.op.shape[len(b.op.shape) - len(weight.axes) + 2 :]
    pointwise = math.prod(weight.shape[2:]) == 1
    if isinstance(padding, str):
        flat = padding == "valid" or pointwise  # what "same" pads with, one place does not see
    else:
        flat = not any(_seq(padding))
    single = pointwise and flat and all(s == 1 for s in _seq(stride))
    return _convolve(b, x, weight, bias, spatial, groups, flat, single, transposed=False)


@lower("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    b: Builder,
    x: Node,
    weight: Node,
    bias: Node | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Node:
    """The transpose of a convolution: edges always see fewer terms."""
    spatial = b.op.shape[len(b.op.shape) - len(weight.axes) + 2 :]
    return _convolve(b, x, weight, bias, spatial, groups, False, False, transposed=True)


@lower("convolution")
def convolution(
    b: Builder,
    x: Node,
    weight: Node,
    bias: Node | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> Node:
    """The general form."""
    if transposed:
        return conv_transpose(b, x, weight, bias, groups=groups)
    return conv(b, x, weight, bias, stride, padding, dilation, groups)


def _seq(value: Ints) -> Sequence[int]:
    return [value] if isinstance(value, int) else list(value)


def _convolve(
    b: Builder,
    x: Node,
    weight: Node,
    bias: Node | None,
    spatial: Sequence[int],
    groups: int,
    flat: bool,
    single: bool,
    *,
    transposed: bool,
) -> Node:
    n = len(spatial)
    batched = len(x.axes) == n + 2
    batch = ["N"] if batched else []
    kernel = [("k", d) for d in range(n)]
    inner = [("s" if single else "in", d) for d in range(n)]
    outer = [("s" if single else "out", d) for d in range(n)]
    new = {} if single else dict(zip(outer, spatial, strict=True))
    pair = ["i", "o"] if transposed else ["o", "i"]
    how: dict[str, Any] = {"new": new, "windows": () if single else tuple(kernel), "seals": flat}
    if groups == 1:
        y = b.contract(
            [x, weight], [[*batch, "i", *inner], [*pair, *kernel]], [*batch, "o", *outer], **how
        )
    else:
        shape = list(x.shape)
        c = len(batch)
        x = b.view(x, [*shape[:c], groups, shape[c] // groups, *shape[c + 1 :]])
        w = b.view(weight, [groups, weight.shape[0] // groups, *weight.shape[1:]])
        y = b.contract(
            [x, w],
            [[*batch, "g", "i", *inner], ["g", *pair, *kernel]],
            [*batch, "g", "o", *outer],
            **how,
        )
        out = y.shape
        y = b.view(y, [*out[:c], out[c] * out[c + 1], *out[c + 2 :]])
    if bias is None:
        return y
    return b.add(y, b.view(bias, [bias.shape[0], *([1] * n)]))


def _convolution(function: Callable[..., Tensor]) -> Callable[..., Value]:
    def convolution(t: Tape, x: Any, weight: Any, bias: Any = None, *rest: Any) -> Value:
        y = t.bilinear(lambda a, w: function(a, w, None, *rest), t.lift(x), t.lift(weight))
        if bias is None:
            return y
        spatial = len(t.lift(weight).shape) - 2
        column = t.linear(lambda b: b.reshape(-1, *[1] * spatial), t.lift(bias))
        return t.add(y, column)

    return convolution


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
    if reach <= source.size:  # a longer window sees all places, however few
        r.least.append(Least(source, reach))
    return False


def listed(value: Any, rank: int) -> list[int]:
    """One number per spatial dimension."""
    if isinstance(value, int):
        return [value] * rank
    return list(value) * rank if len(value) == 1 else list(value)


@sizes("conv1d", "conv2d", "conv3d", "convolution")
def conv_sizes(r: Relations, op: Op) -> Rewrite | None:
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
        if columns.size > 1:  # else they are all that makes up the width
            r.copies.append(group)
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


@sizes("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose_sizes(r: Relations, op: Op) -> Rewrite | None:
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


for _name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
              "conv_transpose3d", "convolution"):  # fmt: skip
    exact(_name)(_convolution(getattr(torch, _name)))
