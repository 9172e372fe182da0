"""A polynomial in the sizes from its values on a few twins."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from symfind.algebra.axes import Axis

_AXES = 8  # indices that a polynomial may depend on


def polynomial(
    values: Sequence[int],
    axes: Sequence[Axis],
    sizes_of: Sequence[Mapping[Axis, int]],
    symbols: Any,
) -> Any | None:
    """The shortest polynomial with these values, None where there is none.

    Args:
        values: one for each twin.
        axes: the indices whose sizes it may depend on.
        sizes_of: their sizes on each twin.
        symbols: from an index to its sympy symbol.

    Returns:
        A rational multiple of one monomial of degree at most two, or a sum of two with small
        coefficients.
    """
    import sympy

    if not any(values):
        return sympy.Integer(0)
    monomials: list[tuple[Any, list[int]]] = [(sympy.Integer(1), [1] * len(values))]
    for degree in (1, 2):
        for combo in itertools.combinations_with_replacement(axes[:_AXES], degree):
            at = [math.prod(s.get(a, a.size) for a in combo) for s in sizes_of]
            monomials.append((sympy.Mul(*(symbols[a] for a in combo)), at))
    for m, at in monomials:
        k = sympy.Rational(values[0], at[0])
        if all(k * v == x for v, x in zip(at, values, strict=True)):
            return k * m
    for (m1, v1), (m2, v2) in itertools.combinations(monomials, 2):
        for k1, k2 in itertools.product((1, -1, 2, -2), repeat=2):
            if all(k1 * a + k2 * b == x for a, b, x in zip(v1, v2, values, strict=True)):
                return k1 * m1 + k2 * m2
    return None
