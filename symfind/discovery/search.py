"""Tier by tier through the dictionary of some tensors, until what is looked for is found."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from symfind import budget
from symfind.count.rank import rank
from symfind.discovery.dictionary import Dictionary, Dress, Shape, tier
from symfind.discovery.equation import Solution, Unknowns, independent, solve
from symfind.discovery.gains import divisors
from symfind.discovery.monomials import Monomial
from symfind.discovery.samples import Part, Sample

_POINTS = 2  # at which the dimension is counted
_POINT = 30  # fields, in whose stead rows at one more point can be looked at

Gains = Callable[[], Mapping[str, Sequence[Dress]]]


@dataclass(frozen=True)
class Found:
    """What a dictionary gives.

    Attributes:
        part: the samples of the tensors that move.
        dictionary: the fields that were tried.
        unknowns: those that are independent.
        solution: of the equation.
        dimension: of the span of the solutions at a generic point.
    """

    part: Part
    dictionary: Dictionary
    unknowns: Unknowns
    solution: Solution
    dimension: int

    def directions(self, sample: Sample) -> Tensor:
        """All solutions at a point, as columns [parameters, generators]."""
        fields = self.unknowns.fields(sample, self.part.slices)[:, self.unknowns.kept]
        return self.part.placed(fields @ self.solution.null)


@dataclass(frozen=True)
class Searched:
    """What came of a search.

    Attributes:
        found: the largest dictionary that was solved with a clear gap; None where none was.
        left_out: blocks of fields that there was no room for, if it is not enough.
        solved: fields of all equations that were solved, and what new points cost.
        stopped: whether that was all that there was room for.
    """

    found: Found | None
    left_out: tuple[str, ...]
    solved: int
    stopped: bool = False


def search(
    shapes: Sequence[Shape],
    part: Part,
    gains: Gains,
    enough: Callable[[Found], bool],
    most: int,
    tiers: Sequence[str],
    tell: Callable[[str], None],
    room: float = math.inf,
) -> Searched:
    """Solve the invariance equation over a growing dictionary.

    A tier whose fields add no dimension is taken out again: what it adds are multiples, by
    functions of θ, of what is there.

    Args:
        shapes: the tensors that move, and that fields are made of.
        part: points with derivatives by these tensors.
        gains: by tensor, those that multiply one of its axes; asked for when they are needed.
        enough: whether this is all that is looked for.
        most: fields at most.
        tiers: of the dictionary, that are tried one after another.
        tell: called with a line on what is being done.
        room: fields of all equations, from which no further one is begun.
    """
    best: Found | None = None
    dictionary = Dictionary()
    left: dict[str, None] = {}
    solved, drawn = 0, part.all.drawn
    for name in tiers:
        budget.check()
        if spent(solved, part, drawn) >= room:
            return Searched(best, tuple(left), spent(solved, part, drawn), True)
        dressed = gains() if name.startswith("dressed") else {}
        if name == "divided":
            dressed = divisors(shapes, part)
        larger = Dictionary(list(dictionary.blocks), [])
        added = larger.extend(tier(name, shapes, dressed), most)
        left |= _named(larger.left_out)
        if not added:
            continue
        tell(f"solving over {larger.count:,} {name} fields")
        solved += larger.count
        unknowns = independent(larger.blocks, part)
        solution = solve(unknowns, part)
        if solution.crowded:
            left |= _named(larger.blocks[len(dictionary.blocks) :])
        if not solution.settled:
            continue
        found = Found(part, larger, unknowns, solution, 0)
        dimension = max(rank(found.directions(part[i])) for i in range(_POINTS))
        if best is None or dimension > best.dimension:
            best = replace(found, dimension=dimension)
            dictionary = larger
            if enough(best):
                return Searched(best, (), spent(solved, part, drawn))
        elif name == "shifts":  # what later tiers move often has to be taken back by a bias
            dictionary = larger
    return Searched(best, tuple(left), spent(solved, part, drawn))


def spent(solved: int, part: Part, drawn: int) -> int:
    """Fields of equations, and what points with rows cost that were not there before."""
    return solved + _POINT * (part.all.drawn - drawn)


def _named(blocks: Sequence[Monomial]) -> dict[str, None]:
    return {f"{block.target} -> {block.text}": None for block in blocks}
