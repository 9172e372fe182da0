"""From solutions to generators: a sparse exact basis, every element of which is put to the test."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind import budget
from symfind.discovery.equation import Unknowns
from symfind.discovery.generators import Discovered, combination, moves, terms_of
from symfind.discovery.monomials import Theta
from symfind.discovery.patterns import Pattern, patterns
from symfind.discovery.rationalise import echelon, rationalise, sparsify
from symfind.discovery.samples import Sample, Samples
from symfind.discovery.search import Found
from symfind.discovery.words import describe
from symfind.errors import InputError
from symfind.numerics.spans import span
from symfind.verify.faraway import holds_far
from symfind.verify.function import Point
from symfind.verify.jumps import Path, drawn, jumps
from symfind.verify.several import Several

TOLERANCE = 1e-9  # of the residual of a flow, at points that were not used
_NULL = 1e-11  # of that of derivatives: what a factor of 1e-9 bends is not straight
_FRESH = 2  # such points
_TIME = 0.1  # of a flow that moves every tensor by about its own size in unit time
_DEPENDENT = 1e-6  # part of a direction, of unit norm, that others do not give
_DEGREE = 0.1  # of an entry, that a factor more is worth
_FLOOR = 1e-3  # effects are compared with at least this part of the output's norm


@dataclass(frozen=True)
class Basis:
    """Generators that stand, and what became of the others.

    Attributes:
        generators: sparse, exact where they are rational.
        patterns: their kinds.
        dimension: of their span at a generic point.
        rejected: solutions that failed a test.
        whole: whether all of them were tested.
    """

    generators: tuple[Discovered, ...]
    patterns: tuple[Pattern, ...]
    dimension: int
    rejected: int
    whole: bool = True


def checked(
    found: Sequence[Found],
    samples: Samples,
    seed: int,
    theta: Theta,
    known: Tensor,
    flows: float = math.inf,
) -> Basis:
    """The bases of the solutions that stand two tests.

    At fresh points, the derivative of the output along each generator is compared with that along
    a random direction. And the output itself must stay under the flow of a random combination of
    all generators, also where parameters are large, and not jump when that is followed further;
    where it does not (an operation can claim a derivative of zero that it does not have, or have it
    almost everywhere: a threshold), each has to show that its own flow leaves the output alone.

    Of the solutions on a neighbourhood those are looked at that add to the span of the others.

    Args:
        found: the solutions, on all tensors or on neighbourhoods.
        samples: of all parameters.
        seed: of the second test.
        theta: a generic point, where dimensions are counted.
        known: directions there, [parameters, known], that count for nothing.
        flows: tests of a flow, from which no further one is begun; what is not tested is left out.
    """
    generators: list[Discovered] = []
    directions = known[:, :0]
    rejected, trials = 0, _Trials(samples, seed, flows)
    for one in found:
        budget.check()
        whole = len(one.part.slices) == len(samples.slices)
        first = whole and one is found[0] and not known.shape[1]
        rows = _rows(one, theta, None if first else torch.cat([known, directions], 1))
        good = _standing(rows, one)
        stays = trials.staying(good)
        rejected += len(rows) - sum(stays)
        generators += [g for g, ok in zip(good, stays, strict=True) if ok]
        directions = moves(generators, theta, samples.slices)
    generators = [replace(g, id=f"g{i + 1}") for i, g in enumerate(generators)]
    kinds = patterns(generators, directions, known)
    dimension = sum(kind.dimension for kind in kinds)
    return Basis(tuple(generators), kinds, dimension, rejected, trials.whole)


def _rows(found: Found, theta: Theta, known: Tensor | None) -> Tensor:
    """Sparse combinations of fields that solve the equation; those that add to known directions."""
    unknowns, part = found.unknowns, found.part
    rows = sparsify(unknowns.spread(echelon(found.solution.null)), unknowns.relations)
    if known is None:
        return rows
    rows = rows[torch.argsort((rows != 0).double() @ _cost(unknowns), stable=True)]
    here = Sample(dict(theta), rows[:0])
    directions = part.placed(unknowns.fields(here, part.slices) @ rows.T)
    return rows[_adding(directions, span(known))]


def _cost(unknowns: Unknowns) -> Tensor:
    """Of an entry of a row, by field: translations before what depends on parameters."""
    costs = [torch.full((b.count,), 1.0 + _DEGREE * len(b.factors)) for b in unknowns.blocks]
    return torch.cat(costs).double()


def _adding(columns: Tensor, basis: Tensor) -> list[int]:
    """Which columns, one after another, are not in the span of a basis and those before them."""
    chosen = []
    for i, column in enumerate(columns.T):
        rest = column / column.norm().clamp(min=1e-300)
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        if float(rest.norm()) > _DEPENDENT:
            chosen.append(i)
            basis = torch.cat([basis, (rest / rest.norm())[:, None]], 1)
    return chosen


def _standing(rows: Tensor, found: Found) -> list[Discovered]:
    """Generators of the solutions that are null at fresh points, exact where that is so."""
    unknowns, part = found.unknowns, found.part
    rational = [rationalise(row) for row in rows]
    exact = torch.stack([row for row, _ in rational]) if rational else rows
    fresh = [part[found.solution.points + i] for i in range(_FRESH)]
    of_exact = _residuals(exact, unknowns, fresh, part.slices)
    of_numbers = _residuals(rows, unknowns, fresh, part.slices)
    standing = []
    for row, fractions, number, residual, loose in zip(
        exact, (f for _, f in rational), rows, of_exact, of_numbers, strict=True
    ):
        if residual > _NULL:  # some number only looked like a fraction
            row, fractions, residual = number, False, loose
        if residual <= _NULL:
            terms = terms_of(row, unknowns, fractions)
            standing.append(Discovered("", describe(terms), fractions, residual, terms))
    return standing


def _residuals(
    rows: Tensor, unknowns: Unknowns, fresh: Sequence[Sample], slices: Mapping[str, slice]
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
        least = _FLOOR * directions.norm(dim=0) * float(sample.rows.norm())
        scale = torch.maximum(random.norm(dim=0), least).clamp(min=1e-300)
        worst = torch.maximum(worst, along.norm(dim=0) / scale)
    return worst.tolist()


class _Trials:
    """Which generators leave the output alone when they are followed for a while.

    What passes together passes; what does not is halved, until the number of tests is used up.

    Attributes:
        whole: whether the tests were enough.
    """

    def __init__(self, samples: Samples, seed: int, tests: float) -> None:
        self.samples, self.seed, self._left = samples, seed, tests
        self.whole = True

    def staying(self, found: Sequence[Discovered]) -> list[bool]:
        """One answer for each; no for what was not tested."""
        function, rng = self.samples.function, torch.Generator().manual_seed(self.seed)
        theta = function.random_point(rng)
        inputs = self.samples.draw(rng)
        value = function(theta, inputs)
        wider = drawn(self.samples.draw, function.inputs, self.seed)
        several = Several(function)

        def stays(generator: Discovered) -> bool:
            stay = _change(generator, theta, lambda point: function(point, inputs), value, rng)
            stay = stay and not jumps(several, _followed(generator, theta), wider)
            return stay and holds_far(function, generator, theta, wider[:2], rng)

        result, parts = [False] * len(found), [range(len(found))] if found else []
        while parts and self._left > 0:
            part = parts.pop()
            self._left -= 1
            one = combination([found[i] for i in part], rng) if len(part) > 1 else found[part[0]]
            if stays(one):
                result[part.start : part.stop] = [True] * len(part)
            elif len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
        self.whole &= not parts
        return result


def _followed(generator: Discovered, theta: Theta) -> Path:
    """Where a flow leads, in unit time by about the size of what moves."""
    one = torch.ones(1, dtype=torch.float64)
    time = 1.0 / max(_speed(generator, theta), 1e-300)

    def path(times: Sequence[float]) -> list[Point]:
        there = generator.along(theta, one, [t * time for t in times])
        return [{**theta, **moved} for moved in there]

    return path


def _speed(generator: Discovered, theta: Theta) -> float:
    """The largest of the changes of tensors, relative to their sizes."""
    changes = generator.direction(theta, torch.ones(1, dtype=torch.float64))
    return max(float(d.norm() / theta[n].norm().clamp(min=1e-300)) for n, d in changes.items())


def _change(
    generator: Discovered,
    theta: Mapping[str, Tensor],
    output: Callable[[Mapping[str, Tensor]], Tensor],
    value: Tensor,
    rng: torch.Generator,
) -> bool:
    """Whether the flow changes the output by nothing, held against a random change as large."""
    one = torch.ones(1, dtype=torch.float64)
    moved = generator.flow(theta, one, _TIME / max(_speed(generator, theta), 1e-300))
    control = {}
    for name, tensor in moved.items():
        drawn = torch.randn(tensor.shape, generator=rng, dtype=torch.float64)
        size = (tensor - theta[name]).norm() / drawn.norm().clamp(min=1e-300)
        control[name] = theta[name] + drawn * size
    try:
        along = float((output({**theta, **moved}) - value).norm())
        random = float((output({**theta, **control}) - value).norm())
    except InputError:  # the flow leads out of the domain of the function
        return False
    return along <= TOLERANCE * max(random, _FLOOR * float(value.norm()))
