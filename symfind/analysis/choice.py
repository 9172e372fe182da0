"""Which small members of a family are measured, and in what order."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from symfind.family.depth import KEPT, Short, shortened, with_layers
from symfind.family.family import Family, Member
from symfind.family.fewest import fewest
from symfind.family.shrink import Shrinking
from symfind.family.small import FEW, Fits, apart, poor, richer, small

MOST_PARAMETERS = 6500
_EASY = 3600  # parameters of a member that is measured in seconds
_HARD = 300_000_000  # numbers that are computed for its Jacobian, of one that is measured so
_EXTRA = 500  # that a change of one integer may add beyond
_LONE = 1600  # parameters of one of which the next, with larger integers, is slow to measure,
_BESIDE = 2  # if it has more than so many times as many
_HUGE = 20 * MOST_PARAMETERS  # at which, by a rough bound, no member is tried
_WIDE, _NARROW = 4, 2  # least integers of the members after the first
_SLOW = 3000  # parameters of one of which the narrow ones come first
RICHER = (2.5, 5)  # times as many tokens as the widest bond has units: of what sees one alone,
# two layers of d and 4d units have 8 d² parameters and d outputs for each token
_SECONDS = 6.0  # of the processor, to make one member small,
_ALL = 20.0  # and to make all of them, after which each has little
_LITTLE = 1.0


class Large(Exception):
    """Members are not made small quickly, and there is another way."""


class Choice:
    """Members of a family that are measured in seconds, and differ in as much as can be.

    Args:
        family: of the model.
        shapes: of the parameters of the model, by name.

    Attributes:
        otherwise: whether there is another way: asked where the first member is still large.
        fits: whether a member, made to be like a model of few layers, is one at all.
    """

    def __init__(self, family: Family, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.family, self.shapes = family, shapes
        self.otherwise: Callable[[], bool] | None = None
        self.fits: Callable[[Member, Member], bool] | None = None
        self._end = 0.0
        self._shrunk: dict[tuple[tuple[int, ...], int, bool, bool], Shrinking] = {}

    def first(self) -> tuple[Short, Shrinking] | str:
        """With two layers of each kind, or one where that is large; or why there is none.

        Raises:
            Large: it is large with either, and there is another way.
        """
        self._end = time.process_time() + _ALL
        model = self.family.member({})
        if not self._same(model):
            return "made again, the model has other parameters"
        if self.otherwise is not None and isinstance(model, Member):
            if fewest(self.family, model) > _HUGE and self.otherwise():
                raise Large
        found: tuple[Short, Shrinking] | None = None
        for kept in (KEPT, 1):
            short = shortened(self.family, kept)
            if isinstance(short, str):
                return f"the model cannot be made again: {short}"
            if found is not None and short.member.values == found[0].member.values:
                break
            first = (found and self._fewer(short, found[1])) or self._first(short)
            if found is None or self._cost(short, first) < self._cost(*found):
                found = short, first
            if self._cost(*found) <= (False, _EASY, _HARD):
                break
        assert found is not None
        return found

    def _cost(self, short: Short, one: Shrinking) -> tuple[bool, int, int]:
        """Whether it has few tokens, parameters beyond those of an easy one, and its work."""
        member = one.member
        return self._poor(short, one), max(_EASY, member.parameters), member.work

    def _fewer(self, short: Short, before: Shrinking) -> Shrinking | None:
        """The same small member with fewer layers, where it is easy with more."""
        if before.member.parameters > _EASY or self._poor(short, before):
            return None
        layers = {p: short.member.values[p] for p in short.depths}
        made = self.family.member(with_layers(before.member, layers))
        if isinstance(made, str) or made.signature != short.member.signature:
            return None
        return replace(before, member=made)

    def several(self, short: Short, first: Shrinking) -> Iterator[Member]:
        """Members, each of which differs from the one before in as much as can be.

        The wide one comes last where it is slow to measure; what has its integers in another order
        than the model comes after what has not.
        """
        yield first.member
        near = self._near(short, first)
        if near is not None:
            yield near.member
        wide = near or self._apart(short, first, self._small(short, _WIDE))
        quick = wide.member.parameters <= _SLOW and wide.member.work <= _HARD
        quick = quick and not self._poor(short, wide)
        if quick and near is None:
            yield wide.member
        narrow = self._apart(short, wide if quick else first, self._small(short, _NARROW))
        others = [narrow] if quick or near is not None else [wide, narrow]
        rest = sorted(others, key=partial(self._strange, first))
        yield from (one.member for one in rest if quick or not self._poor(short, one))

    def _strange(self, first: Shrinking, one: Shrinking) -> tuple[int, int]:
        """How many integers are in another order than the model's, then the parameters."""
        pairs = itertools.permutations(first.felt, 2)
        base, now = self.family.base, one.member.values
        return sum(base[p] < base[q] and now[p] > now[q] for p, q in pairs), _parameters(one)

    def richer(self, short: Short, member: Member, times: float) -> Member:
        """The member with so many times as many tokens as its widest bond has units."""
        return richer(self.family, short.member, member, times, MOST_PARAMETERS)

    def _first(self, short: Short) -> Shrinking:
        """Not the smallest, of which all is narrow, unless the next is large or computes much."""
        tried: list[Shrinking] = []
        easy: list[Shrinking] = []
        for least in (3, _NARROW):
            tried.append(self._small(short, least))
            if tried[-1].member.parameters <= _EASY and not self._poor(short, tried[-1]):
                easy.append(tried[-1])
            if easy and easy[0].member.work <= _HARD:
                return easy[0]
            if not easy and tried[-1].hurried and self.otherwise is not None and self.otherwise():
                raise Large
        if easy:
            return min(easy, key=_work)
        if self.otherwise is not None and self.otherwise():
            raise Large
        tried += [self._small(short, least, ordered=False) for least in (4, 3)]
        return min(tried, key=lambda one: (self._poor(short, one), _parameters(one)))

    def _fits(self, short: Short) -> Fits:
        return None if self.fits is None else partial(self.fits, short.member)

    def _poor(self, short: Short, one: Shrinking) -> bool:
        return poor(self.family, short.member, one.member)

    def _apart(self, short: Short, before: Shrinking, other: Shrinking) -> Shrinking:
        """What is the same in both stays so where others would be slow to measure."""
        if other.member.parameters > MOST_PARAMETERS:
            other = replace(before)
        easy = max(_EASY, other.member.parameters + _EXTRA)
        most = MOST_PARAMETERS
        apart(self.family, short, before, other, min(easy, most), most, self._fits(short))
        other.member = self.richer(short, other.member, RICHER[0])
        return other

    def _near(self, short: Short, first: Shrinking) -> Shrinking | None:
        """One that differs from the first by little, where others would be large.

        In everything but a few integers, as many as of those.
        """
        near, size = replace(first), first.member.parameters
        if size > _EASY or (size <= _LONE and first.member.work <= _HARD // 4):
            return None
        most = min(max(_EASY, _BESIDE * size), MOST_PARAMETERS)
        same = apart(self.family, short, first, near, most, most, self._fits(short))
        if len(same) > len(first.felt) // FEW or self._poor(short, near):
            return None
        return near

    def _same(self, again: Any) -> bool:
        """Whether the recipe with nothing changed gives the model."""
        if not isinstance(again, Member):
            return False
        shapes = {name: tuple(op.shape or ()) for name, op in again.graph.parameters.items()}
        return shapes == {name: tuple(shape) for name, shape in self.shapes.items()}

    def _small(self, short: Short, least: int, ordered: bool = True) -> Shrinking:
        """Small, with as large a vocabulary as it takes to see what is done to single tokens."""
        key = tuple(short.member.values.values()), least, ordered, self.fits is not None
        if key not in self._shrunk:
            seconds = min(_SECONDS, max(_LITTLE, (self._end - time.process_time()) / 2))
            found = small(self.family, short, least, seconds, _EASY, ordered, self._fits(short))
            found.member = self.richer(short, found.member, RICHER[0])
            self._shrunk[key] = found
        return replace(self._shrunk[key])  # others are made from it


def _parameters(one: Shrinking) -> int:
    return one.member.parameters


def _work(one: Shrinking) -> int:
    return one.member.work
