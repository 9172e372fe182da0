"""Polynomial and rational operations: sums, products, quotients, contractions, powers."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from symfind.exact.rules.registry import rule
from symfind.exact.tape import Refusal, Tape, Value

Any_ = Any  # a Value, a tensor or a number


@rule("add")
def add(t: Tape, x: Any_, y: Any_, *, alpha: Any = 1) -> Value:
    """x + alpha y."""
    return t.add(t.lift(x), t.scale(t.lift(y), alpha))


@rule("sub")
def sub(t: Tape, x: Any_, y: Any_, *, alpha: Any = 1) -> Value:
    """x - alpha y."""
    return t.add(t.lift(x), t.scale(t.lift(y), -alpha))


@rule("rsub")
def rsub(t: Tape, x: Any_, y: Any_, alpha: Any = 1) -> Value:
    """y - alpha x."""
    return sub(t, y, x, alpha=alpha)


@rule("neg")
def neg(t: Tape, x: Value) -> Value:
    """-x."""
    return t.scale(x, -1)


@rule("mul")
def mul(t: Tape, x: Any_, y: Any_) -> Value:
    """Entry by entry."""
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Value) and isinstance(b, (int, float)):
            return t.scale(a, b)
    return t.multiply(t.lift(x), t.lift(y))


@rule("reciprocal")
def reciprocal(t: Tape, x: Value) -> Value:
    """1 / x."""
    return t.inverse(x)


@rule("div")
def div(t: Tape, x: Any_, y: Any_, *, rounding_mode: str | None = None) -> Value:
    """x / y."""
    if rounding_mode is not None:
        raise Refusal("rounds a quotient")
    if isinstance(y, (int, float)) and isfinite(y):
        return t.scale(t.lift(x), 1 / Fraction(y))
    return t.multiply(t.lift(x), t.inverse(t.lift(y)))


@rule("square")
def square(t: Tape, x: Value) -> Value:
    """x²."""
    return t.multiply(x, x)


@rule("pow")
def power(t: Tape, x: Any_, exponent: Any_) -> Value:
    """x to a whole power."""
    if isinstance(exponent, Tensor) and exponent.numel() == 1:
        exponent = exponent.item()
    if not isinstance(exponent, (int, float)) or exponent != int(exponent):
        raise Refusal("raises to a power that is not a whole number")
    x, count = t.lift(x), int(exponent)
    if count < 0:
        x, count = t.inverse(x), -count
    result = t.lift(torch.ones_like(x.real))
    while count:
        if count & 1:
            result = t.multiply(result, x)
        x, count = (t.multiply(x, x) if count > 1 else x), count >> 1
    return result


@rule("prod")
def prod(t: Tape, x: Value, dim: int | None = None, keepdim: bool = False, **_: Any) -> Value:
    """The product along a dimension, or of everything."""
    if dim is None:
        x, dim, keepdim = t.linear(lambda a: a.reshape(-1), x), 0, False
    factors = t.linear(lambda a: a.unbind(dim), x)
    result = t.lift(torch.ones_like(factors[0].real))
    for factor in factors:
        result = t.multiply(result, factor)
    return t.linear(lambda a: a.unsqueeze(dim), result) if keepdim else result


@rule("addcmul")
def addcmul(t: Tape, x: Any_, a: Any_, b: Any_, *, value: Any = 1) -> Value:
    """x + value a b."""
    return add(t, x, mul(t, a, b), alpha=value)


@rule("addcdiv")
def addcdiv(t: Tape, x: Any_, a: Any_, b: Any_, *, value: Any = 1) -> Value:
    """x + value a / b."""
    return add(t, x, div(t, a, b), alpha=value)


@rule("lerp")
def lerp(t: Tape, x: Any_, y: Any_, weight: Any_) -> Value:
    """x + weight (y - x)."""
    return add(t, x, mul(t, sub(t, y, x), t.lift(weight)))


@rule("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner")
def matmul(t: Tape, x: Any_, y: Any_) -> Value:
    """Products of matrices; `inner` is only met with vectors."""
    return t.bilinear(torch.matmul, t.lift(x), t.lift(y))


@rule("outer")
def outer(t: Tape, x: Any_, y: Any_) -> Value:
    """x yᵀ."""
    return t.bilinear(torch.outer, t.lift(x), t.lift(y))


@rule("linear")
def linear(t: Tape, x: Any_, weight: Any_, bias: Any_ = None) -> Value:
    """x Wᵀ + b."""
    y = t.bilinear(torch.nn.functional.linear, t.lift(x), t.lift(weight))
    return y if bias is None else t.add(y, t.lift(bias))


@rule("addmm", "baddbmm", "addmv", "addbmm")
def addmm(t: Tape, bias: Any_, x: Any_, y: Any_, *, beta: Any = 1, alpha: Any = 1) -> Value:
    """beta bias + alpha x y."""
    product = t.scale(matmul(t, x, y), alpha)
    return t.add(t.scale(t.lift(bias), beta), product)


@rule("bilinear")
def bilinear(t: Tape, x: Any_, y: Any_, weight: Any_, bias: Any_ = None) -> Value:
    """xᵀ W y + b."""
    half = t.bilinear(lambda a, w: torch.einsum("...i,oij->...oj", a, w), t.lift(x), t.lift(weight))
    z = t.bilinear(lambda h, b: torch.einsum("...oj,...j->...o", h, b), half, t.lift(y))
    return z if bias is None else t.add(z, t.lift(bias))


@rule("einsum")
def einsum(t: Tape, equation: str, operands: Sequence[Any_], path: object = None) -> Value:
    """A contraction of one, two, or (pair by pair) more operands."""
    values = [t.lift(o) for o in operands]
    if len(values) == 1:
        return t.linear(lambda a: torch.einsum(equation, a), values[0])
    terms, arrow, target = equation.replace(" ", "").partition("->")
    names = terms.split(",")
    if len(values) > 2 and (not arrow or "." in equation):
        raise Refusal("contracts more than two operands with dots or without an arrow")
    while len(values) > 2:
        kept = [c for c in dict.fromkeys(names[0] + names[1]) if c in target + "".join(names[2:])]
        pair = f"{names[0]},{names[1]}->{''.join(kept)}"
        values = [_pair(t, pair, values[0], values[1]), *values[2:]]
        names = ["".join(kept), *names[2:]]
    return _pair(t, ",".join(names) + arrow + target, values[0], values[1])


def _pair(t: Tape, equation: str, x: Value, y: Value) -> Value:
    return t.bilinear(lambda a, b: torch.einsum(equation, a, b), x, y)


def _convolution(function: Callable[..., Tensor]) -> Callable[..., Value]:
    def convolution(t: Tape, x: Any_, weight: Any_, bias: Any_ = None, *rest: Any) -> Value:
        y = t.bilinear(lambda a, w: function(a, w, None, *rest), t.lift(x), t.lift(weight))
        if bias is None:
            return y
        spatial = len(t.lift(weight).shape) - 2
        column = t.linear(lambda b: b.reshape(-1, *[1] * spatial), t.lift(bias))
        return t.add(y, column)

    return convolution


for _name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
              "conv_transpose3d", "convolution"):  # fmt: skip
    rule(_name)(_convolution(getattr(torch, _name)))


@rule("batch_norm")
def batch_norm(
    t: Tape, x: Value, weight: Any_, bias: Any_, mean: Any_, variance: Any_, training: bool,
    momentum: float, eps: float,
) -> Value:  # fmt: skip
    """An affine map of every channel, in evaluation mode.

    1 / sqrt(variance + eps) is a constant of the model, and is taken as float64 has it.
    """
    if training or mean is None or variance is None:
        raise Refusal("takes a square root of the variance of the batch, which is not rational")
    spatial = len(x.shape) - 2

    def column(value: Any_) -> Value:
        return t.linear(lambda b: b.reshape(-1, *[1] * spatial), t.lift(value))

    y = t.add(x, t.scale(column(mean), -1))
    y = t.multiply(y, column((variance.double() + eps).rsqrt()))
    y = y if weight is None else t.multiply(y, column(weight))
    return y if bias is None else t.add(y, column(bias))
