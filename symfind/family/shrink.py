"""Small members of a family: every integer made as small as the architecture lets it be.

Integers are taken in the order of their sizes, and keep that order unless that makes the member too
large. Several have to change together
where a constructor wants one to divide another or two to be equal, so that a smaller value is tried
for all multiples of it at once, then for all that are equal, then alone. What is accepted must do
the same operations in the same order as the model.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symfind.family.family import Family, Member, Values
from symfind.family.places import Place

_STEPS = 10  # values above the least that are tried one by one
_LEAST = 4  # smaller ones stay: kernels of three, colours, strides


@dataclass
class Shrinking:
    """How a small member was reached.

    Attributes:
        member: the smallest.
        felt: integers that its shapes depend on.
        kept: those that could not be made smaller, with what was said to the last try.
    """

    member: Member
    felt: list[Place] = field(default_factory=list)
    kept: dict[Place, str] = field(default_factory=dict)


def shrink(
    family: Family,
    start: Member,
    fixed: Sequence[Place],
    least: int,
    seconds: float,
    ordered: bool = True,
) -> Shrinking:
    """Make all integers of a member but some small.

    Args:
        family: of the member.
        start: the member.
        fixed: integers that stay.
        least: the smallest value that is tried.
        seconds: of the processor, after which what is reached is taken.
        ordered: whether what is larger than another in the model stays so.
    """
    return _Shrink(family, start, fixed, least, seconds, ordered).done()


class _Shrink:
    def __init__(
        self,
        family: Family,
        start: Member,
        fixed: Sequence[Place],
        least: int,
        seconds: float,
        ordered: bool,
    ) -> None:
        self.family, self.model, self.ordered = family, start, ordered
        self.found = Shrinking(start)
        self.end = time.process_time() + seconds
        base = {p: n for p, n in start.values.items() if p not in fixed and n >= _LEAST}
        self.groups = [[p for p in base if base[p] == n] for n in sorted(set(base.values()))]
        self.floor = least - 1

    def done(self) -> Shrinking:
        for group in self.groups:
            if time.process_time() > self.end:
                break
            self._group(group)
        return self.found

    def _group(self, group: list[Place]) -> None:
        """Integers that are equal in the model: together if that goes, else one by one."""
        floor = self.floor
        if self._reduce(group, floor):
            self._raise(group[0])
            return
        for place in group if len(group) > 1 else ():
            if time.process_time() < self.end and self._reduce([place], floor):
                self._raise(place)

    def _raise(self, place: Place) -> None:
        """What is larger in the model stays larger than this."""
        if self.ordered:
            self.floor = max(self.floor, self.found.member.values[place])

    def _reduce(self, places: list[Place], floor: int) -> bool:
        """Whether some integers became smaller, or already are what they can be."""
        now = self.found.member
        current = max(now.values[p] for p in places)
        why = ""
        for weak in (False, True):
            for n in self._candidates(floor + 1, places[0], current):
                for values in self._together(places, n):
                    made = self.family.member(values)
                    if isinstance(made, str):
                        why = made
                    elif self._alike(made, weak):
                        return self._accept(made, places)
                if time.process_time() > self.end:
                    return False
        if why:
            self.found.kept.update({p: why for p in places})
        return False

    def _candidates(self, least: int, place: Place, current: int) -> list[int]:
        """Smaller values: a few from the least, then such as divide as in the model, others."""
        values, base = self.found.member.values, self.family.base
        divisors = [values[p] for p in self.found.felt if base[place] % base[p] == 0]
        step = math.lcm(1, *divisors)
        first = least + (-least) % step
        some = [*range(least, least + _STEPS), *range(first, first + _STEPS * step, step)]
        n = least + _STEPS
        while n < current:
            some.append(n)
            n += max(2, n // 3)
        return [n for n in dict.fromkeys(some) if n < current]

    def _together(self, places: list[Place], n: int) -> Iterator[Values]:
        """With multiples of what changes, then without."""
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

    def _may(self, place: Place) -> bool:
        return any(place in group for group in self.groups)

    def _alike(self, made: Member, weak: bool) -> bool:
        if weak:
            return made.steps == self.model.steps or made.vocabulary == self.model.vocabulary
        return made.signature == self.model.signature

    def _accept(self, made: Member, places: list[Place]) -> bool:
        if made.shapes == self.found.member.shapes:
            return False  # nothing depends on it
        self.found.member = made
        self.found.felt += [p for p in places if p not in self.found.felt]
        return True
