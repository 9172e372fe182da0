"""The count of a model as a formula in its own arguments, true at every size that was tried.

The count is derived at small members of the family, by no more than tracing and rules, slot by
slot. What the families of a slot count is an expression in the sizes of their indices, and every
index is one in the arguments; how often each stands in the slot, and what they lack of each other,
follows from the counts, in exact arithmetic. The formula has to be right at further members, and at
the model itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from symfind.analysis.assembled import assembled
from symfind.analysis.domain import domain
from symfind.analysis.polynomials import value
from symfind.analysis.provenance import relevant
from symfind.analysis.sampled import Sampled
from symfind.analysis.slots import Row, Slot
from symfind.family.depth import shortened
from symfind.family.family import Family, Values
from symfind.family.small import small
from symfind.report.model import Dimension

FITTED_PARAMETERS = 3000  # of a model around which others are made; of a larger one a small member
FITTED_SECONDS = 10.0  # of the processor
_SHRINKING = 4.0  # seconds, to make a small member
_MILD = 10  # members of which several sizes are somewhat larger
_ENOUGH = 24  # members of which several are anything
_CHECKS = 8  # members that are kept back
_HELD = 4  # of these at least, inside of the domain
_LATER = 4.0  # seconds for conditions, after all members are counted
_AGAIN = 3  # times that members which were kept back are learned from
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
        slots: the expression of every slot.
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
    parameters: int,
    tell: Callable[[str], None] = lambda text: None,
) -> Fitted | Broken | None:
    """The count as a formula in the arguments of the family.

    None where there are too few members to tell; `Broken` where no formula is right at all of
    them.

    Args:
        family: of the model.
        output: "raw" or "softmax".
        redundant: what was derived for the model.
        parameters: of the model.
        tell: told what is being done.
    """
    start = _start(family, parameters)
    if start is None:
        return None
    seen = Sampled(family, output, start, FITTED_SECONDS, tell)
    if not seen.rows or not seen.names:
        return None
    seen.lines()
    seen.mixed(_MILD, 0.3, mild=True)
    near = len(seen.rows)
    seen.mixed(_ENOUGH, 0.6)
    own = seen.own()
    for _ in range(_AGAIN):
        rows = list(seen.rows)
        held = seen.mixed(_CHECKS, 0.5)
        if len(held) < _HELD:  # there are no others
            rows, held = rows[:-_HELD], [*rows[-_HELD:], *held]
        found = assembled(rows, min(near, len(rows)), seen.paths)
        if found is None:
            break
        right = [r for r in held if value(found.expression, r.at) == r.total]
        if len(right) < len(held):
            continue  # learned from
        if len(right) < _HELD:
            return None
        if value(found.expression, own) == redundant:
            return Fitted(found.expression, own, len(right), slots=found.slots, start=seen.start)
        break
    return _somewhere(seen, near, own, redundant) or Broken(
        [(r.at, r.total) for r in seen.rows[1:]]
    )


def _start(family: Family, parameters: int) -> Values | None:
    """The integers of the member around which others are made: the model's if it is small."""
    if parameters <= FITTED_PARAMETERS:
        return dict(family.base)
    short = shortened(family)
    if isinstance(short, str):
        return None
    return small(family, short, 3, _SHRINKING, FITTED_PARAMETERS).member.values


def _somewhere(seen: Sampled, near: int, own: Mapping[str, int], redundant: int) -> Fitted | None:
    """A formula with conditions: some sizes held, or plain inequalities."""
    felt = set(relevant([(r.at, r.total) for r in seen.rows]))
    for words, rows, close, loose in _restricted(seen, near, own):
        if seen.late(_LATER):
            return None
        found = assembled(rows, close, seen.paths, loose)
        if found is None or value(found.expression, own) != redundant:
            continue
        right = [r.at for r in rows if value(found.expression, r.at) == r.total]
        wrong = [r.at for r in rows if value(found.expression, r.at) != r.total]
        where = domain(own, right, wrong)
        if where is None:
            continue
        inside = [at for at in right if all(c.holds(at) for c in where)]
        held = sum(r.at in inside for r in rows[close:])
        if any(
            len({at[name] for at in inside}) < _TOLD
            for name in felt - {w.partition("=")[0] for w in words}
        ):
            continue  # as where all that is right has one depth
        if held >= _HELD and 2 * len(inside) >= len(rows):
            conditions = (*words, *(c.words for c in where))
            return Fitted(
                found.expression, own, held, conditions, tuple(wrong), found.slots, seen.start
            )
    return None


def _restricted(
    seen: Sampled, near: int, own: Mapping[str, int]
) -> Iterator[tuple[tuple[str, ...], list[Row], int, bool]]:
    """Members at which some sizes are not one, then all, with conditions; then those of one size.

    With each the words for it, how many are near, and whether conditions may be added.
    """
    first = seen.rows[0].at

    def where(words: Sequence[str], holds: Callable[[Row], bool], loose: bool) -> Any:
        rows = [r for r in seen.rows if holds(r)]
        return tuple(words), rows, sum(map(holds, seen.rows[:near])), loose

    def several(some: Sequence[str]) -> Callable[[Row], bool]:
        return lambda r: all(r.at[name] > 1 for name in some)

    def same(name: str) -> Callable[[Row], bool]:
        return lambda r: r.at[name] == own[name]

    single = [name for name in first if any(r.at[name] == 1 for r in seen.rows[1:])]
    single = [name for name in single if first[name] > 1 and own[name] > 1]
    choices = [[name] for name in single] + ([single] if len(single) > 1 else [])
    for loose in (False, True):
        for some in [*choices, []] if loose else choices:
            yield where([f"{name}>=2" for name in some], several(some), loose)
    for name, n in own.items():
        if first[name] == n:
            yield where([f"{name}={n}"], same(name), False)


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
    names = {str(s) for s in found.expression.free_symbols}
    sizes = {name: n for name, n in found.sizes.items() if name in names}
    return replace(
        dimension,
        formula=str(found.expression).replace(" ", ""),
        sizes=sizes,
        checked=found.checked,
        domain=", ".join(found.where) or None,
    )
