"""Functions of one wire that are linear on either side of zero, and what two of them add up to."""

from collections.abc import Sequence

from symfind.graph import primitives as p
from symfind.graph.primitives import Node


def bare(x: Node) -> Node:
    """A wire without factors of one."""
    while isinstance(x, p.Pointwise) and x.slope == 1:
        (x,) = x.inputs
    return x


def rays(x: Node) -> tuple[Node, float, float]:
    """A wire, and the slopes above its zero and below it of what another one is as its function."""
    chain: list[tuple[float, float]] = []
    while isinstance(x, p.Pointwise):
        if x.slope is not None:
            chain.append((x.slope, x.slope))
        elif x.rays is not None:
            chain.append(x.rays)
        else:
            break
        (x,) = x.inputs
    above, below = 1.0, -1.0  # where z = 1, and where z = -1
    for right, left in reversed(chain):
        above, below = (v * (right if v > 0 else left) for v in (above, below))
    return x, above, -below


def straight(terms: Sequence[Node], signs: Sequence[float]) -> tuple[Node, float] | None:
    """A wire and a factor where bent functions of it add up to a linear one: relu z - relu(-z)."""
    if not all(isinstance(x, p.Pointwise) for x in terms):
        return None
    found = [rays(x) for x in terms]
    base = found[0][0]
    if any(x is not base for x, *_ in found) or all(a == b for _, a, b in found):
        return None
    above = sum(s * a for s, (_, a, _) in zip(signs, found, strict=True))
    below = sum(s * b for s, (_, _, b) in zip(signs, found, strict=True))
    return (base, above) if above == below else None
