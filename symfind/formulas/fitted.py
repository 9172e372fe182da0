"""The count of a model as a formula in its own arguments, true at every size that was tried.

The count is derived at small members of the family, by no more than tracing and rules, slot by
slot. What the families of a slot count is an expression in the sizes of their indices, and every
index is one in the arguments; how often each stands in the slot, and what they lack of each other,
follows from the counts, in exact arithmetic. The formula has to be right at further members, and at
the model itself.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from symfind.family.depth import shortened
from symfind.family.family import Family, Values
from symfind.family.fewest import fewest
from symfind.family.small import small
from symfind.formulas.assembled import Assembled, assembled, crossings, expressed
from symfind.formulas.domain import (
    Condition,
    at_least,
    domain,
    doubtful,
    equal,
    multiple,
    needed,
    order,
    untried,
    within,
)
from symfind.formulas.provenance import relevant
from symfind.formulas.sampled import Sampled
from symfind.formulas.slots import Slot
from symfind.formulas.values import value
from symfind.report.model import Dimension, Factor

FITTED_PARAMETERS = 3000  # of a model around which others are made; of a larger one a small member
FITTED_SECONDS = 30.0  # of the processor
_LARGEST = 10_000  # of one that could not be made smaller
_SHRINKING = 4.0  # seconds, to make a small member
_LEAST = 40  # members of which there has to be time
_ENOUGH = 16  # members of which several are anything
_CHECKS = 6  # members that are kept back, besides those that try the conditions
_HELD = 4  # of these at least
_ROUNDS = 8  # times that members which were kept back are learned from
_MORE = 2  # times that members nearby are added where no expression is found,
_CLOSER = 8  # so many
_TOLD = 3  # values of each size inside of the domain
_SHOWN = 3  # sizes at which no formula is right


@dataclass(frozen=True)
class Fitted:
    """A count as an expression in arguments.

    Attributes:
        expression: of sympy.
        sizes: the arguments that it names, as the model has them.
        checked: at how many members that were not used to find it it is right.
        where: conditions on the sizes, outside of which it is not always right.
        broke: sizes outside of these where it is not.
        slots: the dimension of the algebra of slots as expressions, of those that have one.
        start: the integers of the member around which others were made.
    """

    expression: Any
    sizes: Mapping[str, int]
    checked: int
    where: tuple[str, ...] = ()
    broke: tuple[Mapping[str, int], ...] = ()
    slots: Mapping[Slot, Any] = field(default_factory=dict)
    start: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """No formula is right at all members of the family that were looked at.

    Attributes:
        counts: what was derived at some of them.
    """

    counts: Sequence[tuple[Mapping[str, int], int]]


def fitted(
    family: Family,
    output: str,
    redundant: int,
    tell: Callable[[str], None] = lambda text: None,
) -> Fitted | Broken | None:
    """The count as a formula in the arguments of the family.

    None where there are too few members to tell; `Broken` where no formula is right at all of
    them.

    Args:
        family: of the model.
        output: "raw" or "softmax".
        redundant: what was derived for the model.
        tell: told what is being done.
    """
    start = _start(family)
    if start is None:
        return None
    seen = Sampled(family, output, start, FITTED_SECONDS, tell)
    if not seen.rows or not seen.sizes.names or seen.late(-_LEAST * seen.cost):
        return None  # nothing to vary, or no time for as many members as it takes
    seen.around()
    seen.edges()
    seen.anywhere(_ENOUGH, 0.6)
    more = _MORE
    for _ in range(_ROUNDS):
        guess = _guess(seen, redundant, last=not more)
        if guess is None:
            if not more:
                break
            more = more - 1 if seen.closer(_CLOSER, 0.5) else 0
            continue
        fresh = seen.against(guess.untried, guess.holds)
        fresh += seen.showing(guess.found.unseen, guess.holds)
        fresh += seen.anywhere(_CHECKS, 0.5, guess.holds)
        if not all(map(guess.found.right, fresh)):
            continue  # learned from
        if len(fresh) < _HELD:
            return None
        return guess.fitted(seen, len(fresh))
    return Broken([(r.at, r.total) for r in seen.rows[1:]])


def _start(family: Family) -> Values | None:
    """The integers of the member around which others are made: the model's, with few layers.

    None where no member is small.
    """
    short = shortened(family)
    if isinstance(short, str):
        return None
    if short.member.parameters <= FITTED_PARAMETERS:
        return dict(short.member.values)
    if fewest(family, short.member) > _LARGEST:
        return None
    member = small(family, short, 3, _SHRINKING, FITTED_PARAMETERS).member
    return member.values if member.parameters <= _LARGEST else None


@dataclass(frozen=True)
class _Guess:
    """An expression with the conditions under which it has the counts of all rows so far."""

    found: Assembled
    where: tuple[Condition, ...] = ()
    untried: tuple[Condition, ...] = ()
    broke: tuple[Mapping[str, int], ...] = ()
    fixed: bool = False

    def holds(self, at: Mapping[str, int]) -> bool:
        """Whether it is said to be right at some sizes."""
        return all(c.holds(at) for c in self.where)

    def fitted(self, seen: Sampled, checked: int) -> Fitted:
        """It, with the slots that have expressions of their own."""
        inside = [r for r in seen.rows if self.holds(r.at)]
        slots = {
            slot: within(e, self.where)
            for slot, e in expressed(inside, sum(self.holds(r.at) for r in seen.rows[: seen.near]),
                                     seen.paths).items()
            if all(value(e, r.at) == r.algebras.get(slot, 0) for r in inside)
        }  # fmt: skip
        expression = within(self.found.expression, self.where)
        conditions = (*(c.words for c in self.where), *seen.sizes.equal())
        return Fitted(
            expression, seen.sizes.own(), checked, conditions, self.broke, slots, seen.sizes.start
        )


def _guess(seen: Sampled, redundant: int, last: bool) -> _Guess | None:
    """What is right at all members, or with plain conditions on the sizes.

    Args:
        seen: the members.
        redundant: what was derived for the model.
        last: whether there will be no more members, so that a size may have to be the model's.
    """
    own, guesses = seen.sizes.own(), list[_Guess]()
    for choices in (_choices(seen, own, last), _one_fixed(seen, own) if last else ()):
        for given, loose in choices:
            guess = _guessed(seen, redundant, given, loose)
            if guess is not None and not guess.fixed:
                return guess
            guesses += [guess] if guess is not None else []
            if seen.late():
                break
        if guesses or seen.late():
            break
    return guesses[0] if guesses and last else None


def _guessed(
    seen: Sampled, redundant: int, given: Sequence[Condition], loose: bool
) -> _Guess | None:
    """What is right where some conditions hold, where others may be added if it is loose."""
    own, felt = seen.sizes.own(), relevant([(r.at, r.total) for r in seen.rows])
    rows = [r for r in seen.rows if all(c.holds(r.at) for c in given)]
    close = sum(all(c.holds(r.at) for c in given) for r in seen.rows[: seen.near])
    found = assembled(rows, close, seen.paths, loose, free=not given)
    if found is None or value(found.expression, own) != redundant:
        return None
    right = [r.at for r in seen.rows if found.right(r)]
    wrong = [r.at for r in seen.rows if not found.right(r)]
    where = domain(own, right, wrong, given)
    if where is None:
        return None
    said = {c.words for c in where}
    more = doubtful(within(found.expression, where), own, right, felt)
    where = needed([*where, *(c for c in more if c.words not in said)], wrong, more)
    inside = [at for at in right if all(c.holds(at) for c in where)]
    fixed = {name for name in felt for c in where if c.words == equal(name, own[name]).words}
    if not _told(inside, [name for name in felt if name not in fixed]):
        return None  # as where all that is right has one depth
    if 2 * len(inside) < len(right):
        return None
    others = untried(own, right, where)
    return _Guess(found, tuple(where), tuple(others), tuple(wrong), bool(fixed))


def _told(inside: Sequence[Mapping[str, int]], felt: Sequence[str]) -> bool:
    """Whether some sizes have several values each, and several quotients of any two.

    Else a formula has one in the place of the other, or of nothing.
    """
    each = all(len({at[name] for at in inside}) >= _TOLD for name in felt)
    return each and all(
        len({Fraction(at[a], at[b]) for at in inside}) >= _TOLD
        for a, b in itertools.combinations(felt, 2)
    )


def _crossed(seen: Sampled, own: Mapping[str, int]) -> list[Condition]:
    """Orders of the model's sizes on which families depend, where members near have others."""
    near = [r.at for r in seen.rows[: seen.near]]
    pairs = crossings(seen.rows, seen.near, seen.paths)
    orders = [order(a, b) if own[a] > own[b] else order(b, a) for a, b in pairs if own[a] != own[b]]
    return [c for c in orders if c.holds(near[0]) and not all(map(c.holds, near))]


def _choices(
    seen: Sampled, own: Mapping[str, int], last: bool
) -> Iterator[tuple[tuple[Condition, ...], bool]]:
    """Conditions that are set first, and whether others may be added.

    None; that sizes and their quotients are not one; that they are in the order of the model's, and
    one where they are in it, where there will be no more members. Then all with others.
    """
    first, several = seen.rows[0].at, _several(seen, own)
    apart = (*several, *_crossed(seen, own)) if last else ()
    ones = [equal(name, 1) for name, n in own.items() if n == first[name] == 1] if last else []
    for loose in (False, True):
        yield (), loose
        if several:
            yield several, loose
        if len(apart) > len(several):
            yield apart, loose
        if ones:
            yield (*apart, *ones), loose


def _one_fixed(
    seen: Sampled, own: Mapping[str, int]
) -> Iterator[tuple[tuple[Condition, ...], bool]]:
    """That one size is the model's, where a member near has it."""
    for name, n in own.items():
        if seen.rows[0].at[name] == n > 1:
            yield (*_several(seen, own), equal(name, n)), False


def _several(seen: Sampled, own: Mapping[str, int]) -> tuple[Condition, ...]:
    """That sizes and their quotients are not one, as in the model."""
    first, others = seen.rows[0].at, [r.at for r in seen.rows[1:]]
    single = [name for name in first if any(at[name] == 1 for at in others)]
    several = tuple(at_least(name, 2) for name in single if first[name] > 1 and own[name] > 1)
    several += tuple(multiple(a, b) for a, b in seen.split() if own[a] % own[b] == 0)
    several += tuple(
        order(a, b) for a, b in seen.divided()
        if own[a] > own[b] and any(at[a] == at[b] > 1 for at in others)
    )  # fmt: skip
    return several


def with_formula(dimension: Dimension, found: Fitted | Broken | None) -> Dimension:
    """The counts with a formula that was checked; a number where none is right at other sizes."""
    if isinstance(found, Fitted) and value(found.expression, found.sizes) != dimension.redundant:
        found = None  # as where a factor failed verification
    if not isinstance(found, Fitted):
        counts = found.counts[:_SHOWN] if found else ()
        broke = tuple({**at, "redundant": n} for at, n in counts) if found else None
        if found is None:
            return dimension
        return replace(dimension, formula=str(dimension.redundant), sizes={}, broke=broke)
    expressions = [found.expression, *found.slots.values()]
    names = {str(s) for e in expressions for s in e.free_symbols}
    names |= set(re.findall(r"\w+", " ".join(found.where)))
    sizes = {name: n for name, n in found.sizes.items() if name in names}
    return replace(
        dimension,
        formula=_text(found.expression),
        sizes=sizes,
        checked=found.checked,
        domain=", ".join(found.where) or None,
    )


def with_formulas(
    factors: Sequence[Factor], slots: Sequence[Collection[Slot]], found: Fitted | Broken | None
) -> tuple[Factor, ...]:
    """Factors with formulas of slots that were checked, and numbers where there is none.

    Args:
        factors: in order.
        slots: of all families of each.
        found: of the model; where nothing was looked at the factors stay as they are.
    """
    if found is None:
        return tuple(factors)
    known = found.slots if isinstance(found, Fitted) else {}
    shared = Counter(slot for own in slots for slot in set(own))
    result = []
    for factor, own in zip(factors, slots, strict=True):
        formula = str(factor.total)
        if own and all(slot in known and shared[slot] == 1 for slot in own):
            total = sum(known[slot] for slot in set(own))
            if isinstance(found, Fitted) and value(total, found.sizes) == factor.total:
                formula = _text(total)
        result.append(replace(factor, formula=formula))
    return tuple(result)


def _text(expression: Any) -> str:
    return str(expression).replace(" ", "")
