"""Comparisons: nothing changes where both sides are scaled by the same positive number.

Between their jumps they are constant; that no derivative is seen through them makes nothing a
symmetry, for a threshold that moves is crossed.
"""

from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.graph.uniform import is_uniform
from symfind.ops.registry import lower

Operand = Node | int | float


@lower("eq", "ne", "lt", "le", "gt", "ge")
def compare(b: Builder, x: Operand, y: Operand) -> Node:
    """Which of two entries is larger: a common positive scale passes, and comes out as one."""
    sides = [v if isinstance(v, Node) else b.number(float(v)) for v in (x, y)]
    for one, other in (sides, sides[::-1]):
        if is_uniform(other, 0.0) and one.shape == tuple(b.op.shape):
            return b.pointwise(one, degree=0.0)
    return b.entrywise(*sides, degree=0.0)


@lower("sign", "sgn", "logical_not")
def sign(b: Builder, x: Node) -> Node:
    """On which side of zero an entry is."""
    return b.pointwise(x, degree=0.0, parity=1 if "not" in b.op.target else -1)


@lower("logical_and", "logical_or", "logical_xor")
def logical(b: Builder, x: Node, y: Node) -> Node:
    """Of each operand only whether it is zero counts."""
    return b.entrywise(*(b.pointwise(v, degree=0.0) for v in (x, y)), degree=0.0)


@lower("heaviside")
def heaviside(b: Builder, x: Node, value: Node) -> Node:
    """A step at zero, and there a value: a rectifier is at zero for half of all inputs."""
    if is_uniform(value) and x.shape == tuple(b.op.shape):
        return b.pointwise(x, degree=0.0)
    above, at = (b.pointwise(x, degree=0.0) for _ in range(2))
    above.apply = lambda t: (t > 0).to(torch.float64)
    at.apply = lambda t: (t == 0).to(torch.float64)
    return b.add(above, b.multiply(value, at))


def choose_by(b: Builder, mask: Node, x: Node, y: Node) -> Node:
    """Entries of x or of y where parameters decide which: a sum of products with masks."""
    picks: list[Any] = [b.pointwise(mask, degree=0.0) for _ in (x, y)]
    picks[0].apply = lambda t: (t != 0).to(torch.float64)
    picks[1].apply = lambda t: (t == 0).to(torch.float64)
    return b.add(*(b.multiply(v, pick) for v, pick in zip((x, y), picks, strict=True)))
