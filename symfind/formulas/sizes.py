"""Which arguments and lengths a count depends on, and how far each of them can be changed."""

import itertools
from collections.abc import Callable, Iterator, Mapping

from symfind.count.tally import OWN_PARAMETERS
from symfind.family.family import Family, Member, Values
from symfind.family.places import Place, spelled
from symfind.formulas.names import named
from symfind.formulas.slots import starred

_TIMES = 3  # as many parameters as the first member has
_ZOOS = ("transformers:", "timm:", "torchvision:")


class Sizes:
    """The integers of a family that change the shapes of what its members compute with.

    Attributes:
        start: all integers of the member around which others are made.
        names: of those that change shapes.
        steps: values near the start, of which there are members.
        most: parameters of a member.
    """

    def __init__(self, family: Family, start: Values, late: Callable[[], bool]) -> None:
        """Try every integer alone.

        Args:
            family: of the model.
            start: the integers of the member around which others are made.
            late: whether no more are tried.
        """
        self.family, self.start = family, dict(start)
        self.names: dict[Place, str] = {}
        self.steps: dict[Place, list[int]] = {}
        self.most = OWN_PARAMETERS
        self._late = late
        self._ties: dict[Place, tuple[Place, ...]] = {}
        self._find_names()
        self._set_apart()

    def equal(self) -> tuple[str, ...]:
        """Arguments that only change together, in words."""
        return tuple(
            f"{spelled(q)}={self.names[p]}"
            for p, tie in self._ties.items()
            for q in tie
            if q in self.family.arguments
        )

    def own(self) -> dict[str, int]:
        """The sizes of the model itself."""
        return {name: self.family.base[p] for p, name in self.names.items()}

    def changed(self, some: Mapping[Place, int]) -> dict[Place, int]:
        """All integers where some are others, with what has to follow these."""
        values = dict(self.start)
        for p, n in some.items():
            values.update(dict.fromkeys(self._ties.get(p, ()), n))
        return {**values, **some}

    def named(self, values: Values) -> dict[str, int]:
        """The sizes by name."""
        return {name: values[p] for p, name in self.names.items()}

    def key(self, values: Values) -> tuple[int, ...]:
        """The sizes in order."""
        return tuple(values[p] for p in self.names)

    def divided(self) -> list[tuple[Place, Place]]:
        """Pairs of which the first is a multiple of the second at the start."""
        return [
            (p, q) for p, q in itertools.permutations(self.names, 2)
            if self.start[q] > 1 and self.start[p] > self.start[q]
            and self.start[p] % self.start[q] == 0
        ]  # fmt: skip

    def _find_names(self) -> None:
        base = self.family.member(self.start)
        if not isinstance(base, Member):
            return
        self.most = max(OWN_PARAMETERS, _TIMES * base.parameters)
        felt: list[Place] = []
        bound: set[Place] = set()
        for place in [*self.family.arguments, *self.family.given]:
            if place[0] == "bound" or place in bound or self._late():
                continue
            found = self._step(place, base)
            if found is None:
                continue
            made, tie, n = found
            if made.shapes != base.shapes:
                felt.append(place)
                bound |= set(tie)
                self._ties[place] = tie
                self.steps[place] = [n]
        self.names = named(felt)

    def _set_apart(self) -> None:
        """Start where one size is twice another if it has to be a multiple and equals it.

        What follows either is told apart there alone. The other can then be as large as well: else
        it is a third that it has to divide.
        """
        for p, q in itertools.permutations(self.names, 2):
            n = self.start[p]
            if n < 2 or n != self.start[q] or self._has({p: n + 1}) or self._has({q: 2 * n}):
                continue
            if self._has({p: 2 * n}) and self._has({p: 2 * n, q: 2 * n}):
                self.start = self.changed({p: 2 * n})

    def _has(self, some: Mapping[Place, int]) -> bool:
        return isinstance(self.family.member(self.changed(some), self.most), Member)

    def _step(self, place: Place, base: Member) -> tuple[Member, tuple[Place, ...], int] | None:
        """A member in which one integer is another, with what has to follow it.

        With the tensors of the first where there is such a member: two widths may have to be equal
        so that nothing stands between them.
        """
        first = None
        for tie in self._options(place):
            found = self._changed(place, tie)
            if found is not None and _tensors(found[0]) == _tensors(base):
                return found
            first = first or found
            if self._late():
                break
        return first

    def _changed(
        self, place: Place, tie: tuple[Place, ...]
    ) -> tuple[Member, tuple[Place, ...], int] | None:
        # a length that can only become smaller with an argument does not follow that
        longer, n = any(q[0] == "input" for q in tie), self.start[place]
        for k in (k for k in beside(n) if k > n or not longer):
            made = self.family.member({**self.start, **dict.fromkeys(tie, k), place: k})
            if isinstance(made, Member):
                return made, tie, k
            if self._late():
                break
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


def _tensors(member: Member) -> set[str]:
    return {starred(name) for name, _ in member.loaded.model.named_parameters()}


def beside(n: int) -> list[int]:
    """Values near one, a few that divide or are multiples."""
    some = (n + 1, 2 * n, n + 2, n + 3, n + 4, 3 * n, n - 1, n - 2, n // 2)
    return [k for k in dict.fromkeys(some) if k > 0 and k != n]
