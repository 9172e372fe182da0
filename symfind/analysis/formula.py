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
from typing import Any

from symfind.analysis.domain import domain
from symfind.analysis.polynomials import DEGREE, ansatz, degree_of, solved, sparse, value
from symfind.describe.factors import written
from symfind.family.family import Family, Member
from symfind.family.places import Place, spelled
from symfind.report.model import Dimension
from symfind.twin.formula import count

FITTED_PARAMETERS = 3000  # of a model whose family is looked at for its formula
FITTED_SECONDS = 8.0  # of the processor
_ENOUGH = 24  # members, where there are so many
_OTHERS = 14  # members anywhere, at which a formula of nearby ones is looked at
_HELD = 4  # members that are kept back at least
_SPARE = 1.4  # times as many members as terms
_LARGE = 6000  # parameters of a member
_SHOWN = 3  # sizes at which no formula is right
_MIX = 0.5  # of the arguments are changed
_EVERYWHERE = 5  # arguments of a formula that is looked for over all sizes
_FEW = 8  # arguments of a formula


@dataclass(frozen=True)
class Fitted:
    """A count as an expression in arguments.

    Attributes:
        expression: of sympy.
        sizes: the arguments that it names, as the model has them.
        checked: at how many members that were not used to find it it is right.
        where: conditions on the sizes, outside of which it is not always right.
        broke: sizes outside of these where it is not.
    """

    expression: Any
    sizes: Mapping[str, int]
    checked: int
    where: tuple[str, ...] = ()
    broke: tuple[Mapping[str, int], ...] = ()


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
    names = {p: _name(p) for p in places}
    if not places or len(places) > _FEW or len(set(names.values())) < len(places):
        return None
    sizes = {names[p]: family.base[p] for p in places}
    rows: list[tuple[dict[str, int], int]] = []
    for terms in ansatz(sizes) if len(sizes) <= _EVERYWHERE else ():
        seen.more(places, max(_ENOUGH, math.ceil(_SPARE * len(terms)) + _HELD))
        rows = [({names[p]: v[p] for p in places}, n) for v, n in seen.counts]
        found = _fitted(terms, rows, sizes)
        if found is not None:
            return found
    return _near(seen, names, sizes) or (Broken(rows[1:]) if len(rows) > _HELD else None)


def _near(seen: "_Seen", names: Mapping[Place, str], sizes: Mapping[str, int]) -> Fitted | None:
    """What changes of one argument and of two say, with where it is right of all that was tried."""
    seen.counts, before = [], seen.counts
    for terms in seen.sparse(names):
        close = len(seen.counts)
        seen.counts += [one for one in before if one not in seen.counts]
        seen.more(list(names), close + _OTHERS)
        rows = [({name: v[p] for p, name in names.items()}, n) for v, n in seen.counts]
        expression = solved(terms, rows[:close], unique=True)
        if expression is None:
            return None
        right = [at for at, n in rows if value(expression, at) == n]
        wrong = [at for at, n in rows if value(expression, at) != n]
        where = domain(sizes, right, wrong)
        if where is None:
            return None
        inside = [at for at in right if all(c.holds(at) for c in where)]
        held = sum(at in inside for at, _ in rows[close:])
        if held >= _HELD and len(inside) >= len(rows) // 2:
            words = tuple(c.words for c in where)
            return Fitted(expression, sizes, held, words, tuple(wrong))
    return None


def _fitted(
    terms: Sequence[Any], rows: list[tuple[dict[str, int], int]], sizes: Mapping[str, int]
) -> Fitted | None:
    """The combination of terms that some members give, if it is right at the others."""
    held = max(_HELD, len(rows) // 5)
    if len(rows) < 2 * _HELD:
        return None
    expression = solved(terms, rows[:-held])
    if expression is None or any(value(expression, at) != n for at, n in rows[-held:]):
        return None
    return Fitted(expression, sizes, held)


def _name(place: Place) -> str:
    """The name that a symbol can have: `n_embd` of `config.n_embd`, `depths_0` of `depths[0]`."""
    return spelled(place).rpartition(".")[2].replace("[", "_").replace("]", "")


def with_formula(dimension: Dimension, found: Fitted | Broken | None) -> Dimension:
    """The counts with a formula that was checked; a number where none is right at other sizes."""
    if isinstance(found, Broken):
        broke = tuple({**at, "redundant": n} for at, n in found.counts[:_SHOWN])
        return replace(dimension, formula=str(dimension.redundant), sizes={}, broke=broke)
    if found is None or value(found.expression, found.sizes) != dimension.redundant:
        return dimension  # as where a factor failed verification
    names = {str(s) for s in found.expression.free_symbols}
    sizes = {name: n for name, n in found.sizes.items() if name in names}
    formula = written(found.expression)
    return replace(
        dimension,
        formula=formula,
        sizes=sizes,
        checked=found.checked,
        domain=", ".join(found.where) or None,
    )


class _Seen:
    """Counts at members of a family."""

    def __init__(self, family: Family, output: str, seconds: float) -> None:
        self.family, self.output = family, output
        self.end = time.process_time() + seconds
        self.counts: list[tuple[dict[Place, int], int]] = []
        self.known: dict[frozenset[tuple[Place, int]], int] = {}
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
            self.at(some)

    def sparse(self, names: Mapping[Place, str]) -> Iterator[list[Any]]:
        """The terms that single arguments and pairs show, where all can be changed alone."""
        lines = {p: self._line(p) for p in names}
        if any(len(line) < 2 for line in lines.values()):
            return
        degrees = {names[p]: degree_of(line) if len(line) > 2 else 2 for p, line in lines.items()}
        together = set()
        for p, q in itertools.combinations([p for p in names if degrees[names[p]]], 2):
            (_, f), (x1, f1), *_ = lines[p]
            (_, _), (y1, g1), *_ = lines[q]
            both = self.at({p: x1, q: y1})
            if both is None or both - f1 - g1 + f:
                together.add(frozenset((names[p], names[q])))
        terms = sparse(degrees, together)
        self._mixed(lines, math.ceil(_SPARE * len(terms)) + _HELD)
        yield terms

    def _mixed(self, lines: Mapping[Place, list[tuple[int, int]]], more: int) -> None:
        """Count where each argument has a value that it has alone, not below the model's."""
        base, wanted = self.family.base, len(self.counts) + more
        for _ in range(6 * more):
            if len(self.counts) >= wanted or time.process_time() > self.end:
                return
            some = {
                p: self.rng.choice([n for n, _ in line if n >= base[p]])
                for p, line in lines.items()
                if self.rng.random() < _MIX
            }
            self.at(some)

    def _line(self, place: Place) -> list[tuple[int, int]]:
        """Counts where one argument alone is another."""
        n = self.family.base[place]
        found: list[tuple[int, int]] = []
        for k in dict.fromkeys((n, n + 1, n + 2, n + 3, n + 4, 2 * n, 3 * n, n - 1, n // 2)):
            counted = self.at({place: k}) if k > 0 else None
            if counted is not None:
                found.append((k, counted))
            if len(found) > DEGREE:
                break
        return found

    def at(self, some: Mapping[Place, int]) -> int | None:
        """The count at other integers, None where there is no such member."""
        for values in self._moves(some):
            made = self.family.member(values)
            if isinstance(made, Member) and made.parameters <= _LARGE:
                try:
                    own = {p: made.values[p] for p in self.family.arguments}
                    return self._add(own, None, made)
                except Exception:  # what nothing can be derived of is no member to learn from
                    return None
        return None

    def _other(self, place: Place) -> int:
        n = self.family.base[place]
        return self.rng.choice([1, 2, 3, max(1, n - 1), n, n + 1, n + 2, 2 * n, 3 * n])

    def _add(self, values: dict[Place, int], n: int | None, made: Member | None = None) -> int:
        key = frozenset(values.items())
        if key in self.known:
            if (values, self.known[key]) not in self.counts:
                self.counts.append((values, self.known[key]))
        else:
            if n is None and made is not None:
                n = count(made.graph, self.output, {}).redundant
            self.known[key] = n or 0
            self.counts.append((values, n or 0))
        return self.known[key]

    def _moves(self, some: Mapping[Place, int]) -> Iterator[dict[Place, int]]:
        """Other integers: together with the lengths of inputs that equal them, or alone."""
        base, given = self.family.base, self.family.given
        equal = {q: n for p, n in some.items() for q in given if given[q] == base[p]}
        if equal:
            yield {**equal, **some}
        yield dict(some)
