"""Functions of one entry or of a pair, by their formulas; comparisons and steps."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, pointwise
from symfind.graph.primitives import Node
from symfind.ops.arithmetic import sub_exact
from symfind.ops.formulas import NAMES, algebra_of, level_of, parity_of, rays_of
from symfind.ops.reduction import logsumexp
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Refusal, Tape, Value
from symfind.trace import Op

KINKED = "relu leaky_relu abs elu selu celu softplus".split()


def lines(b: Builder, x: Node) -> Node | None:
    """An operation that its arguments make linear on either side of zero, or constant."""
    if (rays := rays_of(b.op)) is not None:
        return b.bend(x, *rays)
    level = level_of(b.op)
    return None if level is None else b.constant(torch.full(x.shape, level, dtype=torch.float64))


def _unary(name: str) -> Callable[..., Node]:
    def lowered(b: Builder, x: Node, *_: object, **__: object) -> Node:
        algebra = algebra_of(name)
        if name == "square":
            return b.square(x)
        if name == "exp":
            return b.exp(x)
        if name == "expm1":
            return b.add(b.exp(x), b.number(1.0), signs=[1.0, -1.0])
        if name == "log1p":
            x = b.add(x, b.number(1.0))
        if name == "log" and (total := b.total_of(x)) is not None:
            return logsumexp(b, *total)
        if name == "log" and id(x) in b.exponents:
            return b.exponents[id(x)]
        if name == "reciprocal":
            return b.reciprocal(x)
        if name in KINKED and (line := lines(b, x)) is not None:
            return line
        parity = parity_of(b.op)
        y = b.pointwise(x, degree=algebra.degree, slope=algebra.slope, parity=parity)
        y.growth, y.decades = algebra.growth, algebra.decades
        return y

    return lowered


for _name in NAMES:
    if _name != "hardtanh":  # a clamp
        lower(_name)(_unary(_name))


@exact("neg")
def neg_exact(t: Tape, x: Value) -> Value:
    """-x."""
    return t.scale(x, -1)


@exact("square")
def square_exact(t: Tape, x: Value) -> Value:
    """x²."""
    return t.multiply(x, x)


@exact("reciprocal")
def reciprocal_exact(t: Tape, x: Value) -> Value:
    """1 / x."""
    return t.inverse(x)


@lower("pow.Tensor_Scalar")
def power(b: Builder, x: Node, exponent: float) -> Node:
    """z^p is homogeneous of degree p."""
    if exponent == 0:
        return b.constant(torch.ones(x.shape, dtype=torch.float64))
    if exponent == 1:
        return x
    if exponent == 2:
        return b.square(x)
    parity = None if exponent % 1 else 1 if exponent % 2 == 0 else -1
    return b.pointwise(x, degree=float(exponent), parity=parity)


@exact("pow")
def power_exact(t: Tape, x: Any, exponent: Any) -> Value:
    """x to a whole power."""
    if isinstance(exponent, Tensor) and exponent.numel() == 1:
        exponent = exponent.item()
    if not isinstance(exponent, (int, float)) or exponent != int(exponent):
        raise Refusal("raises to a power that is not a whole number")
    x, count = t.lift(x), int(exponent)
    if count < 0:
        x, count = t.inverse(x), -count
    result = t.lift(torch.ones(x.shape))
    while count:
        if count & 1:
            result = t.multiply(result, x)
        x, count = (t.multiply(x, x) if count > 1 else x), count >> 1
    return result


@lower("pow.Scalar", "pow.Tensor_Tensor")
def exponential(b: Builder, x: object, y: object) -> Node:
    """No scaling passes an exponent; a shift of that of a number becomes a scale."""
    if isinstance(y, Node) and isinstance(x, int | float) and x > 0 and x != 1:
        return b.exp(y, math.log(x))
    return b.entrywise(*[v for v in (x, y) if isinstance(v, Node)])


@lower("atan2", "fmod.Tensor", "remainder.Tensor", "xlogy")
def binary(b: Builder, x: object, y: object, **_: object) -> Node:
    """Nonlinear in both."""
    return b.entrywise(*[v for v in (x, y) if isinstance(v, Node)])


@lower("hardshrink", "softshrink", "erfinv", "lgamma", "digamma", "special_i0", "special_ndtr",
       "special_entr")  # fmt: skip
def special(b: Builder, x: Node, *_: object) -> Node:
    """Functions of one entry through which neither a shift nor a scale passes."""
    if "shrink" in b.op.base and (line := lines(b, x)) is not None:
        return line
    return b.pointwise(x, parity=parity_of(b.op))


@lower("copysign.Tensor")
def copysign(b: Builder, x: Node, y: Node) -> Node:
    """The size of one with the sign of another."""
    return b.multiply(b.pointwise(x, degree=1.0, parity=1), b.pointwise(y, degree=0.0, parity=-1))


@lower("hypot")
def hypot(b: Builder, x: Node, y: Node) -> Node:
    """The norm of two wires: what scales both alike passes."""
    return b.entrywise(x, y, degree=1.0)


@lower("logaddexp", "logaddexp2")
def logaddexp(b: Builder, x: Node, y: Node) -> Node:
    """A soft maximum: what is added to both passes."""
    return b.entrywise(x, y, level=True)


@lower("glu")
def glu(b: Builder, x: Node, dim: int = -1) -> Node:
    """One half times the sigmoid of the other."""
    n = x.axes[dim].size // 2
    gate = b.pointwise(b.narrow(x, dim, n, n))
    return b.multiply(b.narrow(x, dim, 0, n), gate)


@sizes("glu")
def glu_sizes(r: Relations, op: Op) -> None:
    """One half of a dimension gates the other."""
    x, out = r.of(op.args[0]), r.of(op)
    dim = (op.args[1] if len(op.args) > 1 else -1) % len(x)
    for d, (axis, old) in enumerate(zip(out, x, strict=True)):
        r.concatenated(old, [axis, axis] if d == dim else [axis])


@lower(
    "floor", "ceil", "round", "trunc", "floor_divide", "fmod.Scalar", "remainder.Scalar",
    "bitwise_not", "bitwise_and", "bitwise_or", "isnan", "isinf",
    "any", "all", "isfinite", "div.Tensor_mode", "histc", "searchsorted", "bucketize",
)  # fmt: skip
def discrete(b: Builder, *args: object, **_: object) -> Node:
    """Locally constant: nothing is known of what passes, and no direction is seen through it."""
    return b.opaque(args, b.op.shape)


def _comparison(sign: int) -> Callable[..., Tensor]:
    def compare(t: Tape, x: Any, y: Any) -> Tensor:
        return t.positive(t.scale(sub_exact(t, x, y), sign))

    return compare


exact("gt", "ge")(_comparison(1))
exact("lt", "le")(_comparison(-1))


@exact("sign", "sgn")
def sign_exact(t: Tape, x: Value) -> Tensor:
    """Constant on both sides."""
    t.positive(x)
    return x.real.sign()


def _step(function: Callable[[Tensor], Tensor], shift: float) -> Callable[..., Tensor]:
    def step(t: Tape, x: Value) -> Tensor:
        near = (x.real + shift).round() - shift
        t.positive(sub_exact(t, x, near))  # the jump that is closest is decided
        return function(x.real)

    return step


for _name, _shift in (("floor", 0.0), ("ceil", 0.0), ("trunc", 0.0), ("round", 0.5)):
    exact(_name)(_step(getattr(torch, _name), _shift))


@lower("tanh_backward", "sigmoid_backward", "gelu_backward", "softplus_backward")
def smooth_backward(b: Builder, slope: Node, x: Node, *_: object, **__: object) -> Node:
    """A derivative of the outer function, times that of the inner one."""
    return b.multiply(slope, b.pointwise(x))


@lower("threshold_backward")
def threshold_backward(b: Builder, slope: Node, x: Node, threshold: float) -> Node:
    """A derivative of the outer function, where a rectifier lets it pass."""
    return b.multiply(slope, b.pointwise(x, degree=None if threshold else 0.0))


sizes("complex", "polar")(pointwise)
