"""Which arguments an index follows, and how: `n_embd/n_head`, `(image/patch)**2 + 1`."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from symfind.formulas.linear import Rows, solved
from symfind.formulas.values import evaluator, symbol

_POWERS = (1, 2, -1, -2)
_FACTORS = 3  # arguments in one product
_PAIRS = 3  # of arguments of which a quotient is taken
_SUMMED = 4  # arguments of which an index is a sum
_ENOUGH = 4  # members that tell
_SPARE = 6  # more than there are arguments in a sum
_NEAR = 1e-9  # of floating-point numbers
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
    for a, b in itertools.permutations(felt, 2):
        pairs = {(at[a], at[b]) for at, _ in rows}
        if len(pairs) >= _PAIRS and all(at[a] // at[b] == n for at, n in rows):
            quotient = symbol(a) / symbol(b)
            return quotient if all(m % n == 0 for m, n in pairs) else sympy.floor(quotient)
    # with fewer values a multiple is not told from a power of two, or from anything else
    told = [name for name in felt if len({at[name] for at, _ in rows}) > _TOLD]
    if len(told) < len(relevant(rows)) or len(set(values)) <= _TOLD:
        return None
    felt = told
    if len(felt) <= min(_SUMMED, len(rows) - _SPARE):
        found = solved([sympy.Integer(1), *map(symbol, felt)], rows, unique=True)
        if found is not None and all(k.is_Integer for k in found.as_coefficients_dict().values()):
            return found
    return next(_products(felt, [at for at, _ in rows], values), None)


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
    felt |= _also(rows, felt)
    return [name for name in names if name in felt]


def _also(rows: Rows, felt: set[str]) -> set[str]:
    """Arguments without which members that are alike in those known would differ in nothing.

    As where only what is larger than another counts, and alone neither is.
    """
    names, found = list(rows[0][0]), set[str]()
    groups: dict[tuple[int, ...], list[tuple[Mapping[str, int], int]]] = {}
    for at, n in rows:
        groups.setdefault(tuple(at[name] for name in names if name in felt), []).append((at, n))
    pairs = [
        {name for name in names if at[name] != other[name]}
        for same in groups.values()
        for (at, n), (other, m) in itertools.combinations(same, 2)
        if n != m
    ]
    while pairs:
        count = Counter(name for differ in pairs for name in differ)
        best = max(names, key=lambda name: count[name])
        found.add(best)
        pairs = [differ for differ in pairs if best not in differ]
    return found


def _products(
    names: Sequence[str], places: Sequence[Mapping[str, int]], values: Sequence[int]
) -> Iterator[Any]:
    """What has some values and is a number and a multiple of a product of powers, or a quotient.

    Nothing is added where the product divides. Products are looked through as floating-point
    numbers; what comes near is held against the values exactly.
    """
    import sympy

    table = np.array([[at[name] for name in names] for at in places], dtype=float)
    wanted = np.array(values, dtype=float)
    for i, j in itertools.permutations(range(len(names)), 2):
        a, b = symbol(names[i]), symbol(names[j])
        exact = all(at[names[i]] % at[names[j]] == 0 for at in places)
        whole = table[:, i] // table[:, j]
        for power in (1, 2):
            if _near_line(whole[None] ** power, wanted).any():
                term = (a / b if exact else sympy.floor(a / b)) ** power
                yield from _held(term, names, places, values, offset=True)
    for n in range(1, min(_FACTORS, len(names)) + 1):
        powers = np.array(list(itertools.product(_POWERS, repeat=n)))
        for some in itertools.combinations(range(len(names)), n):
            products = np.exp(powers @ np.log(table[:, some]).T)
            for k in np.flatnonzero(_near_line(products, wanted)):
                pairs = [(names[i], int(e)) for i, e in zip(some, powers[k], strict=True)]
                term = sympy.Mul(*(symbol(name) ** e for name, e in pairs))
                yield from _held(term, names, places, values, all(e > 0 for _, e in pairs))


def _near_line(products: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which rows of a table have the wanted values on a line, but for rounding."""
    other = np.argmax(np.abs(products - products[:, :1]) > _NEAR * products[:, :1], axis=1)
    each = np.arange(len(products))
    steps = products[each, other] - products[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (wanted[other] - wanted[0]) / steps
        lines = wanted[0] + slopes[:, None] * (products - products[:, :1])
        return (np.abs(lines - wanted) < _NEAR * (1 + np.abs(wanted))).all(axis=1)


def _held(
    term: Any,
    names: Sequence[str],
    places: Sequence[Mapping[str, int]],
    values: Sequence[int],
    offset: bool,
) -> Iterator[Any]:
    """A number and a multiple of a term with exactly these values, where there is one."""
    found = _line(list(map(Fraction, evaluator(term, names)(places))), values, offset)
    if found is not None:
        yield found[0] + found[1] * term


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
