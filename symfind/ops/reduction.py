"""Sums, means, products, norms."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations
from symfind.graph.primitives import Node
from symfind.ops.moved import moved
from symfind.ops.quadratic import summed_squares
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op
from symfind.trace.kernels import resolve

LONGEST = 16  # a product of more entries is not multiplied out


Dims = int | Sequence[int] | None


def dims_of(x: Node, dim: Dims) -> list[int]:
    """Dimensions counted from the left; none given are all."""
    rank = len(x.axes)
    if dim is None:
        return list(range(rank))
    dims = [dim] if isinstance(dim, int) else list(dim)
    return [d % rank for d in dims] or list(range(rank))


def _kept(x: Node, dims: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether reduced dimensions stay, with size one."""
    return len(shape) == len(x.axes) and len(dims) > 0


@lower("mean")
def mean(b: Builder, x: Node, dim: Dims = None, keepdim: bool = False, **_: object) -> Node:
    """The mean; of squares it is a contraction."""
    dims = dims_of(x, dim)
    if (base := b.root_of_square(x)) is not None:
        n = math.prod(x.shape[d] for d in dims)
        return b.scale(b.square_sum(base, dims, keepdim), 1.0 / n)
    y = b.reduce(x, dims, keepdim, unit=1.0)
    b.remember_mean(y, x, dims, keepdim)
    return y


@exact("mean")
def mean_exact(t: Tape, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    """Over some dimensions, or all."""
    dims = list(range(len(x.shape))) if dim is None or dim == [] else dim
    total = t.linear(lambda a: a.sum(dims, keepdim), x)
    count = max(x.real.numel(), 1) // max(total.real.numel(), 1)
    return t.scale(total, Fraction(1, count))


@lower("sum")
def sum_(b: Builder, x: Node, dim: Dims = None, keepdim: bool = False, **_: object) -> Node:
    """The sum; of products it is a contraction."""
    dims = dims_of(x, dim)
    if (base := b.root_of_square(x)) is not None:
        return b.square_sum(base, dims, keepdim)
    if (parts := b.factors_of(x)) is not None:
        factors, labels, rank = parts
        y = b.contract(factors, labels, [d for d in range(rank) if d not in dims])
        shape = [1 if d in dims else n for d, n in enumerate(x.shape)]
        return b.view(y, shape) if keepdim else y
    if (squares := summed_squares(b, x, dims)) is not None:
        return b.view(squares, [1 if d in dims else n for d, n in enumerate(x.shape)]) if (
            keepdim) else squares  # fmt: skip
    y = b.reduce(x, dims, keepdim, unit=float(math.prod(x.shape[d] for d in dims)))
    b.remember_total(y, x, dims, keepdim)
    return y


exact("sum")(moved)


@lower("var", "std")
def var(b: Builder, x: Node, dim: Dims = None, *_: object, **named: object) -> Node:
    """The mean square about the mean."""
    dims = dims_of(x, dim)
    y = b.square_sum(b.centre(x, dims), dims, _kept(x, dims, b.op.shape))
    return b.scale(y) if b.op.target.startswith("aten.var") else b.pointwise(y, degree=0.5)


@lower("var_mean", "std_mean")
def var_mean(b: Builder, x: Node, dim: Dims = None, *_: object, **named: object) -> tuple:
    """Both."""
    dims = dims_of(x, dim)
    keep = _kept(x, dims, b.op.outputs[0][0])
    square = b.square_sum(b.centre(x, dims), dims, keep)
    spread = square if "var" in b.op.target else b.pointwise(square, degree=0.5)
    average = b.reduce(x, dims, keep, unit=1.0)
    b.remember_mean(average, x, dims, keep)
    return b.scale(spread), average


@lower("linalg_vector_norm")
def norm(
    b: Builder, x: Node, ord: float = 2, dim: Dims = None, keepdim: bool = False, **_: object
) -> Node:
    """The root of a contraction for p = 2; otherwise homogeneous of degree one."""
    dims = dims_of(x, dim)
    if ord == 0:
        return b.opaque([x], b.op.shape)
    if ord in (2, None) or (isinstance(ord, str) and ord == "fro"):
        return b.pointwise(b.square_sum(x, dims, keepdim), degree=0.5)
    if ord == 1:
        return b.reduce(b.bend(x, 1.0, -1.0), dims, keepdim)
    if ord == math.inf:
        return b.reduce(b.bend(x, 1.0, -1.0), dims, keepdim, unit=1.0, peak=True)
    if 0 < ord < math.inf:
        powers = b.pointwise(x, degree=float(ord), parity=1)
        return b.pointwise(b.reduce(powers, dims, keepdim), degree=1.0 / ord)
    return b.pointwise(b.reduce(b.pointwise(x, degree=1.0), dims, keepdim), degree=1.0)


@lower("logsumexp")
def logsumexp(b: Builder, x: Node, dim: Dims, keepdim: bool = False) -> Node:
    """A soft maximum: equal shifts pass, scalings do not."""
    dims = dims_of(x, dim)
    y = b.entrywise(b.reduce(x, dims, keepdim, unit=1.0, peak=True), level=True)
    b.remember_partition(y, x, dims, keepdim)
    return y


@lower("prod")
def prod(b: Builder, x: Node, dim: int | None = None, keepdim: bool = False, **_: object) -> Node:
    """A product of entries, multiplied out where they are few."""
    dims = dims_of(x, dim)
    if len(dims) > 1 or x.axes[dims[0]].size > LONGEST:
        return b.reduce(b.pointwise(x), dims, keepdim)
    (at,) = dims
    y = b.narrow(x, at, 0, 1)
    for i in range(1, x.axes[at].size):
        y = b.multiply(y, b.narrow(x, at, i, 1))
    return b.view(y, b.op.shape)


@exact("prod")
def prod_exact(t: Tape, x: Value, dim: int | None = None, keepdim: bool = False, **_: Any) -> Value:
    """The product along a dimension, or of everything."""
    if dim is None:
        x, dim, keepdim = t.linear(lambda a: a.reshape(-1), x), 0, False
    factors = t.linear(lambda a: a.unbind(dim), x)
    result = t.lift(torch.ones(factors[0].shape))
    for factor in factors:
        result = t.multiply(result, factor)
    return t.linear(lambda a: a.unsqueeze(dim), result) if keepdim else result


@sizes("sum", "mean", "amax", "amin", "var", "std", "norm", "linalg_vector_norm", "prod", "any",
          "all", "argmax", "argmin", "logsumexp", "max", "min", "median", "mode", "count_nonzero",
          "var_mean", "std_mean", "nansum", "nanmean", "aminmax")  # fmt: skip
def reduce_sizes(r: Relations, op: Op) -> None:
    """Dimensions go, or stay with size one."""
    named = _named(op)
    if isinstance(named.get("other"), Op):
        r.broadcast(r.of(op), *(r.of(x) for x in op.operands))
        return
    x = r.of(op.args[0])
    dims = named.get("dim")
    dims = [dims] if isinstance(dims, int) else list(dims or range(len(x)))
    gone = {d % len(x) for d in dims if isinstance(d, int)} if x else set()
    rest = [a for d, a in enumerate(x) if d not in gone]
    for out in r.axes[id(op)]:
        kept = len(out) == len(x) and bool(gone)
        mine = [a for d, a in enumerate(out) if d not in gone] if kept else list(out)
        for axis, old in zip(mine, rest, strict=True):
            r.same(axis, old)


def _named(op: Op) -> dict[str, Any]:
    schema = resolve(op.target)._schema  # type: ignore[attr-defined]
    names = [a.name for a in schema.arguments if not a.kwarg_only]
    return {**dict(zip(names, op.args, strict=False)), **op.kwargs}
