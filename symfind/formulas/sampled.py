"""Members of a family around one of them, and what is counted at each."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from symfind.count.symbols import AxisSymbols
from symfind.family.family import Family, Member, Values
from symfind.family.places import Place
from symfind.formulas.domain import Condition
from symfind.formulas.provenance import relevant
from symfind.formulas.slots import Case, Paths, Row, row
from symfind.twin.formula import count

_LARGE = 3000  # parameters of a member, or
_TIMES = 3  # as many as the first has
_LINE = 3  # members that differ in one size
_MANY = 7  # sizes; of more there are fewer members for each
_MILD = 8  # members of which several sizes are somewhat larger
_SMALLEST = (1, 2, 3, 4)
_MIX = 0.5  # of the sizes are changed
_TRIES = 8  # for every member that is wanted
_DRAWS = 300  # of sizes, of which few are counted at
_TRIED = 5  # of these, for every condition
_ZOOS = ("transformers:", "timm:", "torchvision:")
_TELL = 2.0  # seconds between words on progress

Holds = Callable[[Mapping[str, int]], bool]


class Sampled:
    """Counts at members of a family.

    Attributes:
        names: of the arguments and lengths that what is counted depends on.
        rows: what was counted, the start first.
        near: how many of them differ little from the start, and have tensors that are made up in
            the same way; they come first.
        paths: the symbols in the forms of the rows.
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
        self.family, self.output, self.start = family, output, dict(start)
        self.end, self.tell = time.process_time() + seconds, tell
        self.paths, self.rows, self.near = Paths(), list[Row](), 0
        self.names: dict[Place, str] = {}
        self._known: set[Case] = set()
        self._seen: dict[tuple[int, ...], Row | None] = {}
        self._ties: dict[Place, tuple[Place, ...]] = {}
        self._steps: dict[Place, list[int]] = {}
        self._large = _LARGE
        self._rng = random.Random(0)
        self._told = time.monotonic()
        self._find_names()
        self._set_apart()
        self.at({})

    def late(self, seconds: float = 0.0) -> bool:
        """Whether time has been up for so many seconds."""
        return time.process_time() > self.end + seconds

    @property
    def tied(self) -> dict[str, str]:
        """Arguments that only change together with others, and those others."""
        return {
            self.names[q]: self.names[p]
            for p, places in self._ties.items()
            for q in places
            if q in self.names and p in self.names
        }

    def divided(self) -> list[tuple[str, str]]:
        """Pairs of which the first is a multiple of the second at the start."""
        return [(self.names[p], self.names[q]) for p, q in self._divided()]

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

    def own(self) -> dict[str, int]:
        """The sizes of the model itself."""
        return {name: self.family.base[p] for p, name in self.names.items()}

    # which sizes there are ----------------------------------------------------------------------
    def _find_names(self) -> None:
        base = self.family.member(self.start)
        if not isinstance(base, Member):
            return
        self._large = max(_LARGE, _TIMES * base.parameters)
        felt: list[Place] = []
        bound: set[Place] = set()
        for place in [*self.family.arguments, *self.family.given]:
            if place[0] == "bound" or place in bound or self.late():
                continue
            found = self._step(place)
            if found is None:
                continue
            made, tie, n = found
            if made.shapes != base.shapes:
                felt.append(place)
                bound |= set(tie)
                self._ties[place] = tie
                self._steps[place] = [n]
        self.names = _named(felt)

    def _set_apart(self) -> None:
        """Start where one size is twice another if it has to be a multiple and equals it.

        What follows either is told apart there alone.
        """
        for p, q in itertools.permutations(self.names, 2):
            n = self.start[p]
            if n < 2 or n != self.start[q] or self._has({p: n + 1}) or self._has({q: 2 * n}):
                continue
            if self._has({p: 2 * n}):
                self.start = self._with({p: 2 * n})

    def _has(self, some: Mapping[Place, int]) -> bool:
        return isinstance(self.family.member(self._with(some), self._large), Member)

    def _step(self, place: Place) -> tuple[Member, tuple[Place, ...], int] | None:
        """A member in which one integer is another, with what has to follow it."""
        n = self.start[place]
        for tie in self._options(place):
            for k in _beside(n):
                made = self.family.member({**self.start, **dict.fromkeys(tie, k), place: k})
                if isinstance(made, Member):
                    return made, tie, k
                if self.late():
                    return None
        return None

    def _options(self, place: Place) -> Iterator[tuple[Place, ...]]:
        """What may have to follow an integer: bounds of inputs, lengths, other arguments."""
        start, base = self.start, self.family.base
        equal = [
            q for q in start
            if q != place and start[q] == start[place] and base[q] == base[place]
        ]  # fmt: skip
        bounds = tuple(q for q in equal if q[0] == "bound")
        lengths = tuple(q for q in equal if q[0] == "input")
        if place[0] == "input":
            yield from ((), lengths)
            return
        single = [(*bounds, q) for q in lengths]
        whole = (*bounds, *lengths)
        if self.family.loaded.spec.startswith(_ZOOS):  # inputs were made for the arguments
            options = [whole, *single, bounds, ()]
        else:
            options = [bounds, *single, whole, ()]
        others = [q for q in equal if q in self.family.arguments]
        options += [(*whole, q) for q in others] + [(*whole, *others)]
        yield from dict.fromkeys(options)

    # members ------------------------------------------------------------------------------------
    def around(self) -> None:
        """Count where one size alone is another, then a few, as they are there."""
        each = _LINE if len(self.names) <= _MANY else _LINE - 1
        for place in self.names:
            found = 0
            for n in dict.fromkeys((*self._steps[place], *_beside(self.start[place]))):
                if self.late() or found == each:
                    break
                row = self.at({place: n})
                if row is not None and row.structure == self.rows[0].structure:
                    found += 1
                    if n not in self._steps[place]:
                        self._steps[place].append(n)
        for p, q in self._divided():
            n, k = self.start[q], self.start[p] // self.start[q]
            if not self.late():
                self.at({p: 2 * k * n, q: 2 * n})
                self.at({p: 2 * k * n})
            if not self.late() and self.at({q: n + 1}) is None:
                self.at({p: k * (n + 1), q: n + 1})
                self.at({p: 2 * k * (n + 1), q: n + 1})
        for p in self.names:
            n = self.start[p]
            multiples = {q: self.start[q] // n for q in self.names if self.start[q] % n == 0}
            for m in (n - 1, n + 1) if n > 2 and len(multiples) > 1 else ():
                if not self.late():
                    self.at({q: k * m for q, k in multiples.items()})
        first = self.rows[0].structure
        self.rows.sort(key=lambda r: r.structure != first)
        self.near = sum(r.structure == first for r in self.rows)
        self.closer(_MILD, 0.3)

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
        for place in self.names:
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
        draws = [(some, self._sizes(self._with(some))) for some in self._draws()]
        free = [(some, [c for c in conditions if not c.holds(at)]) for some, at in draws if holds(at)]
        free.sort(key=lambda one: (len(one[0]), -len(one[1])))
        left = list(conditions)
        for c in conditions:
            tried = 0
            for some, broken in free:
                if c not in left or tried == _TRIED or self.late():
                    break
                if c not in broken or self._key(self._with(some)) in self._seen:
                    continue
                tried += 1
                if self.at(some) is not None:
                    left = [c for c in left if c not in broken]
        return self.rows[before:]

    def _draws(self) -> list[dict[Place, int]]:
        """Every size alone as small as others are; then several."""
        starts = [self.start[p] for p in self.names]
        alone = [{p: n} for p in self.names for n in dict.fromkeys((*_SMALLEST, *starts))]
        return [*alone, *(self._few() for _ in range(_DRAWS))]

    def _few(self) -> dict[Place, int]:
        """One to three sizes, small or what another is; or one and all that divide it as small."""
        whole, small = self._rng.choice(list(self.names)), self._rng.choice(_SMALLEST)
        if self._rng.random() < _MIX:
            divisors = (q for p, q in self._divided() if p == whole)
            return dict.fromkeys((whole, *divisors), small)
        chosen = self._rng.sample(list(self.names), self._rng.randint(1, min(3, len(self.names))))
        starts = [self.start[p] for p in self.names]
        return {p: self._rng.choice((*_SMALLEST, self.start[p] + 1, *starts)) for p in chosen}

    def _key(self, values: Values) -> tuple[int, ...]:
        return tuple(values[p] for p in self.names)

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
            values = self._with(draw())
            if self._key(values) in self._seen or not holds(self._sizes(values)):
                continue
            tried += 1
            if tried > _TRIES * wanted:
                break
            self._count(values)
        return self.rows[before:]

    def _mild(self) -> Callable[[], dict[Place, int]]:
        """Gives two or three somewhat larger sizes, of those that counts depend on nearby."""
        felt = relevant([(r.at, r.total) for r in self.rows[: self.near]])
        places = [p for p, name in self.names.items() if name in felt] or list(self.names)

        def draw() -> dict[Place, int]:
            several = min(len(places), self._rng.randint(2, 3))
            return {p: self._near(p) for p in self._rng.sample(places, several)}

        return draw

    def _some(self) -> list[Place]:
        return [p for p in self.names if self._rng.random() < _MIX]

    def _any(self) -> dict[Place, int]:
        some = {p: self._other(p) for p in self._some()}
        return some if self._rng.random() < _MIX else self._multiples(some)

    def _with(self, some: Mapping[Place, int]) -> dict[Place, int]:
        values = dict(self.start)
        for p, n in some.items():
            values.update(dict.fromkeys(self._ties.get(p, ()), n))
        return {**values, **some}

    def _sizes(self, values: Values) -> dict[str, int]:
        return {name: values[p] for p, name in self.names.items()}

    def at(self, some: Mapping[Place, int]) -> Row | None:
        """What is counted at other sizes, None where there is no such member."""
        return self._count(self._with(some))

    def _count(self, values: Values) -> Row | None:
        key = self._key(values)
        if key not in self._seen:
            self._seen[key] = found = self._row(values)
            if found is not None:
                self.rows.append(found)
                self._progress()
        return self._seen[key]

    def _row(self, values: Values) -> Row | None:
        made = self.family.member(values, self._large)
        if not isinstance(made, Member) or made.parameters > self._large:
            return None
        try:
            counted = count(made.graph, self.output, AxisSymbols())
        except Exception:  # what nothing can be derived of is no member to learn from
            return None
        if any(not t.known for t in counted.tallies):
            return None
        return row(counted, self._sizes(values), self.paths, self._known)

    def _progress(self) -> None:
        if time.monotonic() - self._told > _TELL:
            self._told = time.monotonic()
            self.tell(f"the formula at other sizes: {len(self.rows)} models of the family counted")

    def _multiples(self, some: dict[Place, int]) -> dict[Place, int]:
        """What is a multiple of another at the start as one of that."""
        pairs = self._divided()
        for p, q in self._rng.sample(pairs, len(pairs)):
            some = {**some, p: self._rng.randint(1, 3) * some.get(q, self.start[q])}
        return some

    def _divided(self) -> list[tuple[Place, Place]]:
        """Pairs of which the first is a multiple of the second at the start."""
        return [
            (p, q) for p, q in itertools.permutations(self.names, 2)
            if self.start[q] > 1 and self.start[p] > self.start[q]
            and self.start[p] % self.start[q] == 0
        ]  # fmt: skip

    def _near(self, place: Place) -> int:
        n = self.start[place]
        return self._rng.choice([k for k in self._steps[place] if k > n] or [n])

    def _other(self, place: Place) -> int:
        """Another value: beside the first, small, or what another size is."""
        n = self.start[place]
        likely = [*self._steps[place], *self._steps[place], n, n + 1, n + 2, 2 * n, 3 * n, 4 * n]
        another = self.start[self._rng.choice(list(self.names))]
        extreme = [1, 2, 3, max(1, n - 1), another, n * another, self._rng.randint(1, 4 * n)]
        return self._rng.choice([*likely, *extreme, *extreme])


def _beside(n: int) -> list[int]:
    """Values near one, a few that divide or are multiples."""
    some = (n + 1, 2 * n, n + 2, n + 3, n + 4, 3 * n, n - 1, n - 2, n // 2)
    return [k for k in dict.fromkeys(some) if k > 0 and k != n]


def _named(places: list[Place]) -> dict[Place, str]:
    """A name for every place that can be a symbol: as short as tells them apart."""
    parts = {p: _parts(p) for p in places}
    used = dict.fromkeys(places, 1)
    names: dict[Place, str] = {}
    for _ in range(max((len(x) for x in parts.values()), default=0) + 1):
        names = {p: "_".join(parts[p][-used[p]:]) for p in places}  # fmt: skip
        twice = {n for n in names.values() if list(names.values()).count(n) > 1}
        if not twice:
            return names
        used.update({p: used[p] + 1 for p in places if names[p] in twice})
    return {p: f"{name}_{i}" for i, (p, name) in enumerate(names.items())}


def _parts(place: Place) -> list[str]:
    """`config`, `n_embd` of `config.n_embd`; `depths_0` of `depths[0]`."""
    if place[0] == "input":
        inputs = f"inputs_{place[1]}" if str(place[1]).isdigit() else str(place[1])
        return [f"{inputs}_shape_{place[2]}"]
    found: list[str] = []
    for key in place:
        if isinstance(key, int) and found:
            found[-1] += f"_{key}"
        else:
            found += str(key).lstrip(".").split(".")
    return found
