"""Members of a family that are small enough to be measured, and rich enough to show everything."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from symfind.family.depth import Short
from symfind.family.family import Family, Member, Values
from symfind.family.places import Place
from symfind.family.shrink import Shrinking, shrink

Fits = Callable[[Member], bool] | None
FEW = 6  # one of so many integers may be the same
_ENOUGH = 2  # times as many tokens as what is widest, or it is not worth having more
_TRIED = 4  # values beside the present one, of an integer that should differ


def small(
    family: Family,
    short: Short,
    least: int,
    seconds: float,
    enough: int,
    ordered: bool = True,
    fits: Fits = None,
) -> Shrinking:
    """A small member with the layers of a short one.

    Args:
        family: of the model.
        short: the model with few layers.
        least: the smallest integer that is tried.
        seconds: of the processor, after which what is reached is taken.
        enough: parameters of a member that is small.
        ordered: whether what is larger than another in the model stays so.
        fits: whether a member is one at all, of those that do the same operations.
    """
    fixed = list(short.depths)
    found = shrink(family, short.member, fixed, least, seconds, ordered, enough, fits)
    found.member = _many_contexts(family, short.member, found.member)
    return found


def _many_contexts(family: Family, model: Member, member: Member) -> Member:
    """The member with inputs so long that there are more of them than parameters."""
    for place, n in family.given.items():
        bound = member.values.get(("bound", place[1], 0))
        if place[0] != "input" or bound is None:
            continue
        least = math.ceil(math.log(4 * member.parameters, bound)) if bound > 1 else n
        now = member.values[place]
        if now >= least:
            continue
        for longer in range(least, min(2 * least, n) + 1):
            made = family.member({**member.values, **_with(family, member, place, longer)})
            if isinstance(made, Member) and made.signature == model.signature:
                member = made
                break
    return member


def _with(family: Family, member: Member, place: Place, n: int) -> dict[Place, int]:
    """New values of one integer, and of those that equal it; what was one more stays one more."""
    values, base = member.values, family.base
    equal = [p for p in values if values[p] == values[place] and base[p] == base[place]]
    more = {p: n for p in values if base[p] > base[place] and values[p] == values[place] + 1}
    return {**dict.fromkeys(equal, n), **{p: n + 1 for p in more if p[0] != "input"}}


def poor(family: Family, model: Member, member: Member) -> bool:
    """Whether a member has fewer tokens than units, where the model has more."""
    large = _large(family, model)
    widest = _widest(member, {member.values[place] for place in large})
    return any(member.values[place] < widest for place in large)


def richer(family: Family, model: Member, member: Member, times: float, most: int) -> Member:
    """The member with vocabularies of so many times what is widest, if the model's are large.

    What a network does to single tokens is seen of as many of them as there are; where these are
    fewer than units, more is null than in the model, whose vocabulary is large.

    Args:
        family: of the member.
        model: with its own sizes.
        member: the small one.
        times: how many times what is widest.
        most: parameters that it may have; several vocabularies share what is left of them.
    """
    large = _large(family, model)
    widest = _widest(member, {member.values[place] for place in large})
    for left, place in zip(range(len(large), 0, -1), large, strict=True):
        now, rows = member.values[place], min(family.base[place], int(times * widest) + 3)
        made = _longer(family, member, place, rows)
        room = member.parameters + (most - member.parameters) // left
        if made is not None and made.parameters > room:  # as many as fit, unless they are few
            each = (made.parameters - member.parameters) // (rows - now)
            rows = now + (room - member.parameters) // max(each, 1)
            made = _longer(family, member, place, rows) if rows >= _ENOUGH * widest else None
        if made is not None and made.parameters <= room:
            member = made
    return member


def _longer(family: Family, member: Member, place: Place, rows: int) -> Member | None:
    """The same member with a larger vocabulary, if there is one."""
    if rows <= member.values[place]:
        return None
    made = family.member({**member.values, **_with(family, member, place, rows)})
    return made if isinstance(made, Member) and made.steps == member.steps else None


def _large(family: Family, model: Member) -> list[Place]:
    """Vocabularies that are at least as large as what is widest beside all of them."""
    tables = [place for place in family.given if place[0] == "bound"]
    widest = _widest(model, {family.base[place] for place in tables})
    return [place for place in tables if family.base[place] >= widest]


def _widest(member: Member, tables: Collection[int]) -> int:
    """The largest size of a parameter that is no number of rows of a table."""
    dims = {n for op in member.graph.parameters.values() for n in op.shape or ()}
    return max(dims.difference(tables), default=1)


def apart(
    family: Family,
    short: Short,
    first: Shrinking,
    second: Shrinking,
    easy: int,
    most: int,
    fits: Fits = None,
) -> list[Place]:
    """Change the second member where it equals the first; what stays the same comes back.

    In the order of the model's sizes and by little; by more, then in any order, where more than a
    few integers would be the same.

    Args:
        family: of both.
        short: the model with few layers.
        first: one member.
        second: the other, which is changed.
        easy: parameters that it may have,
        most: or this where more than a few integers are the same.
        fits: whether a member is one at all, of those that do the same operations.
    """
    # what is larger in the model first: the next may then be larger, too
    places = sorted(first.felt, key=lambda p: -family.base[p])
    same = list(places)
    for orderly, limit in ((True, easy), (True, most), (False, easy), (False, most)):
        for place in [p for p in same if second.member.values[p] == first.member.values[p]]:
            _change(family, short, places if orderly else [], second, place, limit, fits)
        same = [p for p in places if second.member.values[p] == first.member.values[p]]
        if len(same) <= len(places) // FEW:
            break
    return same


def _change(
    family: Family,
    short: Short,
    ordered: list[Place],
    second: Shrinking,
    place: Place,
    most: int,
    fits: Fits,
) -> None:
    """Make one integer another, if there is such a member: it does what the model or this one does.

    A small member may do some things otherwise than the model, as where a window is longer than its
    input; the same with another size does them so too.
    """
    for values in _beside(family, second.member, place):
        if not _orderly(family, ordered, second.member.values, values):
            continue
        made = family.member(values)
        if isinstance(made, str) or made.parameters > most:
            continue
        if fits is not None and not fits(made):
            continue
        if made.signature in (short.member.signature, second.member.signature):
            second.member = made
            return


def _orderly(
    family: Family, places: Sequence[Place], before: Values, after: Mapping[Place, int]
) -> bool:
    """Whether no integer becomes larger than another that is larger than it in the model."""
    base = family.base
    changed = [p for p in places if before[p] != after[p]]
    return not any(
        base[p] < base[q] and after[p] > after[q] and before[p] <= before[q]
        for p in changed
        for q in places
    )


def _beside(family: Family, member: Member, place: Place) -> Iterator[dict[Place, int]]:
    """The same member with one integer larger, together with those that equal it, or alone."""
    values, base = dict(member.values), family.base
    now = values[place]
    equal = [p for p in values if values[p] == now and base[p] == base[place]]
    for n in range(now + 1, min(now + _TRIED, base[place]) + 1):
        multiples = {
            p: m * n // now
            for p, m in values.items()
            if m > now and m % now == 0 and m * n // now <= base[p] and base[p] % base[place] == 0
        }
        yield {**values, **multiples, **dict.fromkeys(equal, n)}
        yield {**values, **dict.fromkeys(equal, n)}
        if len(equal) > 1:
            yield {**values, place: n}
