"""Functions of one entry. Each is given by its formula; its algebra is solved from that by sympy.

The one-parameter groups z -> az + b that a function carries into its own output,
(a z + b) phi'(z) = c phi(z) + d, decide what passes. (Godfrey et al. 2022, intertwiner groups.)
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node, Pointwise
from symfind.graph.uniform import is_uniform, number
from symfind.ops.reduction import logsumexp
from symfind.ops.registry import rule
from symfind.trace import Op
from symfind.trace.kernels import run

FAR = 1e30  # bounds further out than this are there for want of an infinity
GUARD = 1e-5  # a norm is kept above a bound this small only to divide by it


@dataclass(frozen=True)
class UnaryAlgebra:
    """What a function intertwines: its degree of positive homogeneity and its slope if linear.

    `growth` where a shift becomes a scale, `decades` where a scale becomes a shift.
    """

    degree: float | None
    slope: float | None = None
    growth: float | None = None
    decades: float | None = None


def _formulas() -> dict[str, Callable[[Any], Any]]:
    import sympy as s

    def pieces(*cases: tuple[Any, Any]) -> Any:
        return s.Piecewise(*cases)

    return {
        "relu": lambda z: pieces((z, z > 0), (0, True)),
        "leaky_relu": lambda z: pieces((z, z > 0), (z * s.Rational(1, 100), True)),
        "abs": lambda z: pieces((z, z > 0), (-z, True)),
        "neg": lambda z: -z,
        "square": lambda z: z**2,
        "sqrt": lambda z: pieces((s.sqrt(z), z > 0), (0, True)),
        "rsqrt": lambda z: pieces((1 / s.sqrt(z), z > 0), (0, True)),
        "reciprocal": lambda z: 1 / z,
        "relu6": lambda z: pieces((0, z < 0), (z, z < 6), (6, True)),
        "elu": lambda z: pieces((z, z > 0), (s.exp(z) - 1, True)),
        "selu": lambda z: pieces((z, z > 0), (2 * (s.exp(z) - 1), True)),
        "celu": lambda z: pieces((z, z > 0), (s.exp(z) - 1, True)),
        "hardtanh": lambda z: pieces((-1, z < -1), (z, z < 1), (1, True)),
        "hardsigmoid": lambda z: pieces((0, z < -3), (z / 6 + s.Rational(1, 2), z < 3), (1, True)),
        "hardswish": lambda z: pieces((0, z < -3), (z * (z + 3) / 6, z < 3), (z, True)),
        "softplus": lambda z: s.log(1 + s.exp(z)),
        "sigmoid": lambda z: 1 / (1 + s.exp(-z)),
        "log_sigmoid": lambda z: -s.log(1 + s.exp(-z)),
        "silu": lambda z: z / (1 + s.exp(-z)),
        "mish": lambda z: z * s.tanh(s.log(1 + s.exp(z))),
        "gelu": lambda z: z * (1 + s.erf(z / s.sqrt(2))) / 2,
        "tanh": s.tanh,
        "sin": s.sin,
        "cos": s.cos,
        "tan": s.tan,
        "asin": s.asin,
        "acos": s.acos,
        "atan": s.atan,
        "sinh": s.sinh,
        "cosh": s.cosh,
        "asinh": s.asinh,
        "acosh": s.acosh,
        "atanh": s.atanh,
        "erf": s.erf,
        "erfc": s.erfc,
        "exp": s.exp,
        "exp2": lambda z: 2**z,
        "expm1": lambda z: s.exp(z) - 1,
        "log": s.log,
        "log1p": s.log,  # of one more
        "log2": lambda z: s.log(z, 2),
        "log10": lambda z: s.log(z, 10),
        "sinc": lambda z: s.sin(z) / z,
    }


def solve_unary(function: Callable[[Any], Any]) -> UnaryAlgebra:
    """Solve (a z + b) phi' = c phi + d on every piece, and keep what all pieces share.

    Args:
        function: phi, from a sympy symbol to an expression, possibly a `Piecewise`.

    Returns:
        The degree p with c = p a where scalings pass with b = d = 0; the slope where phi is
        linear through the origin; where a = d = 0, c / b; where b = c = 0, d / a.
    """
    import sympy as s

    z = s.Symbol("z", real=True)
    phi = function(z)
    pieces = [e for e, _ in phi.args] if isinstance(phi, s.Piecewise) else [phi]
    degrees: set[Any] = set()
    slopes = set()
    for piece in map(s.sympify, pieces):
        if piece == 0:
            slopes.add(s.Integer(0))
            continue
        # Scaling: z phi' = p phi, so that the logarithmic derivative is a constant.
        ratio = s.cancel(z * s.diff(piece, z) / piece)
        degrees.add(ratio if ratio.is_number else None)
        slopes.add(s.diff(piece, z) if ratio == 1 else None)
    if len(degrees) != 1 or None in degrees:
        growth = s.diff(phi, z) / phi if len(pieces) == 1 else z
        decades = z * s.diff(phi, z) if len(pieces) == 1 else z
        return UnaryAlgebra(
            None,
            growth=float(growth) if growth.is_number else None,
            decades=float(decades) if decades.is_number else None,
        )
    slope = slopes.pop() if len(slopes) == 1 else None
    return UnaryAlgebra(float(degrees.pop()), None if slope is None else float(slope))


@functools.cache
def algebra_of(name: str) -> UnaryAlgebra:
    """The algebra of a named function."""
    return solve_unary(_formulas()[name])


_NAMES = (
    "relu leaky_relu abs neg square sqrt rsqrt reciprocal relu6 elu selu celu hardtanh hardsigmoid "
    "hardswish softplus sigmoid log_sigmoid silu mish gelu tanh sin cos tan asin acos "
    "atan sinh cosh asinh acosh atanh erf erfc exp exp2 expm1 log log1p log2 log10 sinc"
).split()


def _unary(name: str) -> Callable[..., Node]:
    def lower(b: Builder, x: Node, *_: object, **__: object) -> Node:
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
        parity = parity_of(b.op)
        y = b.pointwise(x, degree=algebra.degree, slope=algebra.slope, parity=parity)
        y.growth, y.decades = algebra.growth, algebra.decades
        return y

    return lower


def parity_of(op: Op) -> int | None:
    """-1 where an operation is odd in its first operand, 1 where it is even, None where neither.

    Evaluated with the operation's own arguments (the bounds of a clamp decide it), in float64 at
    points of all magnitudes.
    """
    if any(isinstance(a, Op) for a in op.args[1:]):
        return None
    z = torch.logspace(-8, 8, 257, dtype=torch.float64)
    try:
        plus, minus = (run(op, (x, *op.args[1:]), op.kwargs, z.device) for x in (z, -z))
    except (RuntimeError, TypeError):
        return None
    for sign in (-1, 1):
        if torch.allclose(minus, sign * plus, rtol=1e-12, atol=0.0):
            return sign
    return None


for _name in _NAMES:
    rule(_name)(_unary(_name))


@rule("rrelu")
def rrelu(b: Builder, x: Node, *_: object) -> Node:
    """In evaluation a leaky rectifier."""
    return b.pointwise(x, degree=1.0)


@rule("prelu")
def prelu(b: Builder, x: Node, weight: Node) -> Node:
    """Homogeneous in x, with a slope per channel that must stay as it is."""
    w = weight
    if len(weight.axes) == 1 and weight.axes[0].size > 1 and len(x.axes) > 1:
        w = b.view(weight, [weight.shape[0], *([1] * (len(x.axes) - 2))])
    left = b.pointwise(x, degree=1.0)
    return b.add(b.pointwise(x, degree=1.0), b.multiply(w, left))


@rule("pow.Tensor_Scalar")
def power(b: Builder, x: Node, exponent: float) -> Node:
    """z^p is homogeneous of degree p."""
    if exponent == 1:
        return x
    if exponent == 2:
        return b.square(x)
    parity = None if exponent % 1 else 1 if exponent % 2 == 0 else -1
    return b.pointwise(x, degree=float(exponent), parity=parity)


@rule("pow.Scalar", "pow.Tensor_Tensor")
def exponential(b: Builder, x: object, y: object) -> Node:
    """No scaling passes an exponent; a shift of that of a number becomes a scale."""
    if isinstance(y, Node) and isinstance(x, int | float) and x > 0 and x != 1:
        return b.exp(y, math.log(x))
    return b.entrywise(*[v for v in (x, y) if isinstance(v, Node)])


@rule("clamp", "clamp_min", "clamp_max", "threshold")
def clamp(b: Builder, x: Node, *bounds: object, **named: object) -> Node:
    """Homogeneous about a single bound; a guard against division by zero is none."""
    limits = [v for v in (*bounds, *named.values()) if v is not None]
    nodes = [v for v in limits if isinstance(v, Node)]
    if nodes:
        return b.entrywise(x, *nodes)
    guard = len(limits) == 1 and ".clamp_m" in b.op.target or b.op.target == "aten.clamp.default"
    least = GUARD if guard and b.positive(x) else 0.0
    degree = 1.0 if all(0 <= float(str(v)) <= least for v in limits) else None
    if degree is None and len(limits) == 1 and x.varies:
        return b.bent(x, float(str(limits[0])))
    return b.pointwise(x, degree=degree, parity=parity_of(b.op))


@rule("maximum", "minimum", "fmax", "fmin", "max.other", "min.other")
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


@rule("atan2", "fmod.Tensor", "remainder.Tensor", "xlogy")
def binary(b: Builder, x: object, y: object, **_: object) -> Node:
    """Nonlinear in both."""
    return b.entrywise(*[v for v in (x, y) if isinstance(v, Node)])


@rule("hypot")
def hypot(b: Builder, x: Node, y: Node) -> Node:
    """The norm of two wires: what scales both alike passes."""
    return b.entrywise(x, y, degree=1.0)


@rule("logaddexp")
def logaddexp(b: Builder, x: Node, y: Node) -> Node:
    """A soft maximum: what is added to both passes."""
    return b.entrywise(x, y, level=True)


@rule("glu")
def glu(b: Builder, x: Node, dim: int = -1) -> Node:
    """One half times the sigmoid of the other."""
    n = x.axes[dim].size // 2
    gate = b.pointwise(b.narrow(x, dim, n, n))
    return b.multiply(b.narrow(x, dim, 0, n), gate)


@rule(
    "sign", "floor", "ceil", "round", "trunc", "floor_divide", "fmod.Scalar", "remainder.Scalar",
    "bitwise_not", "bitwise_and", "bitwise_or", "logical_not", "logical_and",
    "logical_or", "eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf",
    "any", "all", "isfinite", "div.Tensor_mode", "histc", "searchsorted", "bucketize",
)  # fmt: skip
def discrete(b: Builder, *args: object, **_: object) -> Node:
    """Locally constant: nothing is known of what passes, and no direction is seen through it."""
    return b.opaque(args, b.op.shape)


@rule("where", "masked_fill")
def where(b: Builder, *args: object) -> Node:
    """A choice between values by a mask."""
    if ".where" in b.op.target or b.op.target.startswith("aten.where"):
        condition, x, y = args
    else:
        y, condition, x = args
    values = [v if isinstance(v, Node) else b.number(float(str(v))) for v in (x, y)]
    if _halves(b, values):
        return b.pointwise(values[0], degree=1.0)
    if not isinstance(condition, Node) or b.learned(condition):
        return b.entrywise(*[v for v in (condition, *values) if isinstance(v, Node)])
    return b.choose(condition, values)


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
