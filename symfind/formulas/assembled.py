"""The count of a family of models, put together from the counts of its slots."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from symfind.formulas.ansatz import ansatz
from symfind.formulas.corrections import corrected
from symfind.formulas.linear import Column, coefficients, rank
from symfind.formulas.positive import kinked, positive_parts, unfolded
from symfind.formulas.provenance import expression, relevant
from symfind.formulas.slots import Form, Path, Paths, Row, Slot
from symfind.formulas.sums import Sum, growing
from symfind.formulas.values import evaluator, symbol, value
from symfind.formulas.writing import rational, split, written

_EVERYWHERE = 5  # arguments of a count that is taken as a polynomial in all of them
_SPARE = 0.34  # of the members that determine a sum there are others
_SHOWN = 3  # members at which a term is something
_SUPPORT = 5  # at which a kink is, in a sum of several terms
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
        unseen: what families count in a range of sizes in which there was no member so far.
    """

    expression: Any
    slots: Mapping[Slot, Any] = field(default_factory=dict)
    unseen: Sequence[Any] = ()

    def right(self, row: Row) -> bool:
        """Whether it has the count of a row."""
        return bool(value(self.expression, row.at) == row.total)


def assembled(
    rows: Sequence[Row], near: int, paths: Paths, loose: bool = False, free: bool = True
) -> Assembled | None:
    """The expression that has the counts of all rows, None where none was found.

    Args:
        rows: counts at members.
        near: how many of them differ little from the first; they come first.
        paths: of the forms in the rows.
        loose: whether it may be wrong at some members that are not near.
        free: whether what no families say may be a polynomial in all arguments.
    """
    return _Assembly(rows, near, paths, loose, free).done()


def expressed(rows: Sequence[Row], near: int, paths: Paths) -> dict[Slot, Any]:
    """The dimension of the algebra of every slot for itself, as far as an expression is found.

    Args:
        rows: counts at members.
        near: how many of them differ little from the first; they come first.
        paths: of the forms in the rows.
    """
    algebras = [replace(r, orbits=r.algebras) for r in rows]
    return _Assembly(algebras, near, paths, loose=True, free=False).each()


def crossings(rows: Sequence[Row], near: int, paths: Paths) -> list[tuple[str, str]]:
    """Pairs of arguments of whose difference families count the positive part."""
    return _Assembly(rows, near, paths, loose=True, free=False).crossings()


Terms = dict[Any, Any]  # from what stands in the sum to its multiplicity
Way = Callable[["Sum"], Terms | None]


class _Assembly:
    def __init__(
        self, rows: Sequence[Row], near: int, paths: Paths, loose: bool, free: bool
    ) -> None:
        self.rows, self.near, self.paths = rows, near, paths
        self.loose, self.free = loose, free
        self.places = [r.at for r in rows]
        self.names = list(rows[0].at)
        self._values = {name: len({at[name] for at in self.places}) for name in self.names}
        self._expressed: dict[Path, Any] = {}
        self._written: dict[Form, Any] = {}
        self._derived: set[Any] = set()
        self._columns: dict[Any, Column] = {}
        rng = random.Random(0)
        self._anywhere = [
            {name: rng.randint(2, _WIDEST) for name in self.names} for _ in range(_POINTS)
        ]
        self._by_values: dict[tuple[int | None, ...], Any] = {}

    def each(self) -> dict[Slot, Any]:
        """The expressions of single slots."""
        parts: dict[Slot, Terms] = {}
        rest = self._slots()
        for way in (self._plain, self._kinked, self._nearby):
            rest = self._each(rest, parts, way)
        return {slot: written([one]) for slot, one in parts.items()}

    def crossings(self) -> list[tuple[str, str]]:
        """Pairs of arguments of which alone some positive part in the forms is made."""
        forms = {f for r in self.rows for several in r.forms.values() for f in several}
        made = [form for form in map(self._in_arguments, forms) if form is not None]
        names = (sorted(s.name for s in e.free_symbols) for f in made for e in positive_parts(f))
        return list(dict.fromkeys((two[0], two[1]) for two in names if len(two) == 2))

    def _slots(self) -> list[Slot]:
        return list(dict.fromkeys(slot for r in self.rows for slot in r.orbits))

    def done(self) -> Assembled | None:
        """The expression of all together, and of those slots that have one of their own."""
        slots = self._slots()
        parts: dict[Slot, Terms] = {}
        rest = self._each(slots, parts, self._plain)
        if rest and not self._together(rest, parts):
            rest = self._each(rest, parts, self._kinked)
            if rest and not self._together(rest, parts) and not self._wider(rest, slots, parts):
                rest = self._each(rest, parts, self._nearby) if self.loose else rest
                if rest and not (self.loose and self._nearby_together(rest, parts)):
                    return None
        sums = {slot: written([one]) for slot, one in parts.items()}
        return Assembled(written(parts.values()), sums, self._unseen())

    def _unseen(self) -> list[Any]:
        """Products of positive parts in what families say that are zero at all members."""
        import sympy

        found: dict[Any, None] = {}
        for one in itertools.chain.from_iterable(map(split, self._derived)):
            product = sympy.Mul(*(e for e in sympy.Mul.make_args(one) if kinked(e)))
            values = self._column(product).residues
            if product != 1 and values.any() and not values[: len(self.rows)].any():
                found[product] = None
        return list(found)

    def _each(self, slots: Sequence[Slot], parts: dict[Slot, Terms], way: "Way") -> list[Slot]:
        """Slots that have no expression of their own."""
        rest = []
        for slot in slots:
            found = way(self._sum([slot]))
            if found is None:
                rest.append(slot)
            else:
                parts[slot] = found
        return rest

    def _together(self, rest: Sequence[Slot], parts: dict[Slot, Terms]) -> bool:
        """Whether several slots have an expression for their sum."""
        one = self._sum(rest)
        ways: list[Way] = [self._plain, *([self._polynomial] if self.free else []), self._kinked]
        for way in ways:
            found = way(one)
            if found is not None:
                parts[_REST] = found
                return True
        return False

    def _wider(self, rest: Sequence[Slot], slots: Sequence[Slot], parts: dict[Slot, Terms]) -> bool:
        """Whether they have one with those on the same tensors, of which each takes from others."""
        names = {name for slot in rest for name in slot}
        beside = [slot for slot in slots if slot not in rest and names & set(slot[1:])]
        for wide in dict.fromkeys((tuple(beside), tuple(s for s in slots if s not in rest))):
            if wide and self._together([*rest, *wide], parts):
                for slot in wide:
                    del parts[slot]
                return True
        return False

    def _nearby_together(self, rest: Sequence[Slot], parts: dict[Slot, Terms]) -> bool:
        found = self._nearby(self._sum(rest))
        if found is not None:
            parts[_REST] = found
        return found is not None

    def _nearby(self, one: "Sum") -> Terms | None:
        """A combination that has the values nearby, and most of the others; or most of all."""
        every = [self._combined(one.values, terms, self.near) for terms in one.growing]
        found = [terms for terms in every if terms is not None]
        return max(found, key=lambda terms: self._right(one, terms), default=self._mostly(one))

    def _right(self, one: "Sum", terms: Terms) -> int:
        """At how many members a combination has the values."""
        at = self._evaluated(sum(form * n for form, n in terms.items()))
        return sum(n == x for n, x in zip(one.values, at, strict=True))

    def _mostly(self, one: "Sum") -> Terms | None:
        """A multiple of one term that has the first value and more of them than others have."""
        best: Terms | None = None if one.values[0] else {}
        most = max(one.values.count(0) if not one.values[0] else 0, len(one.values) // 2)
        for form, n in (terms[0] for terms in one.growing if len(terms) == 1):
            column = self._product(form, n)
            k = Fraction(one.values[0]) / column[0] if column[0] else Fraction(0)
            if not k or 2 * k % 1:
                continue
            right = sum(k * column[i] == v for i, v in enumerate(one.values))
            if right > most:
                best, most = {form: rational(k) * n}, right
        return best

    def _sum(self, slots: Sequence[Slot]) -> "Sum":
        values = [sum(r.orbits.get(slot, 0) for slot in slots) for r in self.rows]
        felt = relevant(list(zip(self.places, values, strict=True)))
        if not any(values):
            return Sum(values, felt, [], [[]])
        terms, sizes = self._terms(slots)
        inside = list(dict.fromkeys([*map(symbol, felt), *sizes]))
        lists = [[t for t in one if self._told(*t)] for one in growing(terms, inside)]
        return Sum(values, felt, inside, lists)

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
        if form not in self._written:
            self._written[form] = self._rewritten(form)
        return self._written[form]

    def _rewritten(self, form: Form) -> Any | None:
        import sympy

        found = {s: self._of_path(s) for s in form.free_symbols}
        if any(e is None for e in found.values()):
            return None
        made = unfolded(form.xreplace(found))
        never = [e for e in positive_parts(made) if not self._column(e).residues.any()]
        made = made.xreplace(dict.fromkeys(never, sympy.Integer(0)))
        return made.as_content_primitive()[1] if made else made  # else 7 n is 7/3 of 3 n

    def _of_path(self, s: Any) -> Any | None:
        path = self.paths.path(s)
        if path not in self._expressed:
            values = tuple(r.sizes.get(path) for r in self.rows)
            if values not in self._by_values:
                self._by_values[values] = self._following(values)
            self._expressed[path] = self._by_values[values]
        return self._expressed[path]

    def _following(self, values: Sequence[int | None]) -> Any | None:
        """What a size follows: at all members that have it, or at those with the same tensors.

        Where layers stand in one row, what has the same number in it is not always the same.
        """
        known = [(i, n) for i, n in enumerate(values) if n is not None]
        found = expression([(self.places[i], n) for i, n in known])
        tensors = self.rows[known[0][0]].tensors
        same = [(i, n) for i, n in known if self.rows[i].tensors == tensors]
        if found is None and len(same) < len(known):
            found = expression([(self.places[i], n) for i, n in same])
        return found

    # fits ---------------------------------------------------------------------------------------
    def _plain(self, one: "Sum") -> Terms | None:
        """A combination of terms with all values."""
        for terms in one.growing:
            found = self._combined(one.values, terms, len(self.rows))
            if found is not None:
                return found
        return None

    def _polynomial(self, one: "Sum") -> Terms | None:
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

    def _kinked(self, one: "Sum") -> Terms | None:
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

    def _lack(self, one: "Sum", found: Terms) -> Any | None:
        at = self._evaluated(sum(form * n for form, n in found.items()))
        lacks = [n - x for n, x in zip(one.values, at, strict=True)]
        sizes = {s: [int(x) for x in self._evaluated(s)] for s in one.sizes}
        return corrected(lacks, self.places, sizes)

    def _combined(
        self, values: Sequence[int], terms: Sequence[tuple[Any, Any]], rows: int
    ) -> Terms | None:
        table = [self._product(form, n) for form, n in terms]
        shown = [np.count_nonzero(column.residues[:rows]) >= _SHOWN for column in table]
        table = list(itertools.compress(table, shown))
        terms = list(itertools.compress(terms, shown))
        if not table and any(values[:rows]):
            return None
        found = coefficients(table, values[:rows], spare=_SPARE)
        if found is None or self._ambiguous(terms, rows):
            return None
        result: Terms = {}
        for k, (form, n) in zip(found, terms, strict=True):
            if k:
                result[form] = result.get(form, 0) + rational(k) * n
        return result if len(result) < 2 or self._supported(result, rows) else None

    def _supported(self, found: Terms, rows: int) -> bool:
        """Whether every kink of a sum shows at several members: else it only fills a hole."""
        import sympy

        parts: dict[Any, Any] = {}
        for form, n in found.items():
            for one in split(form):
                kinks = [e for e in sympy.Mul.make_args(one) if kinked(e)]
                if kinks:
                    key = frozenset(kinks)
                    parts[key] = parts.get(key, 0) + one * n
        return all(
            np.count_nonzero(self._column(e).residues[:rows]) >= _SUPPORT
            for e in parts.values() if e != 0
        )  # fmt: skip

    def _ambiguous(self, terms: Sequence[tuple[Any, Any]], rows: int) -> bool:
        """Whether terms that differ are alike at all members: then these do not tell them apart."""
        products = (self._product(form, n) for form, n in terms if not kinked(form * n))
        smooth, count = [c.residues for c in products], len(self.places)
        return rank([c[:rows] for c in smooth]) < rank([c[count:] for c in smooth])

    def _product(self, form: Any, n: Any) -> Column:
        return self._column(form) if n == 1 else self._column(form) * self._column(n)

    def _evaluated(self, e: Any) -> list[Any]:
        column = self._column(e)
        return [column[i] for i in range(len(self.places))]

    def _column(self, e: Any) -> Column:
        """Values at all members, then anywhere."""
        from sympy import sympify

        e = sympify(e)
        if e not in self._columns:
            values = evaluator(e, self.names)([*self.places, *self._anywhere])
            self._columns[e] = Column(values)
        return self._columns[e]
