"""Tier by tier through the dictionary, until the solutions fill the measured null space."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from symfind.discovery.dictionary import TIERS, Dictionary, Shape, tier
from symfind.discovery.equation import Solution, Unknowns, independent, solve
from symfind.discovery.gains import dresses
from symfind.discovery.samples import Sample, Samples
from symfind.solve.rank import rank

_POINTS = 2  # at which the dimension is counted


@dataclass(frozen=True)
class Found:
    """What a dictionary gives.

    Attributes:
        dictionary: the fields that were tried.
        unknowns: those that are independent.
        solution: of the equation.
        dimension: of the span of the solutions at a generic point.
        left_out: blocks of fields that there was no room for.
    """

    dictionary: Dictionary
    unknowns: Unknowns
    solution: Solution
    dimension: int
    left_out: tuple[str, ...]

    def directions(self, sample: Sample, slices: dict[str, slice]) -> Tensor:
        """All solutions at a point, as columns [parameters, generators]."""
        return self.unknowns.fields(sample, slices)[:, self.unknowns.kept] @ self.solution.null


def search(
    shapes: Sequence[Shape],
    samples: Samples,
    goal: int | None,
    most: int,
    tell: Callable[[str], None],
) -> Found | None:
    """Solve the invariance equation over a growing dictionary.

    A tier whose fields add no dimension is taken out again: what it adds are multiples, by
    functions of θ, of what is there.

    Args:
        shapes: the parameters.
        samples: points with Jacobian rows.
        goal: dimensions at which to stop, the measured nullity; None goes through all tiers.
        most: fields at most.
        tell: called with a line on what is being done.

    Returns:
        The largest dictionary that was solved with a clear gap; None where none was.
    """
    best: Found | None = None
    dictionary = Dictionary()
    left: dict[str, None] = {}
    for name in TIERS:
        gains = dresses(shapes, samples) if name == "dressed" else {}
        larger = Dictionary(list(dictionary.blocks), [])
        added = larger.extend(tier(name, shapes, gains), most)
        left |= {f"{block.target} -> {block.text}": None for block in larger.left_out}
        if not added:
            continue
        tell(f"solving over {larger.count:,} {name} fields")
        unknowns = independent(larger.blocks, samples)
        solution = solve(unknowns, samples)
        if not solution.settled:
            continue
        found = Found(larger, unknowns, solution, 0, ())
        dimension = max(rank(found.directions(samples[i], samples.slices)) for i in range(_POINTS))
        if best is None or dimension > best.dimension:
            best = Found(larger, unknowns, solution, dimension, ())
            dictionary = larger
        if goal is not None and dimension >= goal:
            break
    if best is None:
        return None
    complete = goal is not None and best.dimension >= goal
    return Found(
        best.dictionary, best.unknowns, best.solution, best.dimension,
        () if complete else tuple(left),
    )  # fmt: skip
