"""Terms of which an unknown count may be a sum: monomials in all arguments, and the least."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symfind.formulas.values import symbol

DEGREE = 3  # of a polynomial in all arguments
_TERMS = 90


def ansatz(sizes: Mapping[str, int]) -> Iterator[list[Any]]:
    """Lists of terms: of rising degree; then with quotients; then with the least of all.

    Args:
        sizes: the arguments, as the model has them.
    """
    import sympy

    symbols = [symbol(name) for name in sizes]
    base = list(sizes.values())
    quotients = [
        a * a / b
        for (a, m), (b, n) in itertools.permutations(zip(symbols, base, strict=True), 2)
        if m != n and n > 1 and m % n == 0
    ]
    for more in ([], quotients) if quotients else ([],):
        for degree in range(1, DEGREE + 1):
            yield from _short(_monomials(symbols, degree) + more + _times(more, symbols, degree))
    if len(symbols) > 1:
        least = sympy.Min(*symbols)
        for degree in (1, 2):
            yield from _short(_monomials([*symbols, least], degree))


def _times(quotients: Sequence[Any], symbols: Sequence[Any], degree: int) -> list[Any]:
    return [q * s for q in quotients for s in symbols] if degree == DEGREE else []


def _short(terms: list[Any]) -> Iterator[list[Any]]:
    if len(terms) <= _TERMS:
        yield list(dict.fromkeys(terms))


def _monomials(symbols: Sequence[Any], degree: int) -> list[Any]:
    import sympy

    return [
        sympy.Mul(*combo)
        for d in range(degree + 1)
        for combo in itertools.combinations_with_replacement(symbols, d)
    ]
