"""Linear equations for the multiples of terms, in exact arithmetic: modulo a prime, then held."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from symfind.formulas.values import evaluator

_PRIME = 2**31 - 1  # elimination is modulo this
_MULTIPLE = 20_000  # halves

Rows = Sequence[tuple[Mapping[str, int], int]]


class Column:
    """Whole or rational numbers, exactly where asked for, and modulo a prime.

    Attributes:
        residues: of all of them.
    """

    def __init__(self, *factors: Sequence[Any], residues: Any = None) -> None:
        """Take numbers, or several of each of which they are the products."""
        self._factors = factors
        self.residues = _residues(factors[0]) if residues is None else residues

    def __getitem__(self, i: int) -> Any:
        """One of them, exactly."""
        return math.prod(factor[i] for factor in self._factors)

    def __mul__(self, other: "Column") -> "Column":
        """The products with others."""
        residues = self.residues * other.residues % _PRIME
        return Column(*self._factors, *other._factors, residues=residues)


def solved(terms: Sequence[Any], rows: Rows, unique: bool = False) -> Any | None:
    """The combination of terms with these values that needs the first of them, None without one.

    Args:
        terms: expressions of sympy.
        rows: sizes, and the value there.
        unique: whether None comes back where other combinations have these values too.
    """
    import sympy

    names, places = list(rows[0][0]), [at for at, _ in rows]
    table = [Column(evaluator(t, names)(places)) for t in terms]
    found = coefficients(table, [n for _, n in rows], unique)
    if found is None:
        return None
    pairs = zip(found, terms, strict=True)
    return sympy.Add(*(sympy.Rational(k.numerator, k.denominator) * t for k, t in pairs if k))


def coefficients(
    columns: Sequence[Column],
    values: Sequence[int],
    unique: bool = False,
    spare: float = 0.0,
) -> list[Fraction] | None:
    """Multiples of columns that add up to some values, of the first of them where several do.

    They are whole numbers of halves: anything else is no count but a coincidence.

    Args:
        columns: at least as many numbers as there are values.
        values: what the multiples add up to.
        unique: whether None comes back where other multiples have these values too.
        spare: how many equations there have to be beside those that determine the multiples, as
            a part of these.
    """
    count = len(values)
    parts = [*(c.residues[:count] for c in columns), _residues(values)]
    table = np.unique(np.stack(parts, 1), axis=0)
    found = _eliminated(table, len(columns))
    if found is None:
        return None
    solution, pivots = found
    if (unique and pivots < len(columns)) or len(table) < int(pivots * (1 + spare)):
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


def rank(columns: Sequence[Any]) -> int:
    """How many of some columns of residues are independent."""
    if not columns:
        return 0
    table = np.stack([*columns, np.zeros_like(columns[0])], 1)
    found = _eliminated(table, len(columns))
    return found[1] if found else 0


def _residues(numbers: Sequence[Any]) -> Any:
    return np.array([_residue(x) for x in numbers], dtype=np.int64)


def _residue(x: Any) -> int:
    if isinstance(x, int):
        return x % _PRIME
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
