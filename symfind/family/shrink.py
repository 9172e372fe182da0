"""Small members of a family: every integer made as small as the architecture lets it be.

Integers are taken in the order of their sizes, and keep that order unless that makes the member too
large. Several have to change together where a constructor wants one to divide another or two to be
equal, so that a smaller value is tried for all multiples of it at once, then for all that are
equal, then for some of these: a picture has as many rows as columns, whatever else happens to have
that size. What is accepted must do the same operations in the same order as the model. Where the
member is still large, those that come first are looked at again: what kept them may be smaller now.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from symfind.family.family import Family, Member, Values
from symfind.family.places import Place

_STEPS = 10  # values above the least that are tried one by one
_MULTIPLES = 4  # of what divides an integer in the model
_PASSES = 5  # through all integers, at most
_SHARE = 0.25  # of the time that is left, for one integer
_SHORTEST = 0.3  # seconds for one integer
_LEAST = 4  # smaller ones stay: kernels of three, colours, strides


@dataclass
class Shrinking:
    """How a small member was reached.

    Attributes:
        member: the smallest.
        felt: integers that its shapes depend on.
        kept: those that could not be made smaller, with what was said to the last try.
        hurried: whether time ran out.
    """

    member: Member
    felt: list[Place] = field(default_factory=list)
    kept: dict[Place, str] = field(default_factory=dict)
    hurried: bool = False


def shrink(
    family: Family,
    start: Member,
    fixed: Sequence[Place],
    least: int,
    seconds: float,
    ordered: bool = True,
    enough: int = 0,
    fits: Callable[[Member], bool] | None = None,
) -> Shrinking:
    """Make all integers of a member but some small.

    Args:
        family: of the member.
        start: the member.
        fixed: integers that stay.
        least: the smallest value that is tried.
        seconds: of the processor, after which what is reached is taken.
        ordered: whether what is larger than another in the model stays so.
        enough: parameters of a member that is small.
        fits: whether a member is one at all, of those that do the same operations.
    """
    return _Shrink(family, start, fixed, least, seconds, ordered, enough, fits).done()


class _Shrink:
    def __init__(
        self,
        family: Family,
        start: Member,
        fixed: Sequence[Place],
        least: int,
        seconds: float,
        ordered: bool,
        enough: int,
        fits: Callable[[Member], bool] | None,
    ) -> None:
        self.family, self.model, self.ordered, self.fits = family, start, ordered, fits
        self.enough = enough
        self.found = Shrinking(start)
        self.end = time.process_time() + seconds
        base = {p: n for p, n in start.values.items() if p not in fixed and n >= _LEAST}
        self.groups = [[p for p in base if base[p] == n] for n in sorted(set(base.values()))]
        self.least = self.floor = least - 1
        self.until = self.end  # of the integer that is looked at
        self.idle: set[Place] = set()  # which no shape depends on

    def done(self) -> Shrinking:
        for _ in range(_PASSES):
            before = self.found.member
            self.floor = self.least
            for group in self.groups:
                self._group(group)
            if self.found.member is before or self.found.member.parameters <= self.enough:
                break
        self.found.hurried = time.process_time() > self.end
        return self.found

    def _group(self, group: list[Place]) -> None:
        """Integers that are equal in the model: together if that goes, else some of them."""
        floor, left = self.floor, list(group)
        now = time.process_time()
        self.until = min(self.end, now + max(_SHORTEST, _SHARE * (self.end - now)))
        for some in _parts(group):
            if all(p in left for p in some) and self._reduce(some, floor):
                self._raise(some[0])
                left = [p for p in left if p not in some]

    def _raise(self, place: Place) -> None:
        """What is larger in the model stays larger than this."""
        if self.ordered:
            self.floor = max(self.floor, self.found.member.values[place])

    def _reduce(self, places: list[Place], floor: int) -> bool:
        """Whether some integers became smaller."""
        now = self.found.member
        if time.process_time() > self.until or self.idle.issuperset(places):
            return False
        current = max(now.values[p] for p in places)
        why = ""
        strict = now.signature == self.model.signature  # else no other integer will make it so
        for weak in (False, True) if strict else (True,):
            for n in self._candidates(floor + 1, places, current):
                for values in self._together(places, n):
                    made = self.family.member(values)
                    if isinstance(made, str):
                        why = made
                    elif made.shapes == now.shapes:
                        self.idle.update(places)
                        return False
                    elif self._alike(made, weak) and (not weak or self._worth(made, places)):
                        return self._accept(made, places)
                if time.process_time() > self.until:
                    return False
        if why:
            self.found.kept.update({p: why for p in places})
        return False

    def _candidates(self, least: int, places: list[Place], current: int) -> list[int]:
        """Smaller values: a few from the least, such as divide as in the model, then others.

        Lengths of inputs are halved again and again where that goes, as strides do.
        """
        values, own = self.found.member.values, self.family.base[places[0]]
        divisors = {values[p] for p in self.found.felt if own % self.family.base[p] == 0}
        pairs = {a * b for a, b in itertools.combinations(sorted(divisors), 2)}
        step = math.lcm(1, *divisors)
        some = set(range(least, least + _STEPS))
        some.update(k * n for n in divisors | pairs for k in range(1, _MULTIPLES + 1))
        some.update(range(step, (_STEPS + 1) * step, step))
        given = any(p[0] == "input" for p in places)
        halves = [n for n in range(least + _STEPS, own) if own % n == 0] if given else []
        found = [*range(least, least + 2), *halves, *sorted(some)]
        n = least + _STEPS
        while n < current:
            found.append(n)
            n += max(2, n // 3)
        return [n for n in dict.fromkeys(found) if least <= n < current]

    def _together(self, places: list[Place], n: int) -> Iterator[Values]:
        """With multiples of what changes, then without; then with numbers that have to be below it.

        As the token of padding, on which no shape depends.
        """
        values = self.found.member.values
        old = values[places[0]]
        if all(values[p] == old for p in places):
            scaled = {
                p: m * n // old
                for p, m in values.items()
                if p not in places and m > old and m % old == 0 and self._may(p)
            }
            if scaled:
                yield {**values, **scaled, **dict.fromkeys(places, n)}
        yield {**values, **dict.fromkeys(places, n)}
        below = [p for p in self.idle if n <= values[p] < old]
        if below:
            yield {**values, **dict.fromkeys(below, n - 1), **dict.fromkeys(places, n)}

    def _may(self, place: Place) -> bool:
        return any(place in group for group in self.groups)

    def _alike(self, made: Member, weak: bool) -> bool:
        if weak:
            same = made.steps == self.model.steps or made.vocabulary == self.model.vocabulary
        else:
            same = made.signature == self.model.signature
        return same and (self.fits is None or self.fits(made))

    def _worth(self, made: Member, places: list[Place]) -> bool:
        """Whether what does other operations than the model is smaller for it.

        As a layer of each kind in turn decides what layers do, and not how large they are, even
        where other integers are multiples of it.
        """
        now = self.found.member
        if made.signature == now.signature or any(p[0] == "input" for p in places):
            return True
        without = self.family.member({**made.values, **{p: now.values[p] for p in places}})
        before = without if isinstance(without, Member) else now
        return made.parameters < before.parameters

    def _accept(self, made: Member, places: list[Place]) -> bool:
        self.found.member = made
        self.found.felt += [p for p in places if p not in self.found.felt]
        return True


def _parts(group: list[Place]) -> Iterator[list[Place]]:
    """Those of a group that may change together: all, inputs with one argument, then fewer."""
    yield group
    inputs = [p for p in group if p[0] == "input"]
    others = [p for p in group if p[0] != "input"]
    if inputs and others:
        yield from ([*inputs, p] for p in others)
        yield inputs
        yield others
    yield from ([p] for p in group)
