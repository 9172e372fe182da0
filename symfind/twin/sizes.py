"""Small sizes for all independent indices, under everything that binds them.

What decides which ranks are full is the order of sizes within each parameter; it is kept, strictly
where it is strict, and so is the equality of a width with a product (heads times head size).
Sizes start small and are only ever raised, one by one, until every condition holds.
"""

import itertools
import math
import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from symfind.algebra.axes import Axis, extent
from symfind.errors import SymfindError
from symfind.graph.extents import Definition, Least, Relations, size_atoms

WIDTH, FACTOR, COPIES, FREE = 3, 2, 2, 3  # where sizes start,
_NARROW = 2  # and widths where twins would be large
_ROWS = 3  # by which the rows of a table and their width stay apart: an affine map of n entries
# has n + 1 coefficients in every row, and takes any values that one likes on as many points
_ALL = 8  # twins on which all indices vary
_STEPS = 20_000
_MANY = 3000  # parameters of a twin that is large
_FAR = 100_000  # of one on which nothing can be seen, so that its sizes need not be found
_LOOK = 16  # steps after which it is seen whether there are too many parameters
Lengthened = Literal["widths", "copies", "evenly"]
LENGTHENED: tuple[Lengthened, ...] = ("widths", "copies", "evenly")
# Heads and groups last at first: they are many, and each adds whole matrices.


class Unbuildable(SymfindError):
    """No twin can be built; the message names the operation that stands in the way."""


@dataclass
class Sizes:
    """Sizes of the atomic indices of a twin."""

    values: dict[Axis, int]

    def __call__(self, axis: Axis) -> int:
        """The extent of any axis."""
        return int(extent(axis, self.values))


def choose(
    relations: Relations, variant: int, least: Sequence[Least] = (), narrow: bool = False
) -> Sizes:
    """Sizes for a twin; each `variant` differs.

    Of a width that is a product either factor may be the longer one, and which makes for few
    parameters follows from all equations together: both are tried. Where that makes for many, as
    where widths double from stage to stage, indices of one size are one class only as far as they
    meet in a parameter.

    Args:
        relations: of the graph.
        variant: a number; 0 is the smallest twin.
        least: further lower bounds.
        narrow: whether widths start where they say the least.

    Raises:
        Unbuildable: where the conditions contradict each other.
    """
    every = [*relations.least, *least]
    found: tuple[int, Sizes] | None = None
    why = Unbuildable("")
    ways = [(how, apart, _FAR) for how, apart in itertools.product(LENGTHENED, (False, True))]
    for how, apart, most in [*ways, (LENGTHENED[0], True, None)]:
        if (apart and found and found[0] <= _MANY) or (most is None and found):
            continue
        choice = _Choice(relations, variant, every, narrow, how, apart)
        try:
            sizes = choice.solve(found[0] if found else most)
        except Unbuildable as error:
            why = error
            continue
        if sizes is not None and (found is None or choice.scalars() < found[0]):
            found = choice.scalars(), sizes
    if found is None:
        raise why
    return found[1]


def own(relations: Relations) -> Sizes:
    """The sizes of the model itself."""
    return Sizes({})


@dataclass
class _Choice:
    relations: Relations
    variant: int
    least: Sequence[Least]
    narrow: bool
    lengthen: Lengthened = "widths"
    apart: bool = False  # whether widths that only happen to be equal are classes of their own
    level: dict[Hashable, int] = field(default_factory=dict)
    values: dict[Axis, int] = field(default_factory=dict)
    waived: set[tuple[int, int]] = field(default_factory=set)
    known: dict[Axis, int] = field(default_factory=dict)  # sizes, as long as no level changes

    def __post_init__(self) -> None:
        relations = self.relations
        everything = [a for outs in relations.axes.values() for out in outs for a in out]
        self.atoms = size_atoms(everything)
        self.fixed = set(size_atoms(axis for axis, _ in relations.pinned))
        definitions = [
            Definition(d.target.root, d.source.root, d.rule) for d in relations.definitions
        ]
        self.given: dict[Axis, Definition] = {}
        self.checked: list[Definition] = []
        for d in definitions:
            atomic = d.target.kind == "atom" and d.target.size > 1 and d.target not in self.fixed
            free = atomic and d.target not in self.given and not self._rests_on(d.source, d.target)
            if free:  # in a circle one size is free, and the last equation is left to be checked
                self.given[d.target] = d
            self.checked.append(d)
        self.sources = set(size_atoms(d.source for d in definitions)) - set(self.given)
        shapes = {id(op) for op in relations.graph.parameters.values() if id(op) in relations.axes}
        self.parameters = [relations.axes[key][0] for key in shapes]
        whole = {a.root for axes in self.parameters for a in axes}
        inside = set(size_atoms(whole))
        self.tables = {a.root for a in relations.tables}
        copies = set(size_atoms(relations.copies))
        meeting = self._meeting() if self.apart else {}
        self.kind: dict[Axis, Hashable] = {}
        for a in self.atoms:
            if a in self.fixed or a in self.given:
                continue
            if a in self.sources:
                key, base = "space", 2
            elif a in copies:
                key, base = "copies", COPIES
            elif a in inside:
                width = _NARROW if self.narrow else WIDTH
                key, base = "width", width if a in whole else FACTOR
            else:
                key, base = "free", FREE
            self.kind[a] = (key, a.size, meeting.get(a, 0) if key == "width" else 0)
            start = base + self._extra(key, a.size, a in whole)
            self.level[self.kind[a]] = max(self.level.get(self.kind[a], 0), start)
        self.order = self._given_in_order()
        self.pairs, self.alike = self._pairs(), self._alike()

    def _meeting(self) -> dict[Axis, int]:
        """A number for every class of indices of one size that meet in some parameter."""
        known: dict[Axis, int] = {}
        every = [same for axes in self.parameters for same in _by_size(size_atoms(axes))]
        for number, same in enumerate(every, 1):
            joined = {known[a] for a in same if a in known}
            known |= dict.fromkeys([a for a, n in known.items() if n in joined], number)
            known |= dict.fromkeys(same, number)
        return known

    def _rests_on(self, axis: Axis, target: Axis) -> bool:
        """Whether the size of an axis is, in the end, a function of that of a target."""
        waiting, seen = size_atoms([axis]), set[Axis]()
        while waiting:
            atom = waiting.pop()
            if atom is target:
                return True
            if atom in self.given and atom not in seen:
                waiting += size_atoms([self.given[atom].source])
            seen.add(atom)
        return False

    def _extra(self, key: str, size: int, whole: bool) -> int:
        """Different from twin to twin, and from one index to another."""
        if not self.variant or key == "space" or (self.variant >= _ALL and not whole):
            return 0  # heads, and what they are made of, multiply: some twins vary the rest alone
        return random.Random(f"{self.variant} {key} {size}").randint(0, 1)

    def _slack(self, axis: Axis) -> int:
        """How much further than it must be an axis is put from the next smaller one."""
        if not self.variant:
            return 0
        return random.Random(f"{self.variant} slack {axis.size}").randint(0, 1)

    def solve(self, most: int | None = None) -> Sizes | None:
        """Sizes under which all conditions hold, None where these need so many parameters."""
        for step in range(_STEPS):
            self._assign()
            if most is not None and not step % _LOOK and self.scalars() >= most:
                return None  # sizes are only ever raised
            if not self._improve():
                return Sizes(self.values)
        raise Unbuildable("no small sizes were found for which all operations fit")

    def _assign(self) -> None:
        self.values, self.known = {a: a.size for a in self.fixed}, {}
        for a, kind in self.kind.items():
            self.values[a] = min(a.size, self.level[kind])
        for a in self.order:
            d = self.given[a]
            self.values[a] = d.rule(int(extent(d.source, self.values)))

    def _given_in_order(self) -> list[Axis]:
        """What follows from other sizes, each after those that it follows from."""
        waiting = {a: size_atoms([d.source]) for a, d in self.given.items()}
        found: list[Axis] = []
        while waiting:
            ready = [a for a, needed in waiting.items() if not any(x in waiting for x in needed)]
            for a in ready:
                del waiting[a]
            found += ready
        return found

    def scalars(self) -> int:
        """Parameters of the twin."""
        return sum(math.prod(map(self._size, axes)) for axes in self.parameters)

    def _size(self, axis: Axis) -> int:
        if axis not in self.known:
            self.known[axis] = int(extent(axis, self.values))
        return self.known[axis]

    def _improve(self) -> bool:
        """Raise one size for the sake of one violated condition; whether there was one."""
        for axis in self._short():
            self._raise(axis)
            return True
        for small, large in self._order():
            if (id(small), id(large)) in self.waived:
                continue
            try:
                self._raise(large, small)
            except Unbuildable:
                self.waived.add((id(small), id(large)))
            return True
        return False

    def _short(self) -> Iterator[Axis]:
        """What must be longer for every operation to fit."""
        for d in self.checked:
            reached = d.rule(self._size(d.source))
            if reached < min(2, d.target.size) or reached < self._size(d.target):
                yield d.source
            elif reached > self._size(d.target):
                yield d.target
        for axis, size in self.least:
            if self._size(axis) < size:
                yield axis

    def _order(self) -> Iterator[tuple[Axis, Axis]]:
        """Pairs whose second must be longer, for sizes to be ordered as they are in the model."""
        for a, b, apart in self.pairs:
            if self._size(b) < self._size(a) + apart:
                yield a, b
        for same in self.alike:
            longest = max(same, key=self._size)
            for a in same:
                if self._size(a) < self._size(longest):
                    yield longest, a

    def _pairs(self) -> list[tuple[Axis, Axis, int]]:
        """Dimensions of one parameter of which the second is longer, and by how much at least."""
        found: dict[tuple[Axis, Axis], int] = {}
        for axes in self.parameters:
            plain = [a.root for a in (axes[:2] if len(axes) > 3 else axes) if a.size > 1]
            for a in plain:
                for b in plain:
                    apart = _ROWS if a in self.tables or b in self.tables else 1
                    if a.size < b.size and (a, b) not in found:
                        found[a, b] = min(apart + self._slack(b), b.size - a.size)
        return [(a, b, apart) for (a, b), apart in found.items()]

    def _alike(self) -> list[list[Axis]]:
        """Dimensions of one size, some of which are made of others: they stay of one size."""
        dims = {a.root for axes in self.parameters for a in axes}
        together = [[a.root for a in axes] for axes in self.parameters] if self.apart else [[*dims]]
        every = [same for axes in together for same in _by_size(axes)]
        return [same for same in every if len({a.kind for a in same}) > 1]

    def _raise(self, axis: Axis, above: Axis | None = None) -> None:
        """Make an axis longer, for its own sake or to be longer than another."""
        found = [a for a in size_atoms([axis]) if a not in self.fixed]
        room = [a for a in found if a in self.given or self.values[a] < a.size]
        if not room:
            raise Unbuildable(f"an index of size {axis.size} cannot be shrunk as the others are")
        # What both have in common makes both longer.
        shared = [] if above is None else [self.kind.get(a) for a in size_atoms([above])]
        best = max(room, key=lambda a: (self.kind.get(a) not in shared, *self._preferred(a)))
        if best in self.given:
            self._raise(self.given[best].source)
        else:
            self.level[self.kind[best]] = self.values[best] + 1

    def _preferred(self, atom: Axis) -> tuple[int, int]:
        """Which factor of a width is made longer first."""
        few = self._kind(atom) != "copies"
        if self.lengthen == "evenly":
            return -self.values[atom], few
        return (few if self.lengthen == "widths" else not few), atom.size

    def _kind(self, atom: Axis) -> object:
        kind = self.kind.get(atom)
        return kind[0] if isinstance(kind, tuple) else None


def _by_size(axes: Iterable[Axis]) -> list[list[Axis]]:
    """Those of one size together."""
    found: dict[int, list[Axis]] = {}
    for axis in dict.fromkeys(axes):
        found.setdefault(axis.size, []).append(axis)
    return list(found.values())
