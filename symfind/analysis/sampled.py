"""Members of a family around one of them, and what is counted at each."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping

from symfind.analysis.slots import Case, Paths, Row, row
from symfind.count.symbols import AxisSymbols
from symfind.family.family import Family, Member, Values
from symfind.family.places import Place
from symfind.twin.formula import count

_LARGE = 1200  # parameters of a member, or
_TIMES = 3  # as many as the first has
_LINE = 3  # members that differ in one size
_MANY = 5  # sizes; of more there are fewer members for each
_MIX = 0.5  # of the sizes are changed
_TRIES = 8  # for every member that is wanted
_ZOOS = ("transformers:", "timm:", "torchvision:")
_TELL = 2.0  # seconds between words on progress


class Sampled:
    """Counts at members of a family.

    Attributes:
        names: of the arguments and lengths that what is counted depends on.
        rows: what was counted, the start first.
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
        self.paths, self.rows = Paths(), list[Row]()
        self.names: dict[Place, str] = {}
        self._known: set[Case] = set()
        self._seen: dict[tuple[int, ...], Row | None] = {}
        self._ties: dict[Place, tuple[Place, ...]] = {}
        self._steps: dict[Place, list[int]] = {}
        self._large = _LARGE
        self._rng = random.Random(0)
        self._told = time.monotonic()
        self._find_names()
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
    def lines(self) -> None:
        """Count where one size alone is another."""
        each = _LINE if len(self.names) <= _MANY else _LINE - 1
        for place in self.names:
            found = 0
            for n in dict.fromkeys((*self._steps[place], *_beside(self.start[place]))):
                if self.late() or found == each:
                    break
                if self.at({place: n}) is not None:
                    found += 1
                    if n not in self._steps[place]:
                        self._steps[place].append(n)

    def mixed(self, wanted: int, until: float = 1.0, mild: bool = False) -> list[Row]:
        """Count at so many members in which several sizes are others.

        Args:
            wanted: how many.
            until: the part of the remaining time that may be taken.
            mild: whether each is as it was in a member in which it alone was another.
        """
        end = time.process_time() + until * (self.end - time.process_time())
        before = len(self.rows)
        for _ in range(_TRIES * wanted):
            if len(self.rows) >= before + wanted or time.process_time() > end:
                break
            other = self._near if mild else self._other
            some = {p: other(p) for p in self.names if self._rng.random() < _MIX}
            self.at(some if mild or self._rng.random() < _MIX else self._multiples(some))
        return self.rows[before:]

    def at(self, some: Mapping[Place, int]) -> Row | None:
        """What is counted at other sizes, None where there is no such member."""
        values = dict(self.start)
        for p, n in some.items():
            values.update(dict.fromkeys(self._ties.get(p, ()), n))
        values.update(some)
        key = tuple(values[p] for p in self.names)
        if key not in self._seen:
            self._seen[key] = found = self._row(values)
            if found is not None:
                self.rows.append(found)
                self._progress()
        return self._seen[key]

    def _row(self, values: Values) -> Row | None:
        made = self.family.member(values)
        if not isinstance(made, Member) or made.parameters > self._large:
            return None
        at = {name: values[p] for p, name in self.names.items()}
        try:
            counted = count(made.graph, self.output, AxisSymbols())
        except Exception:  # what nothing can be derived of is no member to learn from
            return None
        if any(not t.known for t in counted.tallies):
            return None
        return row(counted, at, self.paths, self._known)

    def _progress(self) -> None:
        if time.monotonic() - self._told > _TELL:
            self._told = time.monotonic()
            self.tell(f"the formula at other sizes: {len(self.rows)} models of the family counted")

    def _multiples(self, some: dict[Place, int]) -> dict[Place, int]:
        """What is a multiple of another at the start as one of that."""
        pairs = [
            (p, q) for p, q in itertools.permutations(self.names, 2)
            if self.start[q] > 1 and self.start[p] > self.start[q]
            and self.start[p] % self.start[q] == 0
        ]  # fmt: skip
        for p, q in self._rng.sample(pairs, len(pairs)):
            some = {**some, p: self._rng.randint(1, 3) * some.get(q, self.start[q])}
        return some

    def _near(self, place: Place) -> int:
        n = self.start[place]
        return self._rng.choice([k for k in self._steps[place] if k > n] or [n])

    def _other(self, place: Place) -> int:
        """Another value: beside the first, small, or what another size is."""
        n = self.start[place]
        likely = [*self._steps[place], *self._steps[place], n, n + 1, n + 2, 2 * n, 3 * n, 4 * n]
        another = self.start[self._rng.choice(list(self.names))]
        extreme = [1, 2, 3, max(1, n - 1), another, n * another]
        return self._rng.choice([*likely, *extreme, *extreme])


def _beside(n: int) -> list[int]:
    """Values near one, a few that divide or are multiples."""
    some = (n + 1, n + 2, n + 3, n + 4, 2 * n, 3 * n, n - 1, n - 2, n // 2)
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
