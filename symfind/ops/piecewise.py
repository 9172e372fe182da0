"""Piecewise linear functions, and choices between wires: the point decides which piece is meant."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from torch import Tensor

from symfind.graph.builder import GUARD, Builder
from symfind.graph.extents import pointwise
from symfind.graph.primitives import Node, Pointwise
from symfind.graph.rays import bare
from symfind.graph.uniform import is_uniform, number
from symfind.ops.arithmetic import mul_exact, sub_exact
from symfind.ops.comparison import choose_by
from symfind.ops.filled import filled
from symfind.ops.formulas import parity_of
from symfind.ops.pointwise import lines
from symfind.ops.registry import exact, lower, sizes
from symfind.ops.signs import sign
from symfind.residues.tape import Refusal, Tape, Value
from symfind.trace import Op

FAR = 1e30  # bounds further out than this are there for want of an infinity


@exact("relu", "threshold")
def relu_exact(t: Tape, x: Value, threshold: float = 0.0, value: float = 0.0) -> Value:
    """x above a threshold, else a constant."""
    return t.choose(t.positive(sub_exact(t, x, threshold)), x, t.lift(value))


@exact("leaky_relu")
def leaky_relu_exact(t: Tape, x: Value, slope: float = 0.01) -> Value:
    """x, or a multiple of it."""
    return t.choose(t.positive(x), x, t.scale(x, slope))


@lower("rrelu")
def rrelu(b: Builder, x: Node, *_: object) -> Node:
    """In evaluation a leaky rectifier."""
    return lines(b, x) or b.pointwise(x, degree=1.0)


@exact("rrelu")
def rrelu_exact(
    t: Tape, x: Value, low: float = 1 / 8, high: float = 1 / 3, training: bool = False, *_: Any
) -> Value:
    """Leaky, with the mean slope, in evaluation mode."""
    if training:
        raise Refusal("is random")
    return leaky_relu_exact(t, x, (low + high) / 2)


@lower("prelu")
def prelu(b: Builder, x: Node, weight: Node) -> Node:
    """Homogeneous in x, with a slope per channel that must stay as it is; of one sign, linear."""
    w, known = weight, sign(b.op.args[0])
    if known > 0:
        return b.scale(x, 1.0)
    if is_uniform(weight):
        return b.bend(x, 1.0, number(weight))
    if len(weight.axes) == 1 and weight.axes[0].size > 1 and len(x.axes) > 1:
        w = b.view(weight, [weight.shape[0], *([1] * (len(x.axes) - 2))])
    if known < 0:
        return b.multiply(w, x)
    left = b.pointwise(x, degree=1.0)
    return b.add(b.pointwise(x, degree=1.0), b.multiply(w, left))


@exact("prelu", "_prelu_kernel")
def prelu_exact(t: Tape, x: Value, weight: Any) -> Value:
    """Leaky, with a slope per channel."""
    slope = t.lift(weight)
    if len(slope.shape) == 1 and len(x.shape) > 2:
        slope = t.linear(lambda a: a.reshape(-1, *[1] * (len(x.shape) - 2)), slope)
    return t.choose(t.positive(x), x, t.multiply(x, slope))


@exact("abs")
def absolute_exact(t: Tape, x: Value) -> Value:
    """|x|."""
    return t.choose(t.positive(x), x, t.scale(x, -1))


@lower("hardtanh")
def hardtanh(b: Builder, x: Node, low: float = -1.0, high: float = 1.0) -> Node:
    """Between two bounds."""
    return clamp(b, x, low, high)


@lower("clamp", "clamp_min", "clamp_max", "threshold")
def clamp(b: Builder, x: Node, *bounds: object, **named: object) -> Node:
    """Homogeneous about a single bound; one that keeps a norm above zero is none."""
    limits = [v for v in (*bounds, *named.values()) if v is not None]
    nodes = [v for v in limits if isinstance(v, Node)]
    if nodes:
        return b.entrywise(x, *nodes)
    if (line := lines(b, x)) is not None:
        return line
    limits = [v for v in limits if abs(float(str(v))) < math.inf]  # what is none falls away
    below = named.get("max") is None and (len(bounds) < 2 or bounds[1] is None)
    guard = len(limits) == 1 and below and b.op.base in ("clamp", "clamp_min")
    least = GUARD * min(1.0, b.positive(x)) if guard else 0.0
    degree = 1.0 if all(0 <= float(str(v)) <= least for v in limits) else None
    if degree is None and len(limits) == 1 and x.varies:
        return b.bent(x, float(str(limits[0])))
    return b.pointwise(x, degree=degree, parity=parity_of(b.op))


@exact("clamp", "hardtanh", "clip")
def clamp_exact(t: Tape, x: Any, low: Any = None, high: Any = None) -> Value:
    """Between two bounds."""
    y = t.lift(x)
    y = y if low is None else maximum_exact(t, y, low)
    return y if high is None else minimum_exact(t, y, high)


@lower("maximum", "minimum", "fmax", "fmin", "max.other", "min.other")
def extremum(b: Builder, x: Node, y: Node) -> Node:
    """The larger of two: both may be scaled by the same positive number, or shifted alike.

    What is larger than the least number of single precision is itself.
    """
    for one, other in ((x, y), (y, x)):
        if is_uniform(one) and other.varies and other.shape == tuple(b.op.shape):
            point = number(one)
            if (point if "min" in b.op.target else -point) >= FAR:
                return b.scale(other)
            if math.isfinite(point):
                return b.bent(other, point)
    return b.entrywise(x, y, degree=1.0, level=True)


@exact("clamp_min", "maximum", "max.other", "fmax")
def maximum_exact(t: Tape, x: Any, y: Any) -> Value:
    """The larger of two."""
    return t.choose(t.positive(sub_exact(t, x, y)), t.lift(x), t.lift(y))


@exact("clamp_max", "minimum", "min.other", "fmin")
def minimum_exact(t: Tape, x: Any, y: Any) -> Value:
    """The smaller of two."""
    return t.choose(t.positive(sub_exact(t, y, x)), t.lift(x), t.lift(y))


@exact("relu6")
def relu6_exact(t: Tape, x: Value) -> Value:
    """Between zero and six."""
    return clamp_exact(t, x, 0.0, 6.0)


@exact("hardsigmoid")
def hardsigmoid_exact(t: Tape, x: Value) -> Value:
    """relu6(x + 3) / 6."""
    return t.scale(relu6_exact(t, t.add(x, t.lift(3.0))), Fraction(1, 6))


@exact("hardswish")
def hardswish_exact(t: Tape, x: Value) -> Value:
    """x relu6(x + 3) / 6."""
    return mul_exact(t, x, hardsigmoid_exact(t, x))


@lower("where", "masked_fill")
def where(b: Builder, *args: object) -> Node:
    """A choice between values by a mask."""
    if ".where" in b.op.target or b.op.target.startswith("aten.where"):
        condition, x, y = args
    else:
        y, condition, x = args
    values = [v if isinstance(v, Node) else b.number(float(str(v))) for v in (x, y)]
    one, other = map(bare, values)
    if one is other and one.shape == tuple(b.op.shape):
        return one
    if _halves(b, values):
        return b.pointwise(values[0], degree=1.0)
    if isinstance(condition, Node) and not b.learned(condition):
        return filled(b, values) or b.choose(condition, values)
    if not isinstance(condition, Node) or any(is_uniform(v, -math.inf) for v in values):
        return b.entrywise(*[v for v in (condition, *values) if isinstance(v, Node)])
    return choose_by(b, condition, *values)


def _halves(b: Builder, values: Sequence[Node]) -> bool:
    """Whether a wire is kept where it is positive (or negative), and is homogeneous elsewhere."""
    x, y = values
    test, where = b.op.args[0], x.result_of
    if not isinstance(test, Op) or where is None or not b.op.target.startswith("aten.where"):
        return False
    sided = test.target.startswith(("aten.gt.S", "aten.ge.S", "aten.lt.S", "aten.le.S"))
    if not sided or test.args[0] is not where or test.args[1] != 0:
        return False
    own = isinstance(y, Pointwise) and y.inputs[0] is x and y.degree == 1
    return own or (is_uniform(y, 0.0) and x.shape == tuple(b.op.shape))


sizes("where", "hardswish", "prelu")(pointwise)


@exact("where")
def where_exact(t: Tape, mask: Tensor, x: Any = 1.0, y: Any = 0.0) -> Value:
    """One or the other, by a mask."""
    return t.choose(mask, t.lift(x), t.lift(y))


@exact("masked_fill")
def masked_fill_exact(t: Tape, x: Value, mask: Tensor, value: Any) -> Value:
    """A constant where the mask is."""
    return t.choose(mask, t.lift(value), x)
