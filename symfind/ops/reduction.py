"""Sums, means, extrema, norms, cumulative sums."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import rule

LONGEST = 16  # a product of more entries is not multiplied out
Dims = int | Sequence[int] | None


def _dims(x: Node, dim: Dims) -> list[int]:
    rank = len(x.axes)
    if dim is None:
        return list(range(rank))
    dims = [dim] if isinstance(dim, int) else list(dim)
    return [d % rank for d in dims] or list(range(rank))


def _kept(x: Node, dims: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether reduced dimensions stay, with size one."""
    return len(shape) == len(x.axes) and len(dims) > 0


@rule("mean")
def mean(b: Builder, x: Node, dim: Dims = None, keepdim: bool = False, **_: object) -> Node:
    """The mean; of squares it is a contraction."""
    dims = _dims(x, dim)
    if (base := b.root_of_square(x)) is not None:
        n = math.prod(x.shape[d] for d in dims)
        return b.scale(b.square_sum(base, dims, keepdim), 1.0 / n)
    y = b.reduce(x, dims, keepdim, unit=1.0)
    b.remember_mean(y, x, dims, keepdim)
    return y


@rule("sum")
def sum_(b: Builder, x: Node, dim: Dims = None, keepdim: bool = False, **_: object) -> Node:
    """The sum; of products it is a contraction."""
    dims = _dims(x, dim)
    if (base := b.root_of_square(x)) is not None:
        return b.square_sum(base, dims, keepdim)
    if (parts := b.factors_of(x)) is not None:
        factors, labels, rank = parts
        y = b.contract(factors, labels, [d for d in range(rank) if d not in dims])
        shape = [1 if d in dims else n for d, n in enumerate(x.shape)]
        return b.view(y, shape) if keepdim else y
    y = b.reduce(x, dims, keepdim, unit=float(math.prod(x.shape[d] for d in dims)))
    b.remember_total(y, x, dims, keepdim)
    return y


@rule("var", "std")
def var(b: Builder, x: Node, dim: Dims = None, *_: object, **named: object) -> Node:
    """The mean square about the mean."""
    dims = _dims(x, dim)
    y = b.square_sum(b.centre(x, dims), dims, _kept(x, dims, b.op.shape))
    return b.scale(y) if b.op.target.startswith("aten.var") else b.pointwise(y, degree=0.5)


@rule("var_mean", "std_mean")
def var_mean(b: Builder, x: Node, dim: Dims = None, *_: object, **named: object) -> tuple:
    """Both."""
    dims = _dims(x, dim)
    keep = _kept(x, dims, b.op.outputs[0][0])
    square = b.square_sum(b.centre(x, dims), dims, keep)
    spread = square if "var" in b.op.target else b.pointwise(square, degree=0.5)
    average = b.reduce(x, dims, keep, unit=1.0)
    b.remember_mean(average, x, dims, keep)
    return b.scale(spread), average


@rule("linalg_vector_norm")
def norm(
    b: Builder, x: Node, ord: float = 2, dim: Dims = None, keepdim: bool = False, **_: object
) -> Node:
    """The root of a contraction for p = 2; otherwise homogeneous of degree one."""
    dims = _dims(x, dim)
    if ord == 0:
        return b.opaque([x], b.op.shape)
    if ord in (2, None) or (isinstance(ord, str) and ord == "fro"):
        return b.pointwise(b.square_sum(x, dims, keepdim), degree=0.5)
    return b.pointwise(b.reduce(b.pointwise(x, degree=1.0), dims, keepdim), degree=1.0)


@rule("max.dim", "min.dim", "median.dim", "mode", "kthvalue")
def max_dim(b: Builder, x: Node, *args: int) -> tuple[Node, Node]:
    """Commutes with positive scalings and with shifts that are equal along the dimension."""
    dim, keepdim = args[-2:]
    y = b.reduce(x, [dim], bool(keepdim), unit=1.0, peak=True)
    b.remember_peak(y, x, [dim % len(x.axes)], bool(keepdim))
    return y, b.order(x, dim, y.shape)


@rule("amax", "amin", "max", "min")
def amax(b: Builder, x: Node, dim: Dims = None, keepdim: bool = False) -> Node:
    """As max, without the index."""
    dims = _dims(x, dim)
    y = b.reduce(x, dims, keepdim, unit=1.0, peak=True)
    b.remember_peak(y, x, dims, keepdim)
    return y


@rule("logsumexp")
def logsumexp(b: Builder, x: Node, dim: Dims, keepdim: bool = False) -> Node:
    """A soft maximum: equal shifts pass, scalings do not."""
    dims = _dims(x, dim)
    y = b.entrywise(b.reduce(x, dims, keepdim, unit=1.0, peak=True), level=True)
    b.remember_partition(y, x, dims, keepdim)
    return y


@rule("prod")
def prod(b: Builder, x: Node, dim: int | None = None, keepdim: bool = False, **_: object) -> Node:
    """A product of entries, multiplied out where they are few."""
    dims = _dims(x, dim)
    if len(dims) > 1 or x.axes[dims[0]].size > LONGEST:
        return b.reduce(b.pointwise(x), dims, keepdim)
    (at,) = dims
    y = b.narrow(x, at, 0, 1)
    for i in range(1, x.axes[at].size):
        y = b.multiply(y, b.narrow(x, at, i, 1))
    return b.view(y, b.op.shape)


@rule("cumsum", "flip", "roll", "diff")
def along(b: Builder, x: Node, *args: Any, **named: Any) -> Node:
    """Constant maps along one dimension."""
    name = b.op.target.split(".")[1]
    if name == "cumsum":
        dims = [args[0] if args else named["dim"]]
    elif name == "flip":
        dims = list(args[0] if args else named["dims"])
    elif name == "roll":
        where = args[1] if len(args) > 1 else named.get("dims", ())
        dims = [where] if isinstance(where, int) else list(where)
    else:
        dims = [args[1] if len(args) > 1 else -1]
    extra = [v for v in (*args, *named.values()) if isinstance(v, Node)]
    if not dims or extra:
        return b.opaque([x, *extra], b.op.shape, "a map of all entries together")
    dims = [d % len(x.axes) for d in dims]
    if name in ("flip", "roll"):
        return _moved(b, x, dims, args[0] if name == "roll" else None)
    return b.mix(x, dims, [b.op.shape[d] for d in dims])


def _moved(b: Builder, x: Node, dims: Sequence[int], shifts: Any) -> Node:
    """A permutation of each dimension: turned round, or shifted in a circle."""
    steps = [shifts] if isinstance(shifts, int) else shifts
    for i, d in enumerate(dims):
        places = torch.arange(x.axes[d].size)
        places = places.flip(0) if steps is None else places.roll(steps[i])
        x = b.take(x, d, b.constant(places))
    return x


@rule("topk", "sort")
def topk(b: Builder, x: Node, *args: Any, dim: int | None = None, **_: object) -> tuple:
    """A choice along one dimension: scalings pass, and equal shifts."""
    if dim is None:
        place = 1 if b.op.target.startswith("aten.topk") else 0
        dim = args[place] if len(args) > place else -1
    dim %= len(x.axes)
    shape = b.op.outputs[0][0]
    y = b.mix(x, [dim], [shape[dim]], unit=1.0, peak=True)
    return y, b.order(x, dim, shape)


@rule("argmax", "argmin")
def argmax(b: Builder, x: Node, dim: int | None = None, *_: object) -> Node:
    """The order alone."""
    if dim is None:
        return b.order(b.view(x, [math.prod(x.shape)]), 0, ())
    return b.order(x, dim, b.op.shape)


@rule("cosine_similarity")
def cosine_similarity(b: Builder, x: Node, y: Node, dim: int = 1, eps: float = 1e-8) -> Node:
    """The product of two wires, each divided by its norm."""
    rank = max(len(x.axes), len(y.axes))
    dim %= rank
    labels, factors = [], []
    for z in (x, y):
        own = list(range(rank - len(z.axes), rank))
        labels.append(own)
        norm = b.square_sum(z, [own.index(dim)], True)
        factors.append(b.multiply(z, b.pointwise(norm, degree=-0.5)))
    return b.contract(factors, labels, [d for d in range(rank) if d != dim])
