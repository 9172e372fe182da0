"""Members of a family around one of them, and what is counted at each."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symfind.count.counted import Counted, counted
from symfind.count.symbols import AxisSymbols
from symfind.count.tally import moderate, work
from symfind.family.family import Family, Member, Values
from symfind.family.places import Place
from symfind.formulas.domain import Condition
from symfind.formulas.provenance import relevant
from symfind.formulas.sizes import Sizes, beside
from symfind.formulas.slots import Case, Paths, Row, row
from symfind.formulas.values import value
from symfind.solve.solver import derive
from symfind.trace import Graph
from symfind.verify.threads import fitting_threads

_LINE = 3  # members that differ in one size
_MANY = 7  # sizes; of more there are fewer members for each
_MILD = 8  # members of which several sizes are somewhat larger
_SMALLEST = (1, 2, 3, 4)
_DEEP = (1, 2, 3, 4, 6)
_MIX = 0.5  # of the sizes are changed
_TRIES = 8  # for every member that is wanted
_DRAWS = 300  # of sizes, of which few are counted at
_TRIED = 5  # of these, for every condition
_SLOW = 5.0  # seconds of the processor for one member
_WORK = 400_000_000  # products that a member may take to be counted, about a second,
_TIMES = 20  # or so many times as many as the first one
_TELL = 2.0  # seconds between words on progress

Holds = Callable[[Mapping[str, int]], bool]


class Sampled:
    """Counts at members of a family.

    Attributes:
        sizes: that what is counted depends on.
        rows: what was counted, the start first.
        near: how many of them differ little from the start, and have tensors that are made up in
            the same way; they come first.
        paths: the symbols in the forms of the rows.
        cost: of the first, in seconds of the processor, once its member is there.
    """

    def __init__(
        self,
        family: Family,
        output: str,
        start: Values,
        seconds: float,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Count at one member.

        Args:
            family: of the model.
            output: "raw" or "softmax".
            start: the integers of the member around which others are made.
            seconds: of the processor, for all that is asked later.
            tell: told what is being done.
        """
        self.family, self.output = family, output
        self.end, self.tell = time.process_time() + seconds, tell
        self.paths, self.rows, self.near = Paths(), list[Row](), 0
        self._known: set[Case] = set()
        self._depths: set[Place] = set()  # more of which are more tensors
        self._seen: dict[tuple[int, ...], Row | None] = {}
        self._rng, self._work = random.Random(0), 0
        self._told = time.monotonic()
        self.sizes = Sizes(family, start, self.late)
        begun = time.process_time()
        self.at({})
        self.cost = time.process_time() - begun

    def late(self, seconds: float = 0.0) -> bool:
        """Whether time has been up for so many seconds; or will be in as many, below zero."""
        return time.process_time() > self.end + seconds

    def divided(self) -> list[tuple[str, str]]:
        """Pairs of which the first is a multiple of the second at the start."""
        names = self.sizes.names
        return [(names[p], names[q]) for p, q in self.sizes.divided()]

    def split(self) -> list[tuple[str, str]]:
        """Those of them of which the second divides an index: else tensors are made up otherwise.

        As where a width that no number of heads divides is still one that can be computed with.
        """
        first = self.rows[0]
        apart = {
            (a, b): [r.structure == first.structure for r in self.rows if r.at[a] % r.at[b]]
            for a, b in self.divided()
        }
        return [pair for pair, alike in apart.items() if alike and not any(alike)]

    # members ------------------------------------------------------------------------------------
    def around(self) -> None:
        """Count where one size alone is another, then a few, as they are there."""
        each = _LINE if len(self.sizes.names) <= _MANY else _LINE - 1
        for place in self.sizes.names:
            self._along(place, each)
        for p, q in self.sizes.divided():
            n, k = self.sizes.start[q], self.sizes.start[p] // self.sizes.start[q]
            if not self.late():
                self.at({p: 2 * k * n, q: 2 * n})
                self.at({p: 2 * k * n})
            if not self.late() and self.at({q: n + 1}) is None:
                self.at({p: k * (n + 1), q: n + 1})
                self.at({p: 2 * k * (n + 1), q: n + 1})
        for p in self.sizes.names:
            n = self.sizes.start[p]
            multiples = {
                q: self.sizes.start[q] // n
                for q in self.sizes.names
                if self.sizes.start[q] % n == 0
            }
            for m in (n - 1, n + 1) if n > 2 and len(multiples) > 1 else ():
                if not self.late():
                    self.at({q: k * m for q, k in multiples.items()})
        first = self.rows[0].structure
        self.rows.sort(key=lambda r: r.structure != first)
        self.near = sum(r.structure == first for r in self.rows)
        self.closer(_MILD, 0.3)

    def _along(self, place: Place, wanted: int) -> None:
        """Count where one size is another, so many times that tensors are made up as at the start.

        What changes nothing nearby is left to members of which all is anything.
        """
        n, first = self.sizes.start[place], self.rows[0]
        values = list(dict.fromkeys((*self.sizes.steps[place], *beside(n))))
        for k in values:
            if self.late() or wanted <= 0:
                return
            row = self.at({place: k})
            if row is not None and len(row.tensors) != len(first.tensors):
                self._depths.add(place)
            if row is None or row.structure != first.structure:
                continue
            wanted -= 1 if row.orbits != first.orbits else max(1, wanted - 1)
            if k not in self.sizes.steps[place]:
                self.sizes.steps[place].append(k)
            if abs(k - n) > 1:  # as where it has to be a multiple
                values += [m for m in (n + 2 * abs(k - n), n + 3 * abs(k - n)) if m not in values]

    def closer(self, wanted: int, until: float) -> bool:
        """Count at more members of which several sizes are somewhat larger; whether there are any.

        Args:
            wanted: how many.
            until: the part of the remaining time that may be taken.
        """
        before, first = len(self.rows), self.rows[0].structure
        self._mixed(wanted, until, self._mild())
        more = [r for r in self.rows[before:] if r.structure == first]
        rest = [r for r in self.rows[before:] if r.structure != first]
        self.rows[self.near :] = [*more, *self.rows[self.near : before], *rest]
        self.near += len(more)
        return bool(more)

    def edges(self) -> None:
        """Count where one size alone is as small as can be."""
        for place in self.sizes.names:
            if not self.late():
                self.at({place: 1})

    def anywhere(self, wanted: int, until: float, holds: Holds = lambda at: True) -> list[Row]:
        """Count at so many other members in which several sizes are anything.

        Args:
            wanted: how many.
            until: the part of the remaining time that may be taken.
            holds: whether the sizes of a member are among those that are asked about.
        """
        return self._mixed(wanted, until, self._any, holds)

    def against(self, conditions: Sequence[Condition], holds: Holds) -> list[Row]:
        """Count at other members at which some conditions do not hold, each at one of them.

        What differs least from the first comes first, and of that what most conditions leave out.

        Args:
            conditions: none of which has to hold.
            holds: whether the sizes of a member are among those that are asked about.
        """
        before = len(self.rows)
        draws = [(some, self.sizes.named(self.sizes.changed(some))) for some in self._draws()]
        free = [
            (some, [c for c in conditions if not c.holds(at)]) for some, at in draws if holds(at)
        ]
        free.sort(key=lambda one: (len(one[0]), -len(one[1])))
        left = list(conditions)
        for c in conditions:
            tried = 0
            for some, broken in free:
                if c not in left or tried == _TRIED or self.late():
                    break
                if c not in broken or self.sizes.key(self.sizes.changed(some)) in self._seen:
                    continue
                tried += 1
                if self.at(some) is not None:
                    left = [c for c in left if c not in broken]
        return self.rows[before:]

    def showing(self, expressions: Sequence[Any], holds: Holds) -> list[Row]:
        """Count at other members at which some expressions are not zero, each at one of them."""
        before = len(self.rows)
        draws = [*self._draws(), *(self._any() for _ in range(_DRAWS))]
        places = [(some, self.sizes.named(self.sizes.changed(some))) for some in draws]
        inside = [(some, at) for some, at in places if holds(at)]
        for e in expressions:
            if any(value(e, r.at) for r in self.rows[before:]):
                continue
            told = [some for some, at in inside if value(e, at)]
            for some in told[:_TRIED]:
                if self.late() or self.at(some) is not None:
                    break
        return self.rows[before:]

    def _draws(self) -> list[dict[Place, int]]:
        """Every size alone as small as others are; then several."""
        starts = [self.sizes.start[p] for p in self.sizes.names]
        alone = [{p: n} for p in self.sizes.names for n in dict.fromkeys((*_SMALLEST, *starts))]
        return [*alone, *(self._few() for _ in range(_DRAWS))]

    def _few(self) -> dict[Place, int]:
        """One to three sizes, small or what another is; or one and all that divide it as small."""
        whole, small = self._rng.choice(list(self.sizes.names)), self._rng.choice(_SMALLEST)
        if self._rng.random() < _MIX:
            divisors = (q for p, q in self.sizes.divided() if p == whole)
            return dict.fromkeys((whole, *divisors), small)
        chosen = self._rng.sample(
            list(self.sizes.names), self._rng.randint(1, min(3, len(self.sizes.names)))
        )
        starts = [self.sizes.start[p] for p in self.sizes.names]
        return {p: self._rng.choice((*_SMALLEST, self.sizes.start[p] + 1, *starts)) for p in chosen}

    def _mixed(
        self,
        wanted: int,
        until: float,
        draw: Callable[[], dict[Place, int]],
        holds: Holds = lambda at: True,
    ) -> list[Row]:
        end = time.process_time() + until * (self.end - time.process_time())
        before, tried = len(self.rows), 0
        for _ in range(_DRAWS):
            if len(self.rows) >= before + wanted or time.process_time() > end:
                break
            values = self.sizes.changed(draw())
            if self.sizes.key(values) in self._seen or not holds(self.sizes.named(values)):
                continue
            tried += 1
            if tried > _TRIES * wanted:
                break
            self._count(values)
        return self.rows[before:]

    def _mild(self) -> Callable[[], dict[Place, int]]:
        """Gives two or three somewhat larger sizes, of those that counts depend on nearby."""
        felt = relevant([(r.at, r.total) for r in self.rows[: self.near]])
        names = self.sizes.names
        places = [p for p, name in names.items() if name in felt] or list(names)

        def draw() -> dict[Place, int]:
            several = min(len(places), self._rng.randint(2, 3))
            return {p: self._near(p) for p in self._rng.sample(places, several)}

        return draw

    def _some(self) -> list[Place]:
        return [p for p in self.sizes.names if self._rng.random() < _MIX]

    def _any(self) -> dict[Place, int]:
        some = {p: self._other(p) for p in self._some()}
        return some if self._rng.random() < _MIX else self._multiples(some)

    def at(self, some: Mapping[Place, int]) -> Row | None:
        """What is counted at other sizes, None where there is no such member."""
        return self._count(self.sizes.changed(some))

    def _count(self, values: Values) -> Row | None:
        key = self.sizes.key(values)
        if key not in self._seen:
            begun = time.process_time()
            self._seen[key] = found = self._row(values)
            if time.process_time() - begun > _SLOW:
                self.end = min(self.end, begun)  # others will be no faster
            if found is not None:
                self.rows.append(found)
                self._progress()
        return self._seen[key]

    def _row(self, values: Values) -> Row | None:
        made = self.family.member(values, self.sizes.most)
        if not isinstance(made, Member) or made.parameters > self.sizes.most:
            return None
        try:
            found = self._derived(made.graph)
        except Exception:  # what nothing can be derived of is no member to learn from
            return None
        if found is None or any(not t.known for t in found.tallies):
            return None
        return row(found, self.sizes.named(values), self.paths, self._known)

    def _derived(self, graph: Graph) -> Counted | None:
        """What is counted at a member, None where that takes much longer than at the first."""
        with fitting_threads(0):
            derivation = derive(graph, self.output)
            families = derivation.families
            if not moderate(families):
                return None
            effort = work(
                families, {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
            )
            if effort > max(_WORK, _TIMES * (self._work or effort)):
                return None
            self._work = self._work or effort
            return counted(graph, derivation, AxisSymbols())

    def _progress(self) -> None:
        if time.monotonic() - self._told > _TELL:
            self._told = time.monotonic()
            self.tell(f"the formula at other sizes: {len(self.rows)} models of the family counted")

    def _multiples(self, some: dict[Place, int]) -> dict[Place, int]:
        """What is a multiple of another at the start as one of that."""
        pairs = self.sizes.divided()
        for p, q in self._rng.sample(pairs, len(pairs)):
            some = {**some, p: self._rng.randint(1, 3) * some.get(q, self.sizes.start[q])}
        return some

    def _near(self, place: Place) -> int:
        n = self.sizes.start[place]
        return self._rng.choice([k for k in self.sizes.steps[place] if k > n] or [n])

    def _other(self, place: Place) -> int:
        """Another value: beside the first, small, or what another size is."""
        n = self.sizes.start[place]
        likely = [*self.sizes.steps[place] * 2, n, n + 1, n + 2, 2 * n, 3 * n, 4 * n]
        another = self.sizes.start[self._rng.choice(list(self.sizes.names))]
        extreme = [1, 2, 3, max(1, n - 1), another, n * another, self._rng.randint(1, 4 * n)]
        return self._rng.choice([*likely, *extreme, *extreme])
