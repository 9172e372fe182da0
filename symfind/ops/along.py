"""Constant maps along one dimension, and running sums."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, alike
from symfind.graph.primitives import Node
from symfind.ops.moved import moved
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Tape, Value
from symfind.trace import Op

LONGEST = 1024  # entries of a running sum that is multiplied out


@lower("cumsum", "flip", "roll", "diff")
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
    if extra:
        return b.opaque([x, *extra], b.op.shape, "a map of all entries together")
    if not dims:  # of all entries in a row
        flat = _moved(b, b.view(x, [math.prod(x.shape)]), [0], args[0])
        return b.view(flat, x.shape)
    dims = [d % len(x.axes) for d in dims]
    if name in ("flip", "roll"):
        return _moved(b, x, dims, args[0] if name == "roll" else None)
    if name == "cumsum" and x.axes[dims[0]].size <= LONGEST:
        return _running(b, x, dims[0])
    return b.mix(x, dims, [b.op.shape[d] for d in dims])


def _running(b: Builder, x: Node, dim: int) -> Node:
    """Sums of the first entries, as a product with a triangle of ones: one for each dimension."""
    n, root = x.axes[dim].size, x.axes[dim].root
    known = (ones for ones in b.triangles if ones.axes[1].root is root)
    ones = next(known, None) or b.constant(torch.ones(n, n, dtype=torch.float64).tril())
    b.triangles += [] if ones in b.triangles else [ones]
    out = [*range(len(x.axes))]
    return b.contract([ones, x], [[dim, -1], [-1 if d == dim else d for d in out]], out)


def _moved(b: Builder, x: Node, dims: Sequence[int], shifts: Any) -> Node:
    """A permutation of each dimension: turned round, or shifted in a circle."""
    steps = [shifts] if isinstance(shifts, int) else shifts
    for i, d in enumerate(dims):
        places = torch.arange(x.axes[d].size)
        places = places.flip(0) if steps is None else places.roll(steps[i])
        x = b.take(x, d, b.constant(places))
    return x


exact("cumsum", "flip", "roll")(moved)
sizes("cumsum", "cumprod", "cummax", "cummin", "flip", "roll")(alike)


@sizes("diff")
def diff_sizes(r: Relations, op: Op) -> None:
    """Differences of neighbours; as many as before where one entry was put in front."""
    for axis, old in zip(r.of(op), r.of(op.args[0]), strict=True):
        if axis.size == old.size:
            r.same(axis, old)
        else:
            r.pin(axis, old)


@exact("diff")
def diff_exact(t: Tape, x: Value, n: int = 1, dim: int = -1, *_: None) -> Value:
    """Differences of neighbours."""
    for _i in range(n):
        length = x.shape[dim]
        late = t.linear(lambda a, m=length: a.narrow(dim, 1, m - 1), x)
        early = t.linear(lambda a, m=length: a.narrow(dim, 0, m - 1), x)
        x = t.add(late, t.scale(early, -1))
    return x


@lower("cumprod")
def cumprod(b: Builder, x: Node, dim: int, **_: object) -> Node:
    """Products of the first entries, multiplied out."""
    dim %= len(x.axes)
    parts = [b.narrow(x, dim, i, 1) for i in range(x.axes[dim].size)]
    for i in range(1, len(parts)):
        parts[i] = b.multiply(parts[i - 1], parts[i])
    return b.join(parts, dim)


@lower("cummax", "cummin")
def running_extreme(b: Builder, x: Node, dim: int) -> tuple[Node, Node]:
    """As maxima and minima: equal shifts along the dimension pass, and positive scalings."""
    y = b.mix(x, [dim], [x.shape[dim]], unit=1.0, peak=True)
    places = b.order(x, dim, x.shape)
    places.distinct = False  # the largest so far stays the same until a larger one comes
    return y, places


@lower("unfold")
def windows(b: Builder, x: Node, dim: int, size: int, step: int) -> Node:
    """Ranges of one dimension that may overlap, each along a new last dimension."""
    dim %= len(x.axes)
    count = (x.axes[dim].size - size) // step + 1
    y = b.take(x, dim, b.constant(torch.arange(count)[:, None] * step + torch.arange(size)))
    rank = range(len(y.axes))
    return b.permute(y, [*(d for d in rank if d != dim + 1), dim + 1])


@lower("as_strided")
def strided(b: Builder, x: Node, size: list[int], stride: list[int], offset: int = 0) -> Node:
    """Entries of a parameter by where they stand in memory, which it fills in order."""
    if b.op.args[0].target != "parameter":
        return b.opaque([x], b.op.shape, "places in memory that another operation laid out")
    flat = b.view(x, [math.prod(x.shape)])
    places = torch.arange(flat.shape[0]).as_strided(size, stride, offset or 0)
    return b.take(flat, 0, b.constant(places.contiguous()))


exact("as_strided")(moved)


@lower("logcumsumexp")
def logcumsumexp(b: Builder, x: Node, dim: int) -> Node:
    """Soft maxima of the first entries: equal shifts pass, scalings do not."""
    running = b.mix(x, [dim], [x.shape[dim]], unit=1.0, peak=True)
    return b.entrywise(running, level=True)


sizes("logcumsumexp")(alike)
