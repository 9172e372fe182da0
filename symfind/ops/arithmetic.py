"""Sums, products and quotients."""

from fractions import Fraction
from math import isfinite
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, pointwise
from symfind.graph.factored import factored
from symfind.graph.primitives import Expand, Node
from symfind.graph.rays import straight
from symfind.graph.uniform import is_uniform
from symfind.ops.filled import unmasked
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Refusal, Tape, Value
from symfind.trace import Op

Number = int | float


Operand = Node | Number


@lower("add.Tensor", "add.Scalar")
def add(b: Builder, x: Operand, y: Operand, alpha: Number = 1) -> Node:
    """x + alpha y."""
    whole = None
    if isinstance(x, Node) and isinstance(y, Node):
        whole = factored(b, (x, y), (1.0, float(alpha)))
    return _sum(b, x, y, float(alpha)) if whole is None else whole


@sizes("add")
def add_sizes(r: Relations, op: Op) -> None:
    """A sum; a parameter that is added has one row for each position."""
    pointwise(r, op)
    for x in op.operands:
        if x.target == "parameter":
            r.tables += r.of(x)[:-1]


@exact("add")
def add_exact(t: Tape, x: Any, y: Any, *, alpha: Any = 1) -> Value:
    """x + alpha y."""
    return t.add(t.lift(x), t.scale(t.lift(y), alpha))


@lower("sub.Tensor", "sub.Scalar")
def sub(b: Builder, x: Operand, y: Operand, alpha: Number = 1) -> Node:
    """x - alpha y; minus its own mean it is centred, minus log Σ exp a logarithm of softmax.

    Minus its own maximum it is as blind to constants: c - max c for c = x - mean x.
    """
    if isinstance(x, Node) and isinstance(y, Node):
        y = _compact(y, x)
    if isinstance(x, Node) and isinstance(y, Node) and alpha == 1:
        if (dims := b.mean_of(y, x)) is not None:
            return b.centre(x, dims)
        if (dims := b.partition_of(y, x)) is not None:
            return b.pointwise(b.softmax(x, dims))
        if (dims := b.peak_of(y, x)) is not None:
            c = b.centre(x, dims)
            return b.add(c, b.reduce(c, dims, True, unit=1.0, peak=True), signs=[1.0, -1.0])
    return _sum(b, x, y, -float(alpha))


@exact("sub")
def sub_exact(t: Tape, x: Any, y: Any, *, alpha: Any = 1) -> Value:
    """x - alpha y."""
    return t.add(t.lift(x), t.scale(t.lift(y), -alpha))


@lower("rsub.Scalar")
def rsub(b: Builder, x: Node, y: Operand, alpha: Number = 1) -> Node:
    """y - alpha x."""
    return _sum(b, y, x, -float(alpha))


@exact("rsub")
def rsub_exact(t: Tape, x: Any, y: Any, alpha: Any = 1) -> Value:
    """y - alpha x."""
    return sub_exact(t, y, x, alpha=alpha)


def _sum(b: Builder, x: Operand, y: Operand, sign: float) -> Node:
    if not isinstance(x, Node):
        x, y, signs = y, x, [sign, 1.0]
    else:
        signs = [1.0, sign]
    assert isinstance(x, Node)
    if not isinstance(y, Node):
        if y == 0:
            return x if signs[0] == 1 else b.scale(x, signs[0])
        y = b.number(y)
    if (whole := straight((x, y), signs)) is not None:
        return b.scale(*whole)
    for wire, fill, sign in ((x, y, signs[1]), (y, x, signs[0])):
        if wire.varies and (kept := unmasked(b, wire, fill, sign)) is not None:
            return b.scale(kept, signs[0] if wire is x else signs[1])
    return b.add(x, y, signs=signs)


def _compact(x: Node, other: Node) -> Node:
    """x before it was expanded to the shape of the other operand."""
    if isinstance(x, Expand) and len(x.inputs[0].axes) == len(x.axes) and x.shape == other.shape:
        return x.inputs[0]
    return x


@lower("mul.Tensor", "mul.Scalar")
def mul(b: Builder, x: Operand, y: Operand) -> Node:
    """Entrywise product."""
    if not isinstance(x, Node):
        x, y = y, x
    assert isinstance(x, Node)
    if not isinstance(y, Node):
        return b.scale(x, float(y))
    x, y = _compact(x, y), _compact(y, x)
    for wire, mask in ((x, y), (y, x)):
        if (split := b.masked(wire, mask)) is not None:
            return split
    if x.varies or y.varies:
        x, y = b.factor(x), b.factor(y)
    return b.multiply(x, y)


@exact("mul")
def mul_exact(t: Tape, x: Any, y: Any) -> Value:
    """Entry by entry."""
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Value) and isinstance(b, (int, float)):
            return t.scale(a, b)
    return t.multiply(t.lift(x), t.lift(y))


@lower("div.Tensor", "div.Scalar")
def div(b: Builder, x: Operand, y: Operand) -> Node:
    """Entrywise quotient: a product with the reciprocal; exp by its own sum is a softmax."""
    if not isinstance(y, Node):
        assert isinstance(x, Node)
        return b.scale(x, 1.0 / y)
    if isinstance(x, Node):
        y = _compact(y, x)
        if x is y:
            return b.constant(torch.ones(x.shape, dtype=torch.float64))
        if (shares := b.share(x, y)) is not None:
            return shares
    inverse = y if y.fixed and is_uniform(y) else b.reciprocal(y)
    if not isinstance(x, Node):
        return b.scale(inverse, float(x))
    return b.multiply(x, inverse)


@exact("div")
def div_exact(t: Tape, x: Any, y: Any, *, rounding_mode: str | None = None) -> Value:
    """x / y."""
    if rounding_mode is not None:
        raise Refusal("rounds a quotient")
    if isinstance(y, (int, float)) and isfinite(y):
        return t.scale(t.lift(x), 1 / Fraction(y))
    return t.multiply(t.lift(x), t.inverse(t.lift(y)))


@lower("addcmul")
def addcmul(b: Builder, x: Node, u: Node, v: Node, value: Number = 1) -> Node:
    """x + value u v."""
    return b.add(x, b.multiply(u, v), signs=[1.0, float(value)])


@exact("addcmul")
def addcmul_exact(t: Tape, x: Any, a: Any, b: Any, *, value: Any = 1) -> Value:
    """x + value a b."""
    return add_exact(t, x, mul_exact(t, a, b), alpha=value)


@lower("addcdiv")
def addcdiv(b: Builder, x: Node, u: Node, v: Node, value: Number = 1) -> Node:
    """x + value u / v."""
    return b.add(x, b.multiply(u, b.reciprocal(v)), signs=[1.0, float(value)])


@exact("addcdiv")
def addcdiv_exact(t: Tape, x: Any, a: Any, b: Any, *, value: Any = 1) -> Value:
    """x + value a / b."""
    return add_exact(t, x, div_exact(t, a, b), alpha=value)


@lower("lerp.Tensor", "lerp.Scalar")
def lerp(b: Builder, x: Node, y: Node, weight: Operand) -> Node:
    """x + weight (y - x)."""
    step = b.add(y, x, signs=[1.0, -1.0])
    move = b.multiply(step, weight) if isinstance(weight, Node) else b.scale(step, float(weight))
    return b.add(x, move)


@exact("lerp")
def lerp_exact(t: Tape, x: Any, y: Any, weight: Any) -> Value:
    """x + weight (y - x)."""
    return add_exact(t, x, mul_exact(t, sub_exact(t, y, x), t.lift(weight)))
