"""Sums, products and quotients."""

from symfind.graph.builder import Builder
from symfind.graph.primitives import Expand, Node
from symfind.graph.uniform import is_uniform
from symfind.ops.registry import rule

Number = int | float
Operand = Node | Number


@rule("add.Tensor", "add.Scalar")
def add(b: Builder, x: Operand, y: Operand, alpha: Number = 1) -> Node:
    """x + alpha y."""
    return _sum(b, x, y, float(alpha))


@rule("sub.Tensor", "sub.Scalar")
def sub(b: Builder, x: Operand, y: Operand, alpha: Number = 1) -> Node:
    """x - alpha y; minus its own mean it is centred, minus log Σ exp a logarithm of softmax.

    Minus its own maximum it is as blind to constants: c - max c for c = x - mean x.
    """
    if isinstance(x, Node) and isinstance(y, Node):
        y = _compact(y, x)
    if isinstance(x, Node) and isinstance(y, Node) and (dims := b.mean_of(y, x)) is not None:
        return b.centre(x, dims)
    if isinstance(x, Node) and isinstance(y, Node) and alpha == 1:
        dims = b.partition_of(y, x)
        if dims is not None:
            return b.pointwise(b.softmax(x, dims))
        if (dims := b.peak_of(y, x)) is not None:
            c = b.centre(x, dims)
            return b.add(c, b.reduce(c, dims, True, unit=1.0, peak=True), signs=[1.0, -1.0])
    return _sum(b, x, y, -float(alpha))


@rule("rsub.Scalar")
def rsub(b: Builder, x: Node, y: Operand, alpha: Number = 1) -> Node:
    """y - alpha x."""
    return _sum(b, y, x, -float(alpha))


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
    for wire, fill, sign in ((x, y, signs[1]), (y, x, signs[0])):
        if wire.varies and (kept := b.unmasked(wire, fill, sign)) is not None:
            return b.scale(kept, signs[0] if wire is x else signs[1])
    return b.add(x, y, signs=signs)


def _compact(x: Node, other: Node) -> Node:
    """x before it was expanded to the shape of the other operand."""
    if isinstance(x, Expand) and len(x.inputs[0].axes) == len(x.axes) and x.shape == other.shape:
        return x.inputs[0]
    return x


@rule("mul.Tensor", "mul.Scalar")
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


@rule("div.Tensor", "div.Scalar")
def div(b: Builder, x: Operand, y: Operand) -> Node:
    """Entrywise quotient: a product with the reciprocal; exp by its own sum is a softmax."""
    if not isinstance(y, Node):
        assert isinstance(x, Node)
        return b.scale(x, 1.0 / y)
    if isinstance(x, Node):
        y = _compact(y, x)
        if (shares := b.share(x, y)) is not None:
            return shares
    inverse = y if y.fixed and is_uniform(y) else b.reciprocal(y)
    if not isinstance(x, Node):
        return b.scale(inverse, float(x))
    return b.multiply(x, inverse)


@rule("addcmul")
def addcmul(b: Builder, x: Node, u: Node, v: Node, value: Number = 1) -> Node:
    """x + value u v."""
    return b.add(x, b.multiply(u, v), signs=[1.0, float(value)])


@rule("addcdiv")
def addcdiv(b: Builder, x: Node, u: Node, v: Node, value: Number = 1) -> Node:
    """x + value u / v."""
    return b.add(x, b.multiply(u, b.reciprocal(v)), signs=[1.0, float(value)])


@rule("lerp.Tensor", "lerp.Scalar")
def lerp(b: Builder, x: Node, y: Node, weight: Operand) -> Node:
    """x + weight (y - x)."""
    step = b.add(y, x, signs=[1.0, -1.0])
    move = b.multiply(step, weight) if isinstance(weight, Node) else b.scale(step, float(weight))
    return b.add(x, move)


@rule("randn_like", "rand_like", "randint_like")
def noise(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Noise is data: only the shape is that of x."""
    return b.source("input", b.op.shape)
