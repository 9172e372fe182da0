"""Constants that are one number everywhere."""

import math

from symfind.graph import primitives as p
from symfind.graph.primitives import Node


def number(x: Node) -> float:
    """The one entry of a uniform constant, NaN where it is not known."""
    value = x.value() if isinstance(x, p.Source) else None
    return float("nan") if value is None else float(value.reshape(-1)[0])


def is_uniform(x: Node, number: float | None = None) -> bool:
    """Whether a constant is one number everywhere (a given one, or any)."""
    if not (isinstance(x, p.Source) and x.role == "constant"):
        return False
    if number is None and math.prod(x.shape) == 1:
        return True
    if x.zero:
        return number in (None, 0.0)
    if math.prod(x.shape) > 4_000_000 or x.make is not None:  # made of what a checkpoint has
        return False
    value = x.value()
    if value is None or value.numel() == 0 or value.is_complex():
        return False
    first = value.reshape(-1)[0]
    if number is not None and float(first) != number:
        return False
    return bool((value == first).all())
