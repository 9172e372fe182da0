"""Data that repeats along some dimensions, with one entry along each of them."""

from typing import Any

from symfind.algebra.axes import Axis
from symfind.graph.primitives import Source
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
    if x.role == "constant":

        def compute() -> Any:
            value = x.value()
            return None if value is None else once(value)

        def make(env: Any) -> Any:  # a checkpoint may have other constants
            return env.generic(made) if env.sizes is not None else once(env.value(x))

        made.compute, made.make = compute, make
        made.zero = is_uniform(x, 0.0)
    return made
