"""Tier by tier through the dictionary, until the solutions fill the measured null space."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.discovery.dictionary import TIERS, Dictionary, Shape, tier
from symfind.discovery.equation import Solution, Unknowns, independent, solve
from symfind.discovery.gains import dresses
from symfind.discovery.generators import Discovered, terms_of
from symfind.discovery.rationalise import echelon, rationalise, sparsify
from symfind.discovery.samples import Sample, Samples
from symfind.discovery.words import describe
from symfind.solve.rank import rank

TOLERANCE = 1e-9  # of a residual at points that were not used
_FRESH = 2  # such points


@dataclass(frozen=True)
class Found:
    """What a dictionary gives.

    Attributes:
        dictionary: the fields that were tried.
        unknowns: those that are independent.
        solution: of the equation.
        dimension: of the span of the solutions at a generic point.
        tried: fields that were tried in all tiers together.
        left_out: blocks of fields that there was no room for.
    """

    dictionary: Dictionary
    unknowns: Unknowns
    solution: Solution
    dimension: int
    tried: int
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
    dictionary, tried = Dictionary(), 0
    left: dict[str, None] = {}
    for name in TIERS:
        gains = dresses(shapes, samples) if name == "dressed" else {}
        larger = Dictionary(list(dictionary.blocks), [])
        before = larger.count
        added = larger.extend(tier(name, shapes, gains), most)
        left |= {f"{block.target} -> {block.text}": None for block in larger.left_out}
        if not added:
            continue
        tried += larger.count - before
        tell(f"solving over {larger.count:,} {name} fields")
        unknowns = independent(larger.blocks, samples)
        solution = solve(unknowns, samples)
        if not solution.settled:
            continue
        found = Found(larger, unknowns, solution, 0, tried, ())
        dimension = max(
            rank(found.directions(samples[i], samples.slices)) for i in range(_FRESH)
        )
        if best is None or dimension > best.dimension:
            best = Found(larger, unknowns, solution, dimension, tried, ())
            dictionary = larger
        if goal is not None and dimension >= goal:
            break
    if best is None:
        return None
    complete = goal is not None and best.dimension >= goal
    return Found(
        best.dictionary, best.unknowns, best.solution, best.dimension, tried,
        () if complete else tuple(left),
    )  # fmt: skip


def generators(found: Found, samples: Samples) -> tuple[tuple[Discovered, ...], int]:
    """A sparse basis with exact coefficients, each checked at fresh points.

    Returns:
        The generators, and how many solutions did not stand the check.
    """
    unknowns = found.unknowns
    full = unknowns.spread(echelon(found.solution.null))
    rows = torch.stack([sparsify(row, unknowns.relations) for row in full]) if len(full) else full
    rational = [rationalise(row) for row in rows]
    exact = torch.stack([row for row, _ in rational]) if rational else rows
    fresh = [samples[found.solution.points + i] for i in range(_FRESH)]
    of_exact = _residuals(exact, unknowns, fresh, samples.slices)
    of_floats = _residuals(rows, unknowns, fresh, samples.slices)
    standing, failed = [], 0
    for i, (row, all_fractions) in enumerate(rational):
        residual = of_exact[i]
        if residual > TOLERANCE:  # a number that only looked like a fraction
            row, all_fractions, residual = rows[i], False, of_floats[i]
        if residual > TOLERANCE:
            failed += 1
            continue
        terms = terms_of(row, unknowns, all_fractions)
        name = f"g{len(standing) + 1}"
        standing.append(Discovered(name, describe(terms), all_fractions, residual, terms))
    return tuple(standing), failed


def _residuals(
    rows: Tensor, unknowns: Unknowns, fresh: Sequence[Sample], slices: dict[str, slice]
) -> list[float]:
    """Derivatives along combinations of fields, relative to random directions like them."""
    rng = torch.Generator().manual_seed(0)
    worst = torch.zeros(len(rows), dtype=torch.float64)
    for sample in fresh:
        directions = unknowns.fields(sample, slices) @ rows.T
        control = torch.randn(directions.shape, generator=rng, dtype=torch.float64)
        for place in slices.values():
            size = control[place].norm(dim=0).clamp(min=1e-300)
            control[place] *= directions[place].norm(dim=0) / size
        along, random = (sample.rows @ d for d in (directions, control))
        # where all of what moves is redundant, a random change of it does nothing either
        least = 1e-6 * directions.norm(dim=0)
        scale = torch.maximum(random.norm(dim=0), least).clamp(min=1e-300)
        worst = torch.maximum(worst, along.norm(dim=0) / scale)
    return worst.tolist()
