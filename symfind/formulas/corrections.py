"""What a formula lacks beyond a kink: products of positive parts of differences of sizes."""

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from symfind.formulas.positive import positive
from symfind.formulas.writing import rational

_SHIFTS = (-2, -1, 0, 1, 2)
_SMALL = (2, 3)
_SUPPORT = 3  # members at which a correction shows
_PARTS = 140
_ROUNDS = 3

Place = Mapping[str, int]


def corrected(
    lacks: Sequence[Fraction], places: Sequence[Place], sizes: Mapping[Any, Sequence[int]]
) -> Any | None:
    """An expression that is what a formula lacks at all members, None where no short one is.

    Args:
        lacks: what is missing, zero at most members.
        places: the arguments there.
        sizes: expressions with their values at the members, of which differences are taken.
    """
    import sympy

    parts = _parts(places, sizes)
    total: Any = sympy.Integer(0)
    left = list(lacks)
    for _ in range(_ROUNDS):
        if not any(left):
            return total
        found = _one(left, parts, sizes)
        if found is None:
            return None
        term, values = found
        total += term
        left = [a - b for a, b in zip(left, values, strict=True)]
    return total if not any(left) else None


Part = tuple[Any, Sequence[int]]


def _parts(places: Sequence[Place], sizes: Mapping[Any, Sequence[int]]) -> list[Part]:
    """Positive parts of differences that are zero at some members and not at others."""
    found: dict[tuple[int, ...], Any] = {}

    def add(difference: Any, values: Sequence[int]) -> None:
        kept = tuple(max(0, n) for n in values)
        if any(kept) and not all(kept) and kept not in found and len(found) < _PARTS:
            found[kept] = positive(difference)

    for shift in sorted(_SHIFTS, key=abs):
        for (a, m), (b, n) in itertools.permutations(sizes.items(), 2):
            add(a - b - shift, [x - y - shift for x, y in zip(m, n, strict=True)])
    for a, m in sizes.items():
        for least in _SMALL:
            add(least - a, [least - x for x in m])
    return [(term, values) for values, term in found.items()]


def _one(
    left: Sequence[Fraction], parts: Sequence[Part], sizes: Mapping[Any, Sequence[int]]
) -> tuple[Any, list[Fraction]] | None:
    """A multiple of a part, of a part times a size, or of a product of two."""
    shown = [bool(n) for n in left]
    if sum(shown) < _SUPPORT:
        return None
    inside = [(t, v) for t, v in parts if all(n or not s for n, s in zip(v, shown, strict=True))]
    singles = [(t, v) for t, v in inside if all(s or not n for n, s in zip(v, shown, strict=True))]
    for term, values in _candidates(inside, singles, sizes):
        first = next(i for i, s in enumerate(shown) if s)
        if not values[first]:
            continue
        k = Fraction(left[first]) / values[first]
        if 2 * k % 1 or abs(k) > 4:
            continue
        if all(k * v == n for v, n in zip(values, left, strict=True)):
            return rational(k) * term, list(left)
    return None


def _candidates(
    inside: Sequence[Part], singles: Sequence[Part], sizes: Mapping[Any, Sequence[int]]
) -> Any:
    yield from singles
    for term, values in singles:
        for size, n in sizes.items():
            yield term * size, [a * b for a, b in zip(values, n, strict=True)]
        yield term * (term + 1), [a * (a + 1) for a in values]
        yield term * (term - 1), [a * (a - 1) for a in values]
    for (t, v), (u, w) in itertools.combinations_with_replacement(inside, 2):
        yield t * u, [a * b for a, b in zip(v, w, strict=True)]
