"""The whole of a model where its dictionary is small, and then one neighbourhood after another."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from symfind import budget
from symfind.count.carriers import Carried
from symfind.discovery.dictionary import NEAR, TIERS, Dress, Shape, tier
from symfind.discovery.gains import dresses
from symfind.discovery.locality import Locality
from symfind.discovery.samples import Sample, Samples
from symfind.discovery.search import Found, search
from symfind.numerics.spans import beyond_span, span
from symfind.verify import Nullity

MOST_FIELDS = 6000  # of one dictionary; few are left once each tensor was looked at alone
WHOLE = 1000  # fields, own and shifts, of a model that is looked at as a whole, or is narrow
# tiers, and whether neighbourhoods are joined with those of known symmetries
_STAGES = ((NEAR, False), (NEAR, True), (TIERS, False), (TIERS, True))
_SMALL = 5  # tensors of a neighbourhood that is joined to others

Tell = Callable[[str], None]


class Exploration:
    """What is found so far, and where.

    Args:
        shapes: all parameters.
        samples: of all parameters.
        measured: the null space that is to be explained.
        most: fields of one equation at most.
        tell: called with a line on what is being done.
        total: fields of all equations, from which no further one is begun; points at which rows
            were looked at count as well.

    Attributes:
        found: solutions, each of which adds to those before it and to what was known.
        unclear: whether the model as a whole was looked at, without a clear answer.
        searched: how often an equation was looked at.
        stopped: whether the limit was reached before all was looked at.
        left_out: blocks of fields that there was no room for.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        samples: Samples,
        measured: Nullity,
        most: int,
        tell: Tell,
        total: float = math.inf,
    ) -> None:
        self.shapes = {shape.name: shape for shape in shapes}
        self.samples, self.measured, self.most, self.tell = samples, measured, most, tell
        self.found: list[Found] = []
        self.unclear = self.stopped = False
        self._room = total
        self.searched = 0
        self.left_out: dict[str, None] = {}
        self._tried: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        self._gains = cache(lambda: dresses(list(self.shapes.values()), samples.part()))

    def run(self) -> None:
        """Look at the model as a whole, if it is small, and at what that leaves unexplained.

        Where some null directions are known beforehand, only at what they leave.
        """
        shapes = list(self.shapes.values())
        plain = self._plain(list(self.shapes))
        clear = self.measured.status == "clear"
        if not clear or (plain <= WHOLE and not self.measured.known):
            goal = self.measured.nullity if clear else None
            found = self._search(tuple(self.shapes), lambda f: f.dimension == goal, TIERS)
            self.found += [found] if found else []
            self.unclear = found is None and bool(shapes)
        if clear:
            theta, null = self.measured.theta, self.measured.null
            assert theta is not None and null is not None
            self._here = Sample(theta, null.new_zeros(0, len(null)))
            self._base = Locality.at(self.samples, theta, null)
            known = null[:, : self.measured.known]
            self._explained = span(torch.cat([known, self._directions(self.found)], 1))
            # what is wide is looked at last, when all that is narrow is explained
            for widest in (WHOLE, math.inf):
                for tiers, joined in _STAGES:
                    while not self.stopped and self._pass(tiers, joined, widest):
                        pass

    def _plain(self, names: Sequence[str]) -> int:
        """Fields, own and shifts, of some tensors."""
        shapes = [self.shapes[name] for name in names]
        return sum(b.count for name in ("own", "shifts") for b in tier(name, shapes, {}))

    def _directions(self, found: Sequence[Found]) -> Tensor:
        none = torch.zeros(self.samples.function.count, 0, dtype=torch.float64)
        return torch.cat([none, *(f.directions(self._here) for f in found)], 1)

    def _pass(self, tiers: tuple[str, ...], joined: bool, widest: float) -> bool:
        """Look at all minimal sets of what is not explained: whether some of it was.

        Areas with more plain fields than `widest` are left aside. What is as good as explained,
        at the precision of sparse vectors, would be met again for ever: it ends where no less is
        left than before.
        """
        before = self._explained.shape[1]
        aside, left = self._explained[:, :0], math.inf
        while True:
            known = span(torch.cat([self._explained, aside], 1))
            rest = self._base.beyond(known)
            if rest.shape[1] >= left or not rest.shape[1]:
                break
            left = rest.shape[1]
            sets = self._base.sets(known, rest)
            areas = [(self._area(one.tensors, joined), one) for one in sets]
            for names, one in sorted(areas, key=lambda area: len(area[0])):
                budget.check()
                if self._room <= 0:
                    self.stopped = True
                    return False
                narrow = self._plain(names) <= widest
                if narrow and not self._explains(one, self._explained):
                    self._look(names, one, tiers)
                if not self._explains(one, self._explained):
                    aside = torch.cat([aside, one.vectors], 1)
        return self._explained.shape[1] > before

    def _area(self, tensors: tuple[str, ...], joined: bool) -> tuple[str, ...]:
        """Tensors with those that they depend on; and those that known symmetries move with them.

        What is minimal up to known symmetries may still need what these move.
        """
        if joined:
            near = [f.part.slices for f in self.found if len(f.part.slices) <= _SMALL]
            tensors += tuple(n for names in near if names.keys() & {*tensors} for n in names)
        return self._base.neighbourhood(tensors)

    def _explains(self, one: Carried, explained: Tensor) -> bool:
        return beyond_span(span(one.vectors), explained).shape[1] == 0

    def _look(self, names: tuple[str, ...], one: Carried, tiers: tuple[str, ...]) -> None:
        """Solve on a neighbourhood for what one set carries."""
        if (names, tiers) in self._tried:
            return
        self._tried.add((names, tiers))

        def enough(found: Found) -> bool:
            more = torch.cat([self._explained, self._directions([found])], 1)
            return self._explains(one, span(more))

        found = self._search(names, enough, tiers)
        if found is None:
            return
        more = span(torch.cat([self._explained, self._directions([found])], 1))
        if more.shape[1] > self._explained.shape[1]:
            self.found.append(found)
            self._explained = more

    def _search(
        self, names: tuple[str, ...], enough: Callable[[Found], bool], tiers: tuple[str, ...]
    ) -> Found | None:
        shapes = [self.shapes[name] for name in names]

        def gains() -> Mapping[str, Sequence[Dress]]:
            return {
                name: [dress for dress in own if dress.gain in names]
                for name, own in self._gains().items() if name in names
            }  # fmt: skip

        part = self.samples.part(names)
        result = search(shapes, part, gains, enough, self.most, tiers, self.tell, self._room)
        self.searched += 1
        self._room -= result.solved
        self.stopped |= result.stopped
        self.left_out |= dict.fromkeys(result.left_out)
        return result.found
