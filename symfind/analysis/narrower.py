"""A model too large to run is verified on another of its family: few layers, as wide as fits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from symfind.analysis.subject import Subject
from symfind.family.depth import shortened
from symfind.family.family import Family, Member, Values, name_of
from symfind.family.places import Place
from symfind.family.small import richer

MOST_PARAMETERS = 25_000_000
_ROWS = 1000  # of a table that one token reads
_NARROW = 64  # what is not larger stays
_TRIED = 60  # members


@dataclass(frozen=True)
class Narrower:
    """A member of a family that can be run.

    Attributes:
        member: with its sizes.
        changed: arguments and inputs in which it differs from the model.
    """

    member: Member
    changed: dict[str, int]


def narrower(subject: Subject) -> Narrower | None:
    """The model with few layers, with short tables, and no narrower than it has to be.

    Everything that the model does it does too. None where there is no such member, or where it is
    not known how the model was made.
    """
    family = Family.of(subject.loaded, subject.graph, subject.train)
    if family is None:
        return None
    short = shortened(family)
    if isinstance(short, str):
        return None
    member, left = short.member, _TRIED
    for smaller in _steps(family):
        if member.parameters <= MOST_PARAMETERS or not left:
            break
        made: Member | str = ""
        for values in smaller(member):
            left -= 1
            made = family.member(values)
            if isinstance(made, Member) and made.vocabulary == member.vocabulary:
                if made.parameters < member.parameters:
                    member = made
                break
    if member.parameters > MOST_PARAMETERS:
        return None
    # what tables do not span has symmetries of its own, each of which costs a decomposition
    member = richer(family, short.member, member, 1.0, 2 * MOST_PARAMETERS)
    changed = {name_of(p): n for p, n in member.values.items() if family.base.get(p) != n}
    return Narrower(member, changed)


def _steps(family: Family) -> Iterator[Callable[[Member], Iterator[Values]]]:
    """Ways to a smaller member, in the order in which they are taken."""
    rows = {place: n for place, n in family.given.items() if place[0] == "bound"}
    for place, n in rows.items():
        if n > 2 * _ROWS:
            yield partial(_with, family, place, _ROWS)
    base = family.base
    wide = sorted({n for p, n in base.items() if p in family.arguments and n > _NARROW})
    wide = [n for n in wide if n not in rows.values()]
    for _ in range(12):
        for n in reversed(wide):
            place = next(p for p in family.arguments if base[p] == n)
            yield partial(_halved, family, place)


def _with(family: Family, place: Place, n: int, now: Member) -> Iterator[Values]:
    """Another value in a place and wherever the model has the same."""
    base = family.base
    yield {**now.values, **{p: n for p in base if base[p] == base[place]}}


def _halved(family: Family, place: Place, now: Member) -> Iterator[Values]:
    """Half of a size, wherever the model has the same: with its parts and multiples, or alone."""
    base, old = family.base, now.values[place]
    if old % 2 or old <= _NARROW:
        return
    same = {p: old // 2 for p in base if base[p] == base[place] and now.values[p] == old}
    yield {**now.values, **same}
    parts = {
        p: n // 2 for p, n in now.values.items()
        if p in family.arguments and p not in same and 4 <= n < old and n % 2 == 0
        and old % n == 0
    }  # fmt: skip
    for p, n in sorted(parts.items(), key=lambda item: -item[1]):
        yield {**now.values, **same, p: n}
    yield {**now.values, **same, **parts}
