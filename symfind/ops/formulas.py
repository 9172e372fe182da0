"""Functions of one entry: each is given by its formula; its algebra is solved from that by sympy.

The one-parameter groups z -> az + b that a function carries into its own output,
(a z + b) phi'(z) = c phi(z) + d, decide what passes. (Godfrey et al. 2022, intertwiner groups.)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.trace import Op
from symfind.trace.kernels import run


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


# What `solved` and `flat` find, kept so that nobody waits for sympy in order to see a GELU.
_SOLVED = {
    "relu": UnaryAlgebra(1.0),
    "leaky_relu": UnaryAlgebra(1.0),
    "abs": UnaryAlgebra(1.0),
    "neg": UnaryAlgebra(1.0, slope=-1.0),
    "square": UnaryAlgebra(2.0),
    "sqrt": UnaryAlgebra(0.5),
    "rsqrt": UnaryAlgebra(-0.5),
    "reciprocal": UnaryAlgebra(-1.0),
    "exp": UnaryAlgebra(None, growth=1.0),
    "exp2": UnaryAlgebra(None, growth=math.log(2)),
    "log": UnaryAlgebra(None, decades=1.0),
    "log1p": UnaryAlgebra(None, decades=1.0),
    "log2": UnaryAlgebra(None, decades=1 / math.log(2)),
    "log10": UnaryAlgebra(None, decades=1 / math.log(10)),
}
_FLAT = {"relu", "sqrt", "rsqrt", "relu6", "hardtanh", "hardsigmoid", "hardswish"}


def algebra_of(name: str) -> UnaryAlgebra:
    """The algebra of a named function."""
    return _SOLVED.get(name, UnaryAlgebra(None))


def never_flat(name: str) -> bool:
    """Whether the derivative of a named function is zero at single points only."""
    return name in NAMES and name not in _FLAT


def solved(name: str) -> UnaryAlgebra:
    """The algebra of a named function, from its formula."""
    return solve_unary(_formulas()[name])


def flat(name: str) -> bool:
    """Whether a named function is constant on some piece of its formula."""
    import sympy as s

    z = s.Symbol("z", real=True)
    phi = _formulas()[name](z)
    pieces = [e for e, _ in phi.args] if isinstance(phi, s.Piecewise) else [phi]
    return any(s.diff(piece, z) == 0 for piece in map(s.sympify, pieces))


NAMES = (
    "relu leaky_relu abs neg square sqrt rsqrt reciprocal relu6 elu selu celu hardtanh hardsigmoid "
    "hardswish softplus sigmoid log_sigmoid silu mish gelu tanh sin cos tan asin acos "
    "atan sinh cosh asinh acosh atanh erf erfc exp exp2 expm1 log log1p log2 log10 sinc"
).split()


def rays_of(op: Op) -> tuple[float, float] | None:
    """The slopes a and b of φ(z) = a max(z, 0) + b min(z, 0), None of any other function.

    Evaluated with the operation's own arguments, which decide it: a leaky rectifier of slope one is
    the identity, a clamp without bounds as well, and shrinking by nothing.
    """
    z = torch.logspace(-30, 30, 241, dtype=torch.float64)
    found = _both_sides(op, z)
    if found is None:
        return None
    slopes = [float(y[120] / x[120]) for x, y in zip((z, -z), found, strict=True)]
    for x, y, slope in zip((z, -z), found, slopes, strict=True):
        if not torch.allclose(y, slope * x, rtol=1e-12, atol=0.0):
            return None
    return slopes[0], slopes[1]


def level_of(op: Op) -> float | None:
    """The one value that an operation has whatever its first operand is, None where it varies."""
    found = _both_sides(op, torch.logspace(-30, 30, 241, dtype=torch.float64))
    if found is None:
        return None
    value = float(found[0][0])
    return value if all(bool((y == value).all()) for y in found) else None


def _both_sides(op: Op, z: Tensor) -> tuple[Tensor, Tensor] | None:
    """What an operation makes of some numbers and of their negatives, by its own arguments."""
    if any(isinstance(a, Op) for a in (*op.args[1:], *op.kwargs.values())):
        return None
    try:
        plus, minus = (run(op, (x, *op.args[1:]), op.kwargs, z.device) for x in (z, -z))
    except (RuntimeError, TypeError):
        return None
    return plus, minus


def parity_of(op: Op) -> int | None:
    """-1 where an operation is odd in its first operand, 1 where it is even, None where neither.

    Evaluated with the operation's own arguments (the bounds of a clamp decide it), in float64 at
    points of all magnitudes.
    """
    found = _both_sides(op, torch.logspace(-8, 8, 257, dtype=torch.float64))
    if found is None:
        return None
    plus, minus = found
    for sign in (-1, 1):
        if torch.allclose(minus, sign * plus, rtol=1e-12, atol=0.0):
            return sign
    return None
