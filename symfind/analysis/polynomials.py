"""A polynomial in the arguments of a family from counts at its members, in exact arithmetic."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

DEGREE = 3  # of a polynomial in all arguments
SPARSE = 4  # of one of which it is known which arguments stand together
_TERMS = 90

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


def sparse(degrees: Mapping[str, int], together: set[frozenset[str]]) -> list[Any]:
    """The monomials of arguments that stand together, each of a degree of its own at most.

    Args:
        degrees: of the count in each argument alone.
        together: the pairs of arguments of which the effect of one depends on the other.
    """
    import sympy

    terms = []
    names = list(degrees)
    for exponents in itertools.product(*(range(degrees[name] + 1) for name in names)):
        used = [name for name, e in zip(names, exponents, strict=True) if e]
        pairs = map(frozenset, itertools.combinations(used, 2))
        if sum(exponents) <= SPARSE and all(pair in together for pair in pairs):
            terms.append(exponents)
    symbols = [symbol(name) for name in names]
    return [
        sympy.Mul(*(s**e for s, e in zip(symbols, exponents, strict=True)))
        for exponents in sorted(terms, key=sum)
    ]


def degree_of(points: Sequence[tuple[int, int]]) -> int:
    """The degree of the polynomial through some points, by divided differences."""
    xs = [Fraction(x) for x, _ in points]
    row = [Fraction(y) for _, y in points]
    found = 0
    for k in range(1, len(xs)):
        row = [(row[i + 1] - row[i]) / (xs[i + k] - xs[i]) for i in range(len(row) - 1)]
        if any(row):
            found = k
    return found


def symbol(name: str) -> Any:
    """The symbol of an argument."""
    import sympy

    return sympy.Symbol(name, integer=True, positive=True)


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

    names = list(rows[0][0])
    symbols = [symbol(name) for name in names]
    evaluate = [sympy.lambdify(symbols, t, modules=[{"Min": min}]) for t in terms]
    table = [[*(_fraction(e, at, names) for e in evaluate), Fraction(n)] for at, n in rows]
    found = eliminated(table, len(terms), unique)
    if found is None:
        return None
    pairs = zip(found, terms, strict=True)
    return sympy.Add(*(sympy.Rational(k.numerator, k.denominator) * t for k, t in pairs if k))


def _fraction(term: Any, at: Mapping[str, int], names: Sequence[str]) -> Fraction:
    return Fraction(term(*(Fraction(at[name]) for name in names)))


def eliminated(table: list[list[Fraction]], width: int, unique: bool) -> list[Fraction] | None:
    """A solution of linear equations, zero where it is free; None where they contradict."""
    rows, pivots = [list(row) for row in table], []
    top = 0
    for column in range(width):
        pivot = next((i for i in range(top, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[top], rows[pivot] = rows[pivot], rows[top]
        lead = rows[top][column]
        rows[top] = [x / lead for x in rows[top]]
        for i, row in enumerate(rows):
            if i != top and row[column]:
                factor = row[column]
                rows[i] = [x - factor * y for x, y in zip(row, rows[top], strict=True)]
        pivots.append(column)
        top += 1
    if any(row[width] for row in rows[top:]) or (unique and top < width):
        return None
    found = [Fraction(0)] * width
    for i, column in enumerate(pivots):
        found[column] = rows[i][width]
    return found
