"""Which arguments an index follows, and how: `n_embd/n_head`, `(image/patch)**2 + 1`."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from symfind.analysis.polynomials import Rows, solved, symbol

_POWERS = (1, 2, -1, -2)
_FACTORS = 3  # arguments in one product
_SUMMED = 4  # arguments of which an index is a sum
_ENOUGH = 4  # members that tell
_TOLD = 2  # values of an argument, and of what follows it, say nothing


def expression(rows: Rows) -> Any | None:
    """A size as an expression in arguments, None where no short one has its values.

    Tried are numbers, single arguments, sums, and products of powers and of whole quotients, with
    a number added.

    Args:
        rows: the arguments of members, and the size there.
    """
    import sympy

    values = [n for _, n in rows]
    if len(set(values)) == 1:
        # what never changed there may be what it follows
        same = [name for name in rows[0][0] if len({at[name] for at, _ in rows}) == 1]
        alike = [name for name in same if rows[0][0][name] == values[0]]
        return symbol(alike[0]) if len(alike) == 1 else None if alike else sympy.Integer(values[0])
    if len(rows) < _ENOUGH:
        return None
    felt = relevant(rows)
    found = _natural(rows, values, felt)
    if found is not None:
        return found
    return _natural(rows, values, list(rows[0][0])) if len(felt) < len(rows[0][0]) else None


def _natural(rows: Rows, values: Sequence[int], felt: Sequence[str]) -> Any | None:
    import sympy

    for name in felt:
        if all(at[name] == n for at, n in rows):
            return symbol(name)
    # with fewer values a multiple is not told from a power of two, or from anything else
    told = [name for name in felt if len({at[name] for at, _ in rows}) > _TOLD]
    if len(told) < len(relevant(rows)) or len(set(values)) <= _TOLD:
        return None
    felt = told
    if len(felt) <= min(_SUMMED, len(rows) - _ENOUGH):
        found = solved([sympy.Integer(1), *map(symbol, felt)], rows, unique=True)
        if found is not None and all(k.is_Integer for k in found.as_coefficients_dict().values()):
            return found
    for term, at, whole in _products(felt, [at for at, _ in rows]):
        found = _line(at, values, offset=whole)
        if found is not None:
            return found[0] + found[1] * term
    return None


def relevant(rows: Rows) -> list[str]:
    """The arguments that a value depends on, as far as members that differ in one tell."""
    names = list(rows[0][0])
    felt = set()
    for name in names:
        rest: dict[tuple[int, ...], set[int]] = {}
        kept: dict[tuple[int, ...], set[int]] = {}
        for at, n in rows:
            key = tuple(at[other] for other in names if other != name)
            rest.setdefault(key, set()).add(n)
            kept.setdefault(key, set()).add(at[name])
        if any(len(ns) > 1 for ns in rest.values()):
            felt.add(name)
        elif all(len(ks) == 1 for ks in kept.values()) and len({at[name] for at, _ in rows}) > 1:
            felt.add(name)  # never changed alone
    return [name for name in names if name in felt]


def _products(
    names: Sequence[str], places: Sequence[Mapping[str, int]]
) -> Iterator[tuple[Any, list[Fraction], bool]]:
    """Products of powers of arguments and of whole quotients, with their values.

    The last says whether it may stand beside a number.
    """
    import sympy

    for a, b in itertools.permutations(names, 2):
        whole = sympy.floor(symbol(a) / symbol(b))
        exact = all(at[a] % at[b] == 0 for at in places)
        for power in (1, 2):
            values = [Fraction(at[a] // at[b]) ** power for at in places]
            yield (symbol(a) / symbol(b) if exact else whole) ** power, values, True
    for n in range(1, min(_FACTORS, len(names)) + 1):
        for some in itertools.combinations(names, n):
            for powers in itertools.product(_POWERS, repeat=n):
                pairs = list(zip(some, powers, strict=True))
                term = sympy.Mul(*(symbol(name) ** k for name, k in pairs))
                values = [
                    math.prod((Fraction(at[name]) ** k for name, k in pairs), start=Fraction(1))
                    for at in places
                ]
                yield term, values, all(k > 0 for k in powers)


def _line(at: Sequence[Fraction], values: Sequence[int], offset: bool) -> tuple[Any, Any] | None:
    """A number and a multiple of others that give some values."""
    import sympy

    first = at[0]
    other = next((i for i, x in enumerate(at) if x != first), None)
    if other is None:
        return None
    slope = (values[other] - values[0]) / (at[other] - first)
    start = values[0] - slope * first
    if slope % 1 or start % 1 or (start and not offset):
        return None
    if any(start + slope * x != n for x, n in zip(at, values, strict=True)):
        return None
    return tuple(sympy.Rational(k.numerator, k.denominator) for k in (start, slope))  # type: ignore[return-value]
