"""Members of a family that are small enough to be measured, and rich enough to show everything."""

from collections.abc import Iterator

from symfind.family.depth import Short
from symfind.family.family import Family, Member
from symfind.family.places import Place
from symfind.family.shrink import Shrinking, shrink

_TRIED = 4  # values beside the present one, of an integer that should differ


def small(family: Family, short: Short, least: int, seconds: float) -> Shrinking:
    """A small member with the layers of a short one, in which tables are longer than all is wide.

    What a network does to single tokens is seen of as many of them as there are; where these are
    fewer than units, more is null than in the model, whose vocabulary is large.
    """
    found = shrink(family, short.member, list(short.depths), least, seconds)
    found.member = _richer(family, short.member, found.member)
    return found


def _richer(family: Family, model: Member, member: Member) -> Member:
    for place in family.given:
        if place[0] != "bound":
            continue
        values = member.values
        now, least = values[place], 2 * _widest(member, values[place]) + 3
        n = min(family.base[place], least)
        if n <= now:
            continue
        equal = [p for p in values if values[p] == now and family.base[p] == family.base[place]]
        made = family.member({**values, **dict.fromkeys(equal, n)})
        if isinstance(made, Member) and made.signature == model.signature:
            member = made
    return member


def _widest(member: Member, table: int) -> int:
    dims = {n for op in member.graph.parameters.values() for n in op.shape or () if n != table}
    return max(dims, default=1)


def apart(family: Family, short: Short, first: Shrinking, second: Shrinking) -> list[Place]:
    """Change the second member where it equals the first; what stays the same comes back."""
    same: list[Place] = []
    for place in first.felt:
        member = second.member
        if member.values[place] != first.member.values[place]:
            continue
        for values in _beside(family, member, place):
            made = family.member(values)
            if isinstance(made, Member) and made.signature == short.member.signature:
                second.member = made
                break
        else:
            same.append(place)
    return same


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
