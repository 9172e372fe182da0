"""Maxima and means over windows."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, Rewrite
from symfind.graph.primitives import Node
from symfind.ops.convolution import Window, listed, slide
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op

Sizes = int | Sequence[int]


def last_dimensions(b: Builder, x: Node, n: int, unit: float | None, peak: bool = False) -> Node:
    """A map along the last n dimensions, to the sizes of the traced output."""
    rank = len(x.axes)
    dims = list(range(rank - n, rank))
    shape = b.op.shape if b.op.shape is not None else b.op.outputs[0][0]
    return b.mix(x, dims, [shape[d] for d in dims], unit=unit, peak=peak)


def spatial_rank(target: str) -> int:
    """Along how many dimensions an operation slides: its name says so."""
    return next(n for n in (1, 2, 3) if f"{n}d" in target)


@lower("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Maximum over windows."""
    return last_dimensions(b, x, spatial_rank(b.op.target), 1.0, peak=True)


@lower("max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d",
      "adaptive_max_pool1d", "adaptive_max_pool3d", "max_pool1d_with_indices")  # fmt: skip
def max_pool_with_indices(b: Builder, x: Node, *_: object, **__: object) -> tuple[Node, Node]:
    """Maximum over windows, and where."""
    y = last_dimensions(b, x, spatial_rank(b.op.target), 1.0, peak=True)
    return y, b.opaque([x], y.shape)


def _max_pool(name: str, spatial: int, pair: bool) -> Callable[..., Any]:
    pool = getattr(torch.ops.aten, name).default

    def max_pool(t: Tape, x: Value, *args: Any) -> Any:
        t.ordered(x, range(-spatial, 0))
        index = pool(x.real, *args)[1]

        def picked(a: Tensor) -> Tensor:
            entries = a.flatten(-spatial).gather(-1, index.flatten(-spatial))
            return entries.reshape(*a.shape[:-spatial], *index.shape[-spatial:])

        y = t.linear(picked, x)
        return (y, index) if pair else y

    return max_pool


@lower("avg_pool1d", "avg_pool2d", "avg_pool3d")
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
    return last_dimensions(b, x, spatial_rank(b.op.target), 1.0 if even else None)


@exact("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool_exact(
    t: Tape,
    x: Value,
    kernel: Sizes,
    stride: Sizes = (),
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Value:
    """Over windows; how many entries count may differ at the edges."""
    spatial = 1 if isinstance(kernel, int) else len(kernel)
    kernel, padding = listed(kernel, spatial), listed(padding, spatial)
    stride = listed(stride, spatial) if stride else kernel
    if spatial == 1:  # only the others take a divisor
        wide = t.linear(lambda a: a.unsqueeze(-2), x)
        kernel, stride, padding = [1, *kernel], [1, *stride], [0, *padding]
        y = avg_pool_exact(t, wide, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
        return t.linear(lambda a: a.squeeze(-2), y)
    pool = functional.avg_pool2d if spatial == 2 else functional.avg_pool3d

    def total(a: Tensor) -> Tensor:
        return pool(a, kernel, stride, padding, ceil_mode, count_include_pad, 1)

    ones = torch.ones(x.shape, dtype=torch.float64)
    counts = total(ones) / pool(
        ones, kernel, stride, padding, ceil_mode, count_include_pad, divisor
    )
    return _divided(t, t.linear(total, x), counts.round())


def _divided(t: Tape, total: Value, counts: Tensor) -> Value:
    """Divide by whole numbers, exactly; over their least common multiple."""
    whole = math.lcm(*(int(n) for n in counts.unique()))
    return t.scale(t.multiply(total, t.lift(whole / counts)), Fraction(1, whole))


@sizes("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
          "max_pool1d_with_indices", "max_pool2d_with_indices")  # fmt: skip
def pool_sizes(r: Relations, op: Op) -> Rewrite:
    """A window over every channel: `(input, kernel, stride, padding, …)`."""
    average = op.target.startswith("aten.avg")
    x = r.of(op.args[0])
    rank = spatial_rank(op.target)
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


@lower("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(b: Builder, x: Node, *_: object) -> Node:
    """Mean over windows that cover the input."""
    return last_dimensions(b, x, spatial_rank(b.op.target), 1.0)


@sizes("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
          "adaptive_max_pool1d", "adaptive_max_pool2d", "_adaptive_avg_pool2d")  # fmt: skip
def adaptive_pool_sizes(r: Relations, op: Op) -> Rewrite:
    """As many windows as asked for: one, as many as there are entries, or a fixed number."""
    x = r.of(op.args[0])
    rank = spatial_rank(op.target)
    for out in r.axes[id(op)]:
        for d, (axis, old) in enumerate(zip(out, x, strict=True)):
            if axis.size == old.size:
                r.same(axis, old)
            elif d < len(x) - rank or axis.size > 1:
                r.pin(axis, old)
    last = r.axes[id(op)][0][-rank:]
    return Rewrite({1: lambda e: [e(a) for a in last]})


@exact("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool_exact(t: Tape, x: Value, sizes: Sizes) -> Value:
    """Over windows that cover the input, which differ in size: [i n / m, (i + 1) n / m)."""
    targets = [sizes] if isinstance(sizes, int) else list(sizes)
    y = x
    for dim, target in zip(range(-len(targets), 0), targets, strict=True):
        length = x.shape[dim]
        ends = [(i * length // target, -(-(i + 1) * length // target)) for i in range(target)]
        window = torch.zeros(target, length, dtype=torch.float64)
        for i, (first, last) in enumerate(ends):
            window[i, first:last] = 1.0
        y = t.linear(lambda a, d=dim, w=window: (a.movedim(d, -1) @ w.T).movedim(-1, d), y)
        counts = torch.tensor([last - first for first, last in ends], dtype=torch.float64)
        y = _divided(t, y, counts.reshape(-1, *[1] * (-dim - 1)))
    return y


for _spatial in (1, 2, 3):
    _name = f"max_pool{_spatial}d_with_indices"
    exact(f"max_pool{_spatial}d")(_max_pool(_name, _spatial, False))
    exact(_name)(_max_pool(_name, _spatial, True))
    _name = f"adaptive_max_pool{_spatial}d"
    exact(_name)(_max_pool(_name, _spatial, True))
