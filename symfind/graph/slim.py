"""Data that repeats along some dimensions, with one entry along each of them."""

import functools
from collections.abc import Callable
from typing import Any

from symfind.algebra.axes import Axis
from symfind.graph.primitives import Node, Source
from symfind.graph.uniform import is_uniform


def slim(x: Source) -> Source:
    """A wire of the same data, one entry wide where all are equal."""

    def once(value: Any) -> Any:
        for d in x.repeats:
            value = value.narrow(d, 0, 1)
        return value

    axes = [Axis(1) if d in x.repeats else a for d, a in enumerate(x.axes)]
    made = Source((), axes, op=x.op, role=x.role)
    made.balanced = tuple(d for d in x.balanced if d not in x.repeats)
    made.shares = () if x.repeats & set(x.shares) else x.shares
    if x.role == "constant":

        def compute() -> Any:
            value = x.value()
            return None if value is None else once(value)

        def make(env: Any) -> Any:  # a checkpoint may have other constants
            return env.generic(made) if env.sizes is not None else once(env.value(x))

        made.compute, made.make = compute, make
        made.zero = is_uniform(x, 0.0)
    return made


def entry_by_entry(make: Callable[..., Node]) -> Callable[..., Node]:
    """A method of a builder that makes a wire from entries of others: of what is not repeated."""

    @functools.wraps(make)
    def made(b: Any, *xs: Node, **how: Any) -> Node:
        few = [b._slimmed(x) for x in xs]
        if all(x is y for x, y in zip(xs, few, strict=True)):
            return make(b, *xs, **how)
        shape = [a.size for a in b._broadcast(xs)]
        return b.expand(make(b, *few, **how), shape)  # type: ignore[no-any-return]

    return made
