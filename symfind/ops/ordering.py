"""Operations that compare entries along dimensions: extrema, sorting, places."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, alike
from symfind.graph.primitives import Node
from symfind.ops.reduction import Dims, dims_of
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op


@lower("max.dim", "min.dim", "median.dim", "nanmedian.dim", "mode", "kthvalue")
def max_dim(b: Builder, x: Node, *args: int) -> tuple[Node, Node]:
    """Commutes with positive scalings and with shifts that are equal along the dimension."""
    dim, keepdim = args[-2:]
    y = b.reduce(x, [dim], bool(keepdim), unit=1.0, peak=True)
    b.remember_peak(y, x, [dim % len(x.axes)], bool(keepdim))
    return y, b.order(x, dim, y.shape)


@lower("amax", "amin", "max", "min")
def amax(b: Builder, x: Node, dim: Dims = None, keepdim: bool = False) -> Node:
    """As max, without the index."""
    dims = dims_of(x, dim)
    y = b.reduce(x, dims, keepdim, unit=1.0, peak=True)
    b.remember_peak(y, x, dims, keepdim)
    return y


@lower("aminmax")
def aminmax(b: Builder, x: Node, *, dim: Dims = None, keepdim: bool = False) -> tuple[Node, Node]:
    """Both extremes."""
    return amax(b, x, dim, keepdim), amax(b, x, dim, keepdim)


def _extreme(largest: bool) -> Callable[..., Value]:
    def extreme(t: Tape, x: Value, dim: Any = (), keepdim: bool = False) -> Value:
        rank = len(x.shape)
        listed = [dim] if isinstance(dim, int) else list(dim)
        dims = sorted({d % rank for d in listed}) or list(range(rank))
        t.ordered(x, dims)
        last = [d for d in range(rank) if d not in dims] + dims
        kept = [n for d, n in enumerate(x.shape) if d not in dims]
        flat = t.linear(lambda a: a.permute(last).reshape(*kept, -1), x)
        index = (flat.real.argmax if largest else flat.real.argmin)(-1, keepdim=True)
        shape = [1 if d in dims else n for d, n in enumerate(x.shape)] if keepdim else kept
        return t.linear(lambda a: a.gather(-1, index).reshape(shape), flat)

    return extreme


exact("amax", "max.default")(_extreme(True))
exact("amin", "min.default")(_extreme(False))


@lower("topk", "sort")
def topk(b: Builder, x: Node, *args: Any, dim: int | None = None, **_: object) -> tuple:
    """A choice along one dimension: scalings pass, and equal shifts."""
    if dim is None:
        place = 1 if b.op.target.startswith("aten.topk") else 0
        dim = args[place] if len(args) > place else -1
    dim %= len(x.axes)
    shape = b.op.outputs[0][0]
    y = b.mix(x, [dim], [shape[dim]], unit=1.0, peak=True)
    return y, b.order(x, dim, shape)


@sizes("topk")
def topk_sizes(r: Relations, op: Op) -> None:
    """The number of chosen entries stays."""
    for out in r.axes[id(op)]:
        for axis, old in zip(out, r.of(op.args[0]), strict=True):
            if axis.size == old.size:
                r.same(axis, old)
            else:
                r.pin(axis, old)


def _selection(name: str) -> Callable[..., tuple[Value, Tensor]]:
    operator = getattr(torch.ops.aten, name.partition(".")[0])
    overload = getattr(operator, name.partition(".")[2] or "default")

    def select(t: Tape, x: Value, *args: Any, **kwargs: Any) -> tuple[Value, Tensor]:
        dim = args[0] if name in ("max.dim", "min.dim") else _axis(name, args)
        t.ordered(x, [dim])
        index = overload(x.real, *args, **kwargs)[1]
        kept = x.real.ndim == index.ndim
        place = index if kept else index.unsqueeze(dim)
        y = t.linear(lambda a: a.gather(dim, place), x)
        return (y if kept else t.linear(lambda a: a.squeeze(dim), y)), index

    return select


def _axis(name: str, args: Sequence[Any]) -> int:
    place = 1 if name == "topk" else 0
    return args[place] if len(args) > place else -1


for _name in ("max.dim", "min.dim", "sort", "topk"):
    exact(_name)(_selection(_name))


@lower("argmax", "argmin")
def argmax(b: Builder, x: Node, dim: int | None = None, *_: object) -> Node:
    """The order alone."""
    if dim is None:
        return b.order(b.view(x, [math.prod(x.shape)]), 0, ())
    return b.order(x, dim, b.op.shape)


@exact("argmax")
def argmax_exact(t: Tape, x: Value, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest is: constant on each piece."""
    t.ordered(x, range(len(x.shape)) if dim is None else [dim])
    return x.real.argmax(dim, keepdim)


@exact("argmin")
def argmin_exact(t: Tape, x: Value, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest is."""
    t.ordered(x, range(len(x.shape)) if dim is None else [dim])
    return x.real.argmin(dim, keepdim)


sizes("sort", "argsort")(alike)
