"""Piecewise rational operations: the real point decides which piece is meant."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from symfind.exact.rules.products import mul, sub
from symfind.exact.rules.registry import rule
from symfind.exact.tape import Refusal, Tape, Value


@rule("relu", "threshold")
def relu(t: Tape, x: Value, threshold: float = 0.0, value: float = 0.0) -> Value:
    """x above a threshold, else a constant."""
    return t.choose(t.positive(sub(t, x, threshold)), x, t.lift(value))


@rule("leaky_relu")
def leaky_relu(t: Tape, x: Value, slope: float = 0.01) -> Value:
    """x, or a multiple of it."""
    return t.choose(t.positive(x), x, t.scale(x, slope))


@rule("rrelu")
def rrelu(
    t: Tape, x: Value, low: float = 1 / 8, high: float = 1 / 3, training: bool = False, *_: Any
) -> Value:
    """Leaky, with the mean slope, in evaluation mode."""
    if training:
        raise Refusal("is random")
    return leaky_relu(t, x, (low + high) / 2)


@rule("prelu", "_prelu_kernel")
def prelu(t: Tape, x: Value, weight: Any) -> Value:
    """Leaky, with a slope per channel."""
    slope = t.lift(weight)
    if len(slope.shape) == 1 and len(x.shape) > 2:
        slope = t.linear(lambda a: a.reshape(-1, *[1] * (len(x.shape) - 2)), slope)
    return t.choose(t.positive(x), x, t.multiply(x, slope))


@rule("abs")
def absolute(t: Tape, x: Value) -> Value:
    """|x|."""
    return t.choose(t.positive(x), x, t.scale(x, -1))


@rule("clamp", "hardtanh", "clip")
def clamp(t: Tape, x: Any, low: Any = None, high: Any = None) -> Value:
    """Between two bounds."""
    y = t.lift(x)
    y = y if low is None else maximum(t, y, low)
    return y if high is None else minimum(t, y, high)


@rule("clamp_min", "maximum", "max.other", "fmax")
def maximum(t: Tape, x: Any, y: Any) -> Value:
    """The larger of two."""
    return t.choose(t.positive(sub(t, x, y)), t.lift(x), t.lift(y))


@rule("clamp_max", "minimum", "min.other", "fmin")
def minimum(t: Tape, x: Any, y: Any) -> Value:
    """The smaller of two."""
    return t.choose(t.positive(sub(t, y, x)), t.lift(x), t.lift(y))


@rule("relu6")
def relu6(t: Tape, x: Value) -> Value:
    """Between zero and six."""
    return clamp(t, x, 0.0, 6.0)


@rule("hardsigmoid")
def hardsigmoid(t: Tape, x: Value) -> Value:
    """relu6(x + 3) / 6."""
    return t.scale(relu6(t, t.add(x, t.lift(3.0))), Fraction(1, 6))


@rule("hardswish")
def hardswish(t: Tape, x: Value) -> Value:
    """x relu6(x + 3) / 6."""
    return mul(t, x, hardsigmoid(t, x))


# --- truth values and steps: constant on each piece


def _comparison(sign: int) -> Callable[..., Tensor]:
    def compare(t: Tape, x: Any, y: Any) -> Tensor:
        return t.positive(t.scale(sub(t, x, y), sign))

    return compare


rule("gt", "ge")(_comparison(1))
rule("lt", "le")(_comparison(-1))


@rule("sign", "sgn")
def sign(t: Tape, x: Value) -> Tensor:
    """Constant on both sides."""
    t.positive(x)
    return x.real.sign()


def _step(function: Callable[[Tensor], Tensor], shift: float) -> Callable[..., Tensor]:
    def step(t: Tape, x: Value) -> Tensor:
        near = (x.real + shift).round() - shift
        t.positive(sub(t, x, near))  # the jump that is closest is decided
        return function(x.real)

    return step


for _name, _shift in (("floor", 0.0), ("ceil", 0.0), ("trunc", 0.0), ("round", 0.5)):
    rule(_name)(_step(getattr(torch, _name), _shift))


# --- by order


def _selection(name: str) -> Callable[..., tuple[Value, Tensor]]:
    operator = getattr(torch.ops.aten, name.partition(".")[0])
    overload = getattr(operator, name.partition(".")[2] or "default")

    def select(t: Tape, x: Value, *args: Any, **kwargs: Any) -> tuple[Value, Tensor]:
        dim = args[0] if name in ("max.dim", "min.dim") else _axis(name, args)
        t.ordered(x, [dim])
        index = overload(x.real, *args, **kwargs)[1]
        kept = x.real.ndim == index.ndim
        place = index if kept else index.unsqueeze(dim)
        y = t.linear(lambda a: a.gather(dim, place), x)
        return (y if kept else t.linear(lambda a: a.squeeze(dim), y)), index

    return select


def _axis(name: str, args: Sequence[Any]) -> int:
    place = 1 if name == "topk" else 0
    return args[place] if len(args) > place else -1


for _name in ("max.dim", "min.dim", "sort", "topk"):
    rule(_name)(_selection(_name))


def _extreme(largest: bool) -> Callable[..., Value]:
    def extreme(t: Tape, x: Value, dim: Any = (), keepdim: bool = False) -> Value:
        rank = len(x.shape)
        listed = [dim] if isinstance(dim, int) else list(dim)
        dims = sorted({d % rank for d in listed}) or list(range(rank))
        t.ordered(x, dims)
        last = [d for d in range(rank) if d not in dims] + dims
        kept = [n for d, n in enumerate(x.shape) if d not in dims]
        flat = t.linear(lambda a: a.permute(last).reshape(*kept, -1), x)
        index = (flat.real.argmax if largest else flat.real.argmin)(-1, keepdim=True)
        shape = [1 if d in dims else n for d, n in enumerate(x.shape)] if keepdim else kept
        return t.linear(lambda a: a.gather(-1, index).reshape(shape), flat)

    return extreme


rule("amax", "max.default")(_extreme(True))
rule("amin", "min.default")(_extreme(False))


@rule("argmax")
def argmax(t: Tape, x: Value, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest is: constant on each piece."""
    t.ordered(x, range(len(x.shape)) if dim is None else [dim])
    return x.real.argmax(dim, keepdim)


@rule("argmin")
def argmin(t: Tape, x: Value, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest is."""
    t.ordered(x, range(len(x.shape)) if dim is None else [dim])
    return x.real.argmin(dim, keepdim)


def _max_pool(name: str, spatial: int, pair: bool) -> Callable[..., Any]:
    pool = getattr(torch.ops.aten, name).default

    def max_pool(t: Tape, x: Value, *args: Any) -> Any:
        t.ordered(x, range(-spatial, 0))
        index = pool(x.real, *args)[1]

        def picked(a: Tensor) -> Tensor:
            entries = a.flatten(-spatial).gather(-1, index.flatten(-spatial))
            return entries.reshape(*a.shape[:-spatial], *index.shape[-spatial:])

        y = t.linear(picked, x)
        return (y, index) if pair else y

    return max_pool


for _spatial in (1, 2, 3):
    _name = f"max_pool{_spatial}d_with_indices"
    rule(f"max_pool{_spatial}d")(_max_pool(_name, _spatial, False))
    rule(_name)(_max_pool(_name, _spatial, True))
    _name = f"adaptive_max_pool{_spatial}d"
    rule(_name)(_max_pool(_name, _spatial, True))
