"""The count of a family of models, put together from the counts of its slots."""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from symfind.analysis.corrections import corrected
from symfind.analysis.polynomials import (
    ansatz,
    coefficients,
    evaluator,
    kinked,
    plain,
    rank,
    symbol,
    unfolded,
)
from symfind.analysis.provenance import expression, relevant
from symfind.analysis.slots import Form, Path, Paths, Row, Slot

_EVERYWHERE = 5  # arguments of a count that is taken as a polynomial in all of them
_SPARE = 0.34  # of the members that determine a sum there are others
_SHOWN = 3  # members at which a term is something
_TOLD = 4  # values of an argument of which a minimum is taken
_POINTS = 60  # sizes at which terms are told apart, whether there are such members or not
_WIDEST = 40
_REST: Slot = ("rest",)


@dataclass(frozen=True)
class Assembled:
    """A count as an expression.

    Attributes:
        expression: of all that is redundant.
        slots: of every slot; of those that only have one together by the name of the rest.
    """

    expression: Any
    slots: Mapping[Slot, Any] = field(default_factory=dict)


def assembled(
    rows: Sequence[Row], near: int, paths: Paths, loose: bool = False
) -> Assembled | None:
    """The expression that has the counts of all rows, None where none was found.

    Args:
        rows: counts at members.
        near: how many of them differ from the first in one size; they come first.
        paths: of the forms in the rows.
        loose: whether it may be wrong at some members that are not near.
    """
    return _Assembly(rows, near, paths, loose).done()


Terms = dict[Any, Any]  # from what stands in the sum to its multiplicity


class _Assembly:
    def __init__(self, rows: Sequence[Row], near: int, paths: Paths, loose: bool) -> None:
        self.rows, self.near, self.paths, self.loose = rows, near, paths, loose
        self.places = [r.at for r in rows]
        self.names = list(rows[0].at)
        self._values = {name: len({at[name] for at in self.places}) for name in self.names}
        self._expressed: dict[Path, Any] = {}
        self._derived: set[Any] = set()
        self._columns: dict[Any, list[Any]] = {}
        rng = random.Random(0)
        self._anywhere = [
            {name: rng.randint(2, _WIDEST) for name in self.names} for _ in range(_POINTS)
        ]
        self._by_values: dict[tuple[int | None, ...], Any] = {}

    def done(self) -> Assembled | None:
        slots = list(dict.fromkeys(slot for r in self.rows for slot in r.orbits))
        parts: dict[Slot, Terms] = {}
        rest = self._each(slots, parts, kinks=False)
        if rest and not self._together(rest, parts):
            rest = self._each(rest, parts, kinks=True)
            if rest and not self._together(rest, parts) and not self._nearby(rest, parts):
                return None
        sums = {slot: written([one]) for slot, one in parts.items()}
        return Assembled(written(parts.values()), sums)

    def _each(self, slots: Sequence[Slot], parts: dict[Slot, Terms], kinks: bool) -> list[Slot]:
        """Slots that have no expression of their own."""
        rest = []
        for slot in slots:
            one = self._sum([slot])
            found = self._kinked(one) if kinks else self._plain(one)
            if found is None:
                rest.append(slot)
            else:
                parts[slot] = found
        return rest

    def _together(self, rest: Sequence[Slot], parts: dict[Slot, Terms]) -> bool:
        """Whether several slots have an expression for their sum."""
        one = self._sum(rest)
        for way in (self._plain, self._polynomial, self._kinked):
            found = way(one)
            if found is not None:
                parts[_REST] = found
                return True
        return False

    def _nearby(self, rest: Sequence[Slot], parts: dict[Slot, Terms]) -> bool:
        """Whether there is one that is right nearby, where that is asked for."""
        one = self._sum(rest)
        for terms in one.growing if self.loose else ():
            found = self._combined(one.values, terms, self.near)
            if found is not None:
                parts[_REST] = found
                return True
        return False

    def _sum(self, slots: Sequence[Slot]) -> "_Sum":
        values = [sum(r.orbits.get(slot, 0) for slot in slots) for r in self.rows]
        felt = relevant(list(zip(self.places, values, strict=True)))
        if not any(values):
            return _Sum(values, felt, [], [[]])
        terms, sizes = self._terms(slots)
        inside = list(dict.fromkeys([*map(symbol, felt), *sizes]))
        growing = [[t for t in one if self._told(*t)] for one in _growing(terms, inside)]
        return _Sum(values, felt, inside, growing)

    def _told(self, form: Any, n: Any) -> bool:
        """Whether members are so many that a power of an argument is told from lower ones.

        What the families say themselves needs no such thing.
        """
        derived = form in self._derived
        powers = dict((n if derived else form * n).as_powers_dict())
        if any(self._values[s.name] < _TOLD for e in powers if kinked(e) for s in e.free_symbols):
            return derived
        plainly = {s: k for s, k in powers.items() if s.is_Symbol}
        return all(self._values[s.name] > abs(k) + 1 for s, k in plainly.items())

    # terms --------------------------------------------------------------------------------------
    def _terms(self, slots: Sequence[Slot]) -> tuple[list[tuple[Any, Any]], list[Any]]:
        """What the families of slots count, once and for every layer, and the sizes in that."""
        import sympy

        numbers = [sum(r.numbers.get(slot, 0) for slot in slots) for r in self.rows]
        several = relevant(list(zip(self.places, numbers, strict=True))[: self.near])
        counts = [sympy.Integer(1), *map(symbol, several)]
        if len(several) > 1:
            counts += [a * b for a, b in itertools.combinations(counts[1:], 2)]
        forms: dict[Any, None] = {}
        sizes: dict[Any, None] = {}
        for slot in slots:
            for r in self.rows:
                for form in r.forms.get(slot, ()):
                    made = self._in_arguments(form)
                    if made is not None:
                        forms[made] = None
                        self._derived.add(made)
                        sizes.update(dict.fromkeys(map(self._of_path, form.free_symbols)))
        forms[sympy.Integer(1)] = None
        terms = [(form, n) for n in counts for form in forms]
        return terms, [s for s in sizes if s is not None and s.free_symbols]

    def _in_arguments(self, form: Form) -> Any | None:
        found = {s: self._of_path(s) for s in form.free_symbols}
        if any(e is None for e in found.values()):
            return None
        return unfolded(form.xreplace(found))

    def _of_path(self, s: Any) -> Any | None:
        path = self.paths.path(s)
        if path not in self._expressed:
            values = tuple(r.sizes.get(path) for r in self.rows)
            if values not in self._by_values:
                known = [
                    (at, n) for at, n in zip(self.places, values, strict=True) if n is not None
                ]
                self._by_values[values] = expression(known)
            self._expressed[path] = self._by_values[values]
        return self._expressed[path]

    # fits ---------------------------------------------------------------------------------------
    def _plain(self, one: "_Sum") -> Terms | None:
        """A combination of terms with all values."""
        for terms in one.growing:
            found = self._combined(one.values, terms, len(self.rows))
            if found is not None:
                return found
        return None

    def _polynomial(self, one: "_Sum") -> Terms | None:
        """A polynomial in the arguments, and the least of them."""
        import sympy

        if not 0 < len(one.felt) <= _EVERYWHERE:
            return None
        for sums in ansatz({name: self.places[0][name] for name in one.felt}):
            terms = [(t, sympy.Integer(1)) for t in sums if self._told(t, sympy.Integer(1))]
            found = self._combined(one.values, terms, len(self.rows))
            if found is not None:
                return found
        return None

    def _kinked(self, one: "_Sum") -> Terms | None:
        """A combination that has the values nearby, with what it lacks elsewhere."""
        tried: list[Terms] = []
        for terms in one.growing:
            found = self._combined(one.values, terms, self.near)
            if found is None or found in tried:
                continue
            tried.append(found)
            correction = self._lack(one, found)
            if correction is not None:
                return {**found, correction: 1}  # type: ignore[dict-item]
        return None

    def _lack(self, one: "_Sum", found: Terms) -> Any | None:
        at = self._evaluated(sum(form * n for form, n in found.items()))
        lacks = [n - x for n, x in zip(one.values, at, strict=True)]
        sizes = {s: [int(x) for x in self._evaluated(s)] for s in one.sizes}
        return corrected(lacks, self.places, sizes)

    def _combined(
        self, values: Sequence[int], terms: Sequence[tuple[Any, Any]], rows: int
    ) -> Terms | None:
        table = [self._product(form, n)[:rows] for form, n in terms]
        shown = [sum(map(bool, column)) >= _SHOWN for column in table]
        table = list(itertools.compress(table, shown))
        terms = list(itertools.compress(terms, shown))
        found = coefficients(table, values[:rows], spare=_SPARE)
        if found is None or self._ambiguous(terms, rows):
            return None
        result: Terms = {}
        for k, (form, n) in zip(found, terms, strict=True):
            if k:
                result[form] = result.get(form, 0) + _rational(k) * n
        return result

    def _ambiguous(self, terms: Sequence[tuple[Any, Any]], rows: int) -> bool:
        """Whether terms that differ are alike at all members: then these do not tell them apart."""
        smooth = [self._product(form, n) for form, n in terms if not kinked(form * n)]
        count = len(self.places)
        return rank([c[:rows] for c in smooth]) < rank([c[count:] for c in smooth])

    def _product(self, form: Any, n: Any) -> list[Any]:
        if n == 1:
            return self._values_of(form)
        pairs = zip(self._values_of(form), self._values_of(n), strict=True)
        return [x * y for x, y in pairs]

    def _evaluated(self, e: Any) -> list[Any]:
        return self._values_of(e)[: len(self.places)]

    def _values_of(self, e: Any) -> list[Any]:
        """At all members, then anywhere."""
        from sympy import sympify

        e = sympify(e)
        if e not in self._columns:
            self._columns[e] = evaluator(e, self.names)([*self.places, *self._anywhere])
        return self._columns[e]


@dataclass(frozen=True)
class _Sum:
    """What is to be written as an expression: values, and what they may be made of.

    Attributes:
        values: at every member.
        felt: arguments that they depend on.
        sizes: of which differences may be taken.
        growing: lists of terms, each longer than the one before.
    """

    values: Sequence[int]
    felt: Sequence[str]
    sizes: Sequence[Any]
    growing: Sequence[Sequence[tuple[Any, Any]]]


def _growing(terms: Sequence[tuple[Any, Any]], sizes: Sequence[Any]) -> list[list[tuple[Any, Any]]]:
    """Single terms, all, then with sizes, with products of two, and with both for every layer."""
    counts = list(dict.fromkeys(n for _, n in terms))
    single = [(s, counts[0]) for s in sizes]
    twice = list(itertools.combinations_with_replacement(sizes, 2))
    more = [(s, k * n) for s, k in single + twice for n in counts[1:]]
    forms = dict.fromkeys(form for form, _ in terms)
    alone = [[(form, n) for n in counts] for form in forms]
    lists = [*([t] for t in terms), *alone, [*terms], [*terms, *single], [*terms, *single, *twice]]
    lists += [[*lists[-1], *more]] if more else []
    return [list({form * n: (form, n) for form, n in one}.values()) for one in lists]


def written(parts: Any) -> Any:
    """A sum in which what is equal is collected, with how often it stands there."""
    import sympy

    found: dict[Any, Any] = {}
    for terms in parts:
        for form, n in terms.items():
            for one in _split(form):
                number, rest = one.as_coeff_Mul()
                found[rest] = found.get(rest, 0) + number * n
    sums = [sympy.factor(sympy.sympify(n)) * rest for rest, n in found.items()]
    return plain(sympy.Add(*sums))


def _split(form: Any) -> Sequence[Any]:
    """The summands of what has no factors, itself where it has some."""
    import sympy

    form = sympy.sympify(form)
    if form.atoms(sympy.Function, sympy.Max, sympy.Min):
        return sympy.Add.make_args(form)
    factors = sympy.factor(form)
    return [factors] if not factors.is_Add else sympy.Add.make_args(sympy.expand(form))


def _rational(k: Fraction) -> Any:
    import sympy

    return sympy.Rational(k.numerator, k.denominator)
