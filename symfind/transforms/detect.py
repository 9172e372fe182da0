"""Which permutations of the entries of an input a function has at all.

A permutation that leaves f unchanged maps values of f to equal values: M_ij = f(c + a e_i + b e_j),
at a constant background c, is the same at (π i, π j). So π is an automorphism of a graph with
coloured edges. Automorphisms are searched for by refinement of colours and backtracking, and each
generator is tried at random inputs; one that does not hold there is no generator. The orbits and
stabilisers of the search give a strong generating set (C. Sims), and so the order of the group.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import InputError

MOST = 160  # entries
_BACKGROUNDS = ((0.3, 0.7, -0.4), (-0.5, 0.9, 0.6))  # c, a, b
_EQUAL = 1e-9  # of values, relative to their spread
_TRIALS = 20_000  # steps of one search
_LEAVES = 60  # permutations that one search finds not to hold

Tried = Callable[[Tensor], bool]


@dataclass(frozen=True)
class Detected:
    """The permutations that were found.

    Attributes:
        generators: images of 0 … n - 1, each holds at random inputs.
        order: of the group that they generate.
        complete: whether no other automorphism of the values of pairs was left out.
        orbits: entries that are exchanged, by orbit.
    """

    generators: tuple[tuple[int, ...], ...]
    order: int
    complete: bool
    orbits: tuple[tuple[int, ...], ...]


def colours(evaluate: Callable[[Tensor], Tensor], size: int, tell: Callable[[str], None]) -> Tensor:
    """Colours of pairs [n, n]: equal where values of f at two places are equal.

    Args:
        evaluate: f at inputs [samples, n], as [samples, outputs].
        size: n.
        tell: called with a line on what is being done.

    Raises:
        InputError: there are too many entries.
    """
    if size > MOST:
        raise InputError(
            f"{size} entries are too many to look at all pairs, {MOST} at most: name an axis "
            "(--act), or ask for a group (--group)"
        )
    found = torch.zeros(size, size, dtype=torch.long)
    for c, a, b in _BACKGROUNDS:
        tell("evaluating pairs of entries")
        rows = torch.full((size * size, size), c, dtype=torch.float64)
        places = torch.arange(size * size)
        rows[places, places // size] += a
        rows[places, places % size] += b
        found = _joint(found, _classes(evaluate(rows)).reshape(size, size))
    return _joint(found, found.T)


def _classes(values: Tensor) -> Tensor:
    """Numbers of classes of nearly equal rows."""
    scale = float((values - values.mean(0)).abs().max())
    if scale <= _EQUAL * max(float(values.abs().max()), 1e-300):
        return torch.zeros(len(values), dtype=torch.long)
    rng = torch.Generator().manual_seed(0)
    mix = torch.randn(values.shape[1], generator=rng, dtype=torch.float64)
    line = (values @ mix) / (scale * float(mix.norm()))
    order = line.argsort()
    steps = (line[order].diff() > _EQUAL).long()
    result = torch.zeros(len(values), dtype=torch.long)
    result[order] = torch.cat([torch.zeros(1, dtype=torch.long), steps.cumsum(0)])
    return result


def _joint(a: Tensor, b: Tensor) -> Tensor:
    pairs = torch.stack([a.flatten(), b.flatten()], 1)
    return torch.unique(pairs, dim=0, return_inverse=True)[1].reshape(a.shape)


def detected(pairs: Tensor, holds: Tried, tell: Callable[[str], None]) -> Detected:
    """The permutations that keep colours of pairs, and hold.

    Args:
        pairs: colours [n, n].
        holds: whether a permutation, images [n], leaves f unchanged.
        tell: called with a line on what is being done.
    """
    size = len(pairs)
    search = _Search(pairs.tolist(), holds)
    order, generators = 1, list[tuple[int, ...]]()
    for level in range(size - 1, -1, -1):
        tell(f"searching for permutations: {size - level} of {size} entries")
        # generators that fix all before this entry move it along its orbit in the stabiliser
        orbit = _orbit(level, [g for g in generators if _fixes(g, level)])
        for image in range(level + 1, size):
            if image in orbit or pairs[level, level] != pairs[image, image]:
                continue
            found = search.extended(level, image)
            if found is not None:
                generators.append(found)
                orbit = _orbit(level, [g for g in generators if _fixes(g, level)])
        order *= len(orbit)
    return Detected(
        tuple(generators), order, not search.doubtful, _orbits(size, generators)
    )  # fmt: skip


def _fixes(permutation: Sequence[int], count: int) -> bool:
    return all(permutation[i] == i for i in range(count))


def _orbit(start: int, generators: Sequence[Sequence[int]]) -> set[int]:
    found, stack = {start}, [start]
    while stack:
        i = stack.pop()
        for g in generators:
            if g[i] not in found:
                found.add(g[i])
                stack.append(g[i])
    return found


def _orbits(size: int, generators: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    left, result = set(range(size)), []
    while left:
        orbit = _orbit(min(left), generators)
        left -= orbit
        if len(orbit) > 1:
            result.append(tuple(sorted(orbit)))
    return tuple(result)


class _Search:
    """Automorphisms of a graph with coloured edges, by backtracking."""

    def __init__(self, colours: list[list[int]], holds: Tried) -> None:
        self.colours, self.holds = colours, holds
        self.size = len(colours)
        rows = [
            (colours[i][i], tuple(sorted(colours[i])), tuple(sorted(row[i] for row in colours)))
            for i in range(self.size)
        ]
        self.kinds = rows
        self.doubtful = False

    def extended(self, level: int, image: int) -> tuple[int, ...] | None:
        """One that fixes all entries before one, sends it to another, and holds."""
        start = [*range(level), image]
        if not all(self._fits(start[:i], start[i]) for i in range(level, level + 1)):
            return None
        self.steps = self.leaves = 0
        return self._deeper(start, set(start))

    def _deeper(self, images: list[int], used: set[int]) -> tuple[int, ...] | None:
        if len(images) == self.size:
            if self.holds(torch.tensor(images)):
                return tuple(images)
            self.doubtful = True
            self.leaves += 1
            return None
        self.steps += 1
        if self._over():
            self.doubtful = True
            return None
        at = len(images)
        # staying in place first: it gives generators that move little
        for candidate in (at, *(j for j in range(self.size) if j != at)):
            if candidate in used or not self._fits(images, candidate):
                continue
            found = self._deeper([*images, candidate], used | {candidate})
            if found is not None or self._over():
                return found
        return None

    def _over(self) -> bool:
        return self.steps > _TRIALS or self.leaves > _LEAVES

    def _fits(self, images: list[int], candidate: int) -> bool:
        at = len(images)
        if self.kinds[at] != self.kinds[candidate]:
            return False
        own, other = self.colours[at], self.colours[candidate]
        return own[at] == other[candidate] and all(
            own[i] == other[j] and self.colours[i][at] == self.colours[j][candidate]
            for i, j in enumerate(images)
        )


def cycles(permutation: Sequence[int]) -> str:
    """A permutation as text, `(0 1)(2 5 3)`."""
    left, parts = set(range(len(permutation))), []
    while left:
        i = min(left)
        cycle = [i]
        left.discard(i)
        while permutation[cycle[-1]] in left:
            cycle.append(permutation[cycle[-1]])
            left.discard(cycle[-1])
        if len(cycle) > 1:
            parts.append("(" + " ".join(map(str, cycle)) + ")")
    return "".join(parts) or "()"


def spelled(found: Detected, size: int) -> str:
    """A name of the group where its order and orbits tell it."""
    if found.order == 1:
        return "1"
    lengths = [len(orbit) for orbit in found.orbits]
    if found.order == math.prod(math.factorial(n) for n in lengths):
        counts = sorted(set(lengths), reverse=True)
        powers = ((n, lengths.count(n)) for n in counts)
        return " x ".join(f"S_{n}" if k == 1 else f"S_{n}^{k}" for n, k in powers)
    return f"a group of order {found.order:,}"
