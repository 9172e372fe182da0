"""Convolutions of any dimension, grouped, depthwise and transposed."""

import math
from collections.abc import Sequence
from typing import Any

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import rule

Ints = int | Sequence[int]


@rule("conv1d", "conv2d", "conv3d")
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
    flat = padding in (0, "valid") or (not isinstance(padding, str) and not any(_seq(padding)))
    single = math.prod(weight.shape[2:]) == 1 and flat and all(s == 1 for s in _seq(stride))
    return _convolve(b, x, weight, bias, spatial, groups, flat, single, transposed=False)


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
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


@rule("convolution")
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
