"""Tensors that are made from nothing but sizes."""

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, Rewrite, sized
from symfind.graph.primitives import Node
from symfind.ops.registry import lower, sizes
from symfind.trace import Op


@sizes("full", "zeros", "ones", "empty", "rand", "randn")
def full_sizes(r: Relations, op: Op) -> Rewrite:
    """One value everywhere."""
    return Rewrite({0: sized(r.of(op))})


@sizes("arange")
def arange_sizes(r: Relations, op: Op) -> Rewrite:
    """Equally spaced numbers: the first stays."""
    (axis,) = r.of(op)
    numbers = [a for a in op.args if isinstance(a, (int, float))]
    start = numbers[0] if len(numbers) > 1 else 0
    step = numbers[2] if len(numbers) > 2 else 1
    end = numbers[1] if len(numbers) > 1 else numbers[0]
    number = type(end)
    return Rewrite(
        {
            min(len(numbers) - 1, 1): lambda e: (
                end if e(axis) == axis.size else number(start + e(axis) * step)
            )
        }
    )


@sizes("linspace")
def linspace_sizes(r: Relations, op: Op) -> Rewrite:
    """Numbers between two ends."""
    return Rewrite({2: lambda e: e(r.of(op)[0])})


@sizes("eye")
def eye_sizes(r: Relations, op: Op) -> Rewrite:
    """The identity."""
    out = r.of(op)
    if len([a for a in op.args if isinstance(a, int)]) == 1:
        r.same(*out)
        return Rewrite({0: lambda e: e(out[0])})
    return Rewrite({0: lambda e: e(out[0]), 1: lambda e: e(out[1])})


@sizes("scalar_tensor")
def scalar_sizes(r: Relations, op: Op) -> None:
    """A number."""


@lower("randn_like", "rand_like", "randint_like")
def noise(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Noise is data: only the shape is that of x."""
    return b.source("input", b.op.shape)
