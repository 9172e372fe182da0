"""The count of a model as a formula in its own arguments, true at every size that was tried.

The count is derived at many members of the family, by no more than tracing and rules. A polynomial
in the arguments is fitted through some of them, in exact arithmetic, from low degrees upwards; one
argument divided by another that divides it in the model, and the least of all, stand beside the
arguments. What is fitted has to be right at the members that were kept back. Layers may be counted,
sizes coincide and be one among them.
"""

import itertools
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from symfind.describe.factors import written
from symfind.family.family import Family, Member
from symfind.family.places import Place, spelled
from symfind.report.model import Dimension
from symfind.twin.formula import count

FITTED_PARAMETERS = 3000  # of a model whose family is looked at for its formula
FITTED_SECONDS = 5.0  # of the processor
_DEGREE = 3
_TERMS = 90  # of a polynomial
_ENOUGH = 24  # members, where there are so many
_HELD = 4  # members that are kept back at least
_SPARE = 1.4  # times as many members as terms
_LARGE = 6000  # parameters of a member
_SHOWN = 3  # sizes at which no formula is right
_FEW = 7  # arguments of a formula


@dataclass(frozen=True)
class Fitted:
    """A count as an expression in arguments.

    Attributes:
        expression: of sympy.
        sizes: the arguments that it names, as the model has them.
        checked: at how many members that were not used to find it it is right.
    """

    expression: Any
    sizes: Mapping[str, int]
    checked: int


@dataclass(frozen=True)
class Broken:
    """No short formula is right at all members of the family that were looked at.

    Attributes:
        counts: what was derived at some of them.
    """

    counts: Sequence[tuple[Mapping[str, int], int]]


def fitted(family: Family, output: str, redundant: int, seconds: float) -> Fitted | Broken | None:
    """The count as a formula in the arguments of the family.

    None where there are too many arguments, or too few members to tell; `Broken` where no short
    formula is right at all members.

    Args:
        family: of the model.
        output: "raw" or "softmax".
        redundant: what was derived for the model.
        seconds: of the processor.
    """
    seen = _Seen(family, output, seconds)
    places = seen.felt(redundant)
    if not places or len(places) > _FEW:
        return None
    names = {p: _name(p) for p in places}
    if len(set(names.values())) < len(places):
        return None
    seen.more(places, _ENOUGH)
    rows: list[tuple[dict[str, int], int]] = []
    for terms in _ansatz(family, places):
        wanted = math.ceil(_SPARE * len(terms)) + _HELD
        seen.more(places, wanted)
        rows = [({names[p]: v[p] for p in places}, n) for v, n in seen.counts]
        if len(rows) < 2 * _HELD:
            continue
        held = max(_HELD, len(rows) // 5)
        solved = _solved(terms, names, rows[:-held])
        if solved is not None and all(_value(solved, at) == n for at, n in rows[-held:]):
            return Fitted(solved, {names[p]: family.base[p] for p in places}, held)
    return Broken(rows[1:]) if len(rows) > _HELD else None


def _name(place: Place) -> str:
    """The name that a symbol can have: `n_embd` of `config.n_embd`, `depths_0` of `depths[0]`."""
    return spelled(place).rpartition(".")[2].replace("[", "_").replace("]", "")


def with_formula(dimension: Dimension, found: Fitted | Broken | None) -> Dimension:
    """The counts with a formula that was checked; a number where none is right at other sizes."""
    if isinstance(found, Broken):
        broke = tuple({**at, "redundant": n} for at, n in found.counts[:_SHOWN])
        return replace(dimension, formula=str(dimension.redundant), sizes={}, broke=broke)
    if found is None or _value(found.expression, found.sizes) != dimension.redundant:
        return dimension  # as where a factor failed verification
    names = {str(s) for s in found.expression.free_symbols}
    sizes = {name: n for name, n in found.sizes.items() if name in names}
    formula = written(found.expression)
    return replace(dimension, formula=formula, sizes=sizes, checked=found.checked)


class _Seen:
    """Counts at members of a family."""

    def __init__(self, family: Family, output: str, seconds: float) -> None:
        self.family, self.output = family, output
        self.end = time.process_time() + seconds
        self.counts: list[tuple[dict[Place, int], int]] = []
        self.known: set[frozenset[tuple[Place, int]]] = set()
        self.rng = random.Random(0)

    def felt(self, redundant: int) -> list[Place]:
        """The arguments that the shapes depend on."""
        self._add({p: self.family.base[p] for p in self.family.arguments}, redundant)
        base = self.family.member({})
        if isinstance(base, str):
            return []
        found = []
        for place in self.family.arguments:
            for values in self._moves({place: self.family.base[place] + 1}):
                made = self.family.member(values)
                if isinstance(made, Member):
                    if made.shapes != base.shapes:
                        found.append(place)
                    break
        return self._divided(found)

    def _divided(self, found: list[Place]) -> list[Place]:
        """With those that cannot be one larger alone, as another has to divide them."""
        rest = [p for p in self.family.arguments if p not in found]
        for place in rest:
            n = self.family.base[place]
            made = self.family.member(next(self._moves({place: 2 * n})))
            base = self.family.member({})
            if isinstance(made, Member) and isinstance(base, Member):
                if made.shapes != base.shapes:
                    found.append(place)
        return [p for p in self.family.arguments if p in found]

    def more(self, places: Sequence[Place], wanted: int) -> None:
        """Count at more members, until there are as many or time is up."""
        for _ in range(6 * wanted):
            if len(self.counts) >= wanted or time.process_time() > self.end:
                return
            some = {p: self._other(p) for p in places if self.rng.random() < 0.6}
            for values in self._moves(some):
                made = self.family.member(values)
                if isinstance(made, Member) and made.parameters <= _LARGE:
                    full = {p: made.values[p] for p in self.family.arguments}
                    self._add(full, None, made)
                    break

    def _other(self, place: Place) -> int:
        n = self.family.base[place]
        return self.rng.choice([1, 2, 3, max(1, n - 1), n, n + 1, n + 2, 2 * n, 3 * n])

    def _add(self, values: dict[Place, int], n: int | None, made: Member | None = None) -> None:
        key = frozenset(values.items())
        if key in self.known:
            return
        self.known.add(key)
        if n is None and made is not None:
            n = count(made.graph, self.output, {}).redundant
        self.counts.append((values, n or 0))

    def _moves(self, some: Mapping[Place, int]) -> Iterator[dict[Place, int]]:
        """Other integers: together with the lengths of inputs that equal them, or alone."""
        base, given = self.family.base, self.family.given
        equal = {q: n for p, n in some.items() for q in given if given[q] == base[p]}
        if equal:
            yield {**equal, **some}
        yield dict(some)


# fitting ----------------------------------------------------------------------------------------
def _ansatz(family: Family, places: Sequence[Place]) -> Iterator[list[Any]]:
    """Lists of terms: of rising degree; then with quotients; then with the least of all."""
    import sympy

    symbols = [_symbol(_name(p)) for p in places]
    base = [family.base[p] for p in places]
    quotients = [
        a * a / b
        for (a, m), (b, n) in itertools.permutations(zip(symbols, base, strict=True), 2)
        if m != n and n > 1 and m % n == 0
    ]
    for more in ([], quotients) if quotients else ([],):
        for degree in range(1, _DEGREE + 1):
            yield from _short(_monomials(symbols, degree) + more + _times(more, symbols, degree))
    if len(symbols) > 1:
        least = sympy.Min(*symbols)
        for degree in (1, 2):
            yield from _short(_monomials([*symbols, least], degree))


def _times(quotients: Sequence[Any], symbols: Sequence[Any], degree: int) -> list[Any]:
    return [q * s for q in quotients for s in symbols] if degree == _DEGREE else []


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


def _symbol(name: str) -> Any:
    import sympy

    return sympy.Symbol(name, integer=True, positive=True)


def _value(expression: Any, at: Mapping[str, int]) -> Any:
    return expression.subs({_symbol(name): n for name, n in at.items()})


def _solved(
    terms: Sequence[Any], names: Mapping[Place, str], rows: Sequence[tuple[Mapping[str, int], int]]
) -> Any | None:
    """The combination of terms with these values that needs the first of them, None without one."""
    import sympy

    symbols = [_symbol(name) for name in names.values()]
    evaluate = [sympy.lambdify(symbols, t, modules=[{"Min": min}]) for t in terms]
    table = [[*(_fraction(e, at, names) for e in evaluate), Fraction(n)] for at, n in rows]
    found = _eliminated(table, len(terms))
    if found is None:
        return None
    pairs = zip(found, terms, strict=True)
    return sympy.Add(*(sympy.Rational(k.numerator, k.denominator) * t for k, t in pairs if k))


def _fraction(term: Any, at: Mapping[str, int], names: Mapping[Place, str]) -> Fraction:
    return Fraction(term(*(Fraction(at[name]) for name in names.values())))


def _eliminated(table: list[list[Fraction]], width: int) -> list[Fraction] | None:
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
    if any(row[width] for row in rows[top:]):
        return None
    found = [Fraction(0)] * width
    for i, column in enumerate(pivots):
        found[column] = rows[i][width]
    return found
