"""A polynomial in the arguments of a family from counts at its members, in exact arithmetic."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

DEGREE = 3  # of a polynomial in all arguments
_TERMS = 90
_PRIME = 2**31 - 1  # elimination is modulo this
_MULTIPLE = 20_000  # halves

Rows = Sequence[tuple[Mapping[str, int], int]]


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


def symbol(name: str) -> Any:
    """The symbol of an argument."""
    import sympy

    return sympy.Symbol(name, integer=True, positive=True)


@functools.cache
def _positive() -> Any:
    import sympy

    class Positive(sympy.Function):  # type: ignore[misc]
        """What is positive of a difference: the greatest of zero and it."""

    return Positive


def positive(difference: Any) -> Any:
    """The positive part of a difference, of which nothing is worked out: sympy's takes long."""
    return _positive()(difference)


def lazy(expression: Any) -> Any:
    """An expression with positive parts in the place of greatest ones of zero and something."""
    import sympy

    if not expression.has(sympy.Max):
        return expression
    return expression.replace(
        lambda e: isinstance(e, sympy.Max) and len(e.args) == 2 and 0 in e.args,
        lambda e: positive(sum(e.args)),
    )


def unfolded(expression: Any) -> Any:
    """An expression whose positive parts hold no minimum that they decide themselves.

    What is positive of e − min(a, b) is that of e − b where e − a is never positive.
    """
    import sympy

    def simpler(x: Any) -> Any:
        terms = x.as_coefficients_dict()
        for least in [t for t, k in terms.items() if isinstance(t, sympy.Min) and k == -1]:
            rest = [a for a in least.args if not _never_positive(x + least - a)]
            if len(rest) < len(least.args):
                return simpler(x + least - (sympy.Min(*rest) if rest else 0)) if rest else None
        return x

    def part(x: Any) -> Any:
        found = simpler(x)
        return sympy.Integer(0) if found is None else positive(found)

    return expression.replace(_positive(), part)


def _never_positive(x: Any) -> bool:
    """Whether an expression in positive symbols is plainly at most zero."""
    return all(k <= 0 for k in x.as_coefficients_dict().values())


def kinked(expression: Any) -> bool:
    """Whether an expression has positive parts or minima."""
    import sympy

    return bool(sympy.sympify(expression).has(_positive(), sympy.Min, sympy.Max))


def plain(expression: Any) -> Any:
    """An expression of sympy's own functions only."""
    import sympy

    return expression.replace(_positive(), lambda x: sympy.Max(0, x))


def value(expression: Any, at: Mapping[str, int]) -> Any:
    """What an expression is at some sizes."""
    return expression.subs({symbol(name): n for name, n in at.items()})


def solved(terms: Sequence[Any], rows: Rows, unique: bool = False) -> Any | None:
    """The combination of terms with these values that needs the first of them, None without one.

    Args:
        terms: expressions of sympy.
        rows: sizes, and the value there.
        unique: whether None comes back where other combinations have these values too.
    """
    import sympy

    names, places = list(rows[0][0]), [at for at, _ in rows]
    table = [evaluator(t, names)(places) for t in terms]
    found = coefficients(table, [n for _, n in rows], unique)
    if found is None:
        return None
    pairs = zip(found, terms, strict=True)
    return sympy.Add(*(sympy.Rational(k.numerator, k.denominator) * t for k, t in pairs if k))


def coefficients(
    columns: Sequence[Sequence[Any]],
    values: Sequence[int],
    unique: bool = False,
    spare: float = 0.0,
) -> list[Fraction] | None:
    """Multiples of columns that add up to some values, of the first of them where several do.

    They are whole numbers of halves: anything else is no count but a coincidence.

    Args:
        columns: whole or rational numbers, one for every value.
        values: what the multiples add up to.
        unique: whether None comes back where other multiples have these values too.
        spare: how many equations there have to be beside those that determine the multiples, as
            a part of these.
    """
    rows = dict.fromkeys(zip(*columns, values, strict=True))
    if not rows:
        return None
    table = np.array([[_residue(x) for x in row] for row in rows], dtype=np.int64)
    found = _eliminated(table, len(columns))
    if found is None:
        return None
    solution, pivots = found
    if (unique and pivots < len(columns)) or len(rows) < int(pivots * (1 + spare)):
        return None
    multiples = [_halves(int(r)) for r in solution]
    if any(k is None for k in multiples):
        return None
    used = [(k, column) for k, column in zip(multiples, columns, strict=True) if k]
    right = all(
        sum(k * column[i] for k, column in used) == n
        for i, n in enumerate(values)  # type: ignore[operator]
    )
    return multiples if right else None  # type: ignore[return-value]


def rank(columns: Sequence[Sequence[Any]]) -> int:
    """How many of some columns are independent."""
    table = np.array([[*map(_residue, row), 0] for row in zip(*columns, strict=True)], np.int64)
    found = _eliminated(table, len(columns)) if len(columns) else None
    return found[1] if found else 0


def _residue(x: Any) -> int:
    x = Fraction(x)
    return x.numerator * pow(x.denominator, -1, _PRIME) % _PRIME


def _halves(residue: int) -> Fraction | None:
    """The small number of halves with a residue, None where there is none."""
    twice = 2 * residue % _PRIME
    twice = twice - _PRIME if twice > _PRIME // 2 else twice
    return Fraction(twice, 2) if abs(twice) <= _MULTIPLE else None


def _eliminated(rows: Any, width: int) -> tuple[Any, int] | None:
    """A solution of linear equations modulo a prime, zero where it is free, and their rank.

    None where they contradict each other.
    """
    pivots: list[int] = []
    for column in range(width):
        top = len(pivots)
        nonzero = np.flatnonzero(rows[top:, column])
        if not len(nonzero):
            continue
        rows[[top, top + nonzero[0]]] = rows[[top + nonzero[0], top]]
        rows[top] = rows[top] * pow(int(rows[top, column]), -1, _PRIME) % _PRIME
        factors = rows[:, column].copy()
        factors[top] = 0
        rows = (rows - factors[:, None] * rows[top] % _PRIME) % _PRIME
        pivots.append(column)
        if len(pivots) == len(rows):
            break
    if rows[len(pivots) :, width].any():
        return None
    found = np.zeros(width, dtype=np.int64)
    found[pivots] = rows[: len(pivots), width]
    return found, len(pivots)


def _part(x: Any) -> Any:
    return max(x, 0)


@functools.lru_cache(maxsize=4096)
def _function(expression: Any, names: tuple[str, ...]) -> Any:
    import sympy

    known = [{"Min": min, "Max": max, "floor": math.floor, "Positive": _part}]
    return sympy.lambdify([symbol(name) for name in names], expression, modules=known)


def _whole(expression: Any) -> bool:
    """Whether an expression is made of sums and products of whole numbers only."""
    if expression.is_Pow and not (expression.exp.is_Integer and expression.exp > 0):
        return False
    return not (expression.is_Rational and not expression.is_Integer) and all(
        map(_whole, expression.args)
    )


def evaluator(expression: Any, names: Sequence[str]) -> Callable[[Sequence[Any]], list[Any]]:
    """From places to the exact values of an expression there."""
    import sympy

    made = _function(sympy.sympify(expression), tuple(names))

    whole = _whole(sympy.sympify(expression))

    def at(places: Sequence[Mapping[str, int]]) -> list[Any]:
        if whole:
            return [made(*map(one.__getitem__, names)) for one in places]
        return [Fraction(made(*(Fraction(one[name]) for name in names))) for one in places]

    return at
