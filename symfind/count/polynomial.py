"""A polynomial in the sizes from its values on a few twins."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symfind.algebra.axes import Axis

_AXES = 10  # indices that a polynomial may depend on


def polynomial(
    values: Sequence[int],
    axes: Sequence[Axis],
    sizes_of: Sequence[Mapping[Axis, int]],
    symbols: Any,
    products: bool,
) -> Any | None:
    """The shortest polynomial with these values, None where there is none.

    Args:
        values: one for each twin.
        axes: the indices whose sizes it may depend on.
        sizes_of: their sizes on each twin.
        symbols: from an index to its sympy symbol.
        products: whether to try sums less a number and products of differences of sizes: they are
            many, and need more values to be told apart.

    Returns:
        A multiple of a monomial of degree at most two, of a sum of two sizes less a small number
        or of a product of differences of sizes, or a sum of two monomials with small coefficients.
    """
    import sympy

    if not any(values):
        return sympy.Integer(0)
    for factors, at in _candidates(axes, sizes_of, symbols, products):
        if _multiple(values, at):
            k = sympy.Rational(max(values), max(at))
            return sympy.expand(k * sympy.Mul(*factors))
    terms = list(_monomials(axes, sizes_of, symbols))
    for (f1, v1), (f2, v2) in itertools.combinations(terms, 2):
        for k1, k2 in itertools.product((1, -1, 2, -2), repeat=2):
            if all(k1 * a + k2 * b == x for a, b, x in zip(v1, v2, values, strict=True)):
                return k1 * sympy.Mul(*f1) + k2 * sympy.Mul(*f2)
    return None


def _multiple(values: Sequence[int], at: Sequence[int]) -> bool:
    """Whether the values are the same multiple, of a whole number of halves, of others."""
    x, y = max(values), max(at)
    return y > 0 and 2 * x % y == 0 and all(x * b == a * y for a, b in zip(values, at, strict=True))


Term = tuple[tuple[Any, ...], list[int]]  # factors, and the value of their product on each twin


def _monomials(
    axes: Sequence[Axis], sizes_of: Sequence[Mapping[Axis, int]], symbols: Any
) -> Iterator[Term]:
    """One, every size, every product of two."""
    yield (), [1] * len(sizes_of)
    for degree in (1, 2):
        for combo in itertools.combinations_with_replacement(axes[:_AXES], degree):
            at = [math.prod(s.get(a, a.size) for a in combo) for s in sizes_of]
            yield tuple(symbols.get(a) for a in combo), at


def _candidates(
    axes: Sequence[Axis], sizes_of: Sequence[Mapping[Axis, int]], symbols: Any, products: bool
) -> Iterator[Term]:
    """Monomials, then products of differences, as in the dimensions of stabilisers."""
    yield from _monomials(axes, sizes_of, symbols)
    linear: list[Term] = []
    for a in axes[:_AXES]:
        at = [s.get(a, a.size) for s in sizes_of]
        linear += [((symbols.get(a) - k,), [v - k for v in at]) for k in (0, 1, 2)]
    for a, b in itertools.permutations(axes[:_AXES], 2):
        at = [s.get(a, a.size) - s.get(b, b.size) for s in sizes_of]
        linear += [((symbols.get(a) - symbols.get(b) - k,), [v - k for v in at]) for k in (0, 1, 2)]
    yield from linear
    if not products:
        return
    for a, b in itertools.combinations(axes[:_AXES], 2):
        at = [s.get(a, a.size) + s.get(b, b.size) for s in sizes_of]
        for k in (1, 2, 3):
            yield (symbols.get(a) + symbols.get(b) - k,), [v - k for v in at]
    for (f1, v1), (f2, v2) in itertools.combinations_with_replacement(linear, 2):
        yield (*f1, *f2), [x * y for x, y in zip(v1, v2, strict=True)]
