"""What changes no coefficient of a region: the fibres of a product of weights, and of norms.

Between functions of which nothing is known a network computes polynomials of what enters
(`solve.transport.regions`). Their coefficients are fewer than the parameters wherever weights stand
in a row, or side by side, and what leaves all of them as they are is a symmetry, whether it is an
element of some algebra or not: two convolutions in a row that reach the edges of small pictures, a
bias that a padded convolution sees before it is added up, a weight behind a norm of which few
numbers are read. These are counted last, for what others do not say.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.numerics.decompose import svd
from symfind.ops.lower import Lowered
from symfind.solve.families.beyond import NEAR, Beyond, solutions
from symfind.solve.families.family import NullFamily
from symfind.solve.limits import Limits
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.regions import Region, computable, regions

MOST = 1000  # parameters of a model that is looked at
VOLUME = 60_000  # numbers that are computed in a region
ZERO, UNCLEAR = 1e-12, 1e-10  # singular values over the largest: no equation, perhaps one
ROUGH = 1e-8  # of ranks of tangents
SMALL = 1e-6  # of the largest equation: not made as large as that
ROUNDS = 12  # of values that enter, at most


def fibre_families(lowered: Lowered, known: Sequence[Family], limits: Limits) -> Iterator[Family]:
    """For every region, what leaves its coefficients as they are, if others do not say as much.

    They are looked for in models of no more than 1000 parameters.

    Args:
        lowered: the graph.
        known: families that are derived already.
        limits: where it is noted that a model is too large.
    """
    wires = [w for some in lowered.parameters.values() for w in some]
    if any(w.chart is not None for w in wires) or not lowered.outputs:
        return  # of weights that parameters make up
    if sum(math.prod(shape) for shape in lowered.shapes.values()) > MOST:
        limits.reached(lowered.outputs[0].inputs[0], f"fibres of more than {MOST} parameters")
        return
    here, found = Environment(Drawn(lowered.shapes)), list(known)
    polynomial = all(computable(n) or isinstance(n, p.Source | p.Output) for n in lowered.nodes)
    for region in regions(lowered):
        if region.volume() > VOLUME:
            limits.reached(region.inside[-1], f"fibres where more than {VOLUME} numbers are made")
            continue
        system = _System.of(region, here)
        few = None if system is None else system.fewest(found, here)
        if few is not None and not (polynomial and system is not None and system.filled(here)):
            found.append(few.family())
            yield found[-1]


@dataclass(frozen=True)
class _System:
    """The equations of a region for some of its parameters, the others being held."""

    region: Region
    rounds: int  # so many values of what enters say all there is to say
    free: int  # directions

    @classmethod
    def of(cls, region: Region, here: Environment) -> "_System | None":
        """None where nothing is free, or where that is not clear."""
        known, free = _even(region.rows(here, 0)), region.count()
        for rounds in range(1, ROUNDS + 1):
            known = _short(known)
            left = len(_null(known))
            if not left:
                return None
            if left == free and rounds > 1:
                return cls(region, rounds - 1, left)
            free, known = left, torch.cat([known, _even(region.rows(here, rounds))])
        return None

    def fewest(self, known: Sequence[Family], here: Environment) -> "_System | None":
        """The same for so few parameters that none can be held without a loss.

        The largest are held first. None where others have all that is free.
        """
        seeds, owner = self.region.seeds, []
        for i, w in enumerate(seeds):
            owner += [i] * math.prod(w.shape)
        beyond, null = Beyond(known, seeds, here), _null(_equations(self.region, here, self.rounds))

        def free(held: set[int]) -> tuple[int, int]:
            rows = null
            if held:
                columns = torch.tensor([i in held for i in owner])
                u, s, _ = svd(null[:, columns], full=True)
                rows = u[:, int((s > NEAR).sum()) :].T @ null
            return len(rows), beyond.gain(rows)

        held: set[int] = set()
        left, whole = free(held)
        if not whole:
            return None
        order = sorted(range(len(seeds)), key=lambda i: -math.prod(seeds[i].shape))
        for i in order:
            found = free({*held, i})
            if found[1] == whole:
                held.add(i)
                left = found[0]
        region = replace(self.region, seeds=[w for i, w in enumerate(seeds) if i not in held])
        rounds = (r for r in range(1, self.rounds)
                  if len(_null(_equations(region, here, r))) == left)  # fmt: skip
        return _System(region, next(rounds, self.rounds), left)

    def filled(self, here: Environment) -> bool:
        """Whether all that the region can be is an affine space: tangents are the same anywhere.

        Then no algebra acts, there are only more parameters than functions.
        """
        rng = torch.Generator().manual_seed(0)
        theta = {n: w + torch.randn(w.shape, generator=rng, dtype=w.dtype)
                 for n, w in here.theta.items()}  # fmt: skip
        one, two = (torch.cat([self.region.rows(env, k) for k in range(2 * self.rounds + 2)])
                    for env in (here, Environment(theta)))  # fmt: skip
        ranks = [
            int(torch.linalg.matrix_rank(t, rtol=ROUGH)) for t in (one, torch.cat([one, two], 1))
        ]
        return ranks[0] == ranks[1] < len(one)

    def family(self) -> Family:
        """What is free."""
        seeds, lengths = self.region.seeds, [math.prod(s.shape) for s in self.region.seeds]

        def build(env: Environment, c: Tensor) -> Moves:
            rows = _equations(self.region, env, self.rounds)
            parts = (solutions(rows, self.free, ZERO) @ c).split(lengths)
            return {s: t.reshape(s.shape) for s, t in zip(seeds, parts, strict=True)}

        def width(sizes: Sizes | None) -> int:
            return self.free  # no expression in sizes says how many there are

        return NullFamily(
            kind="parallel", sources=tuple(seeds), build=build, width=width, loose=True,
            piecewise=True, steps=None,
        )  # fmt: skip


def _equations(region: Region, env: Environment, rounds: int) -> Tensor:
    """What a change must not move, at so many values of what enters."""
    return _even(torch.cat([region.rows(env, number) for number in range(rounds)]))


def _even(rows: Tensor) -> Tensor:
    """Rows of one size, but for those that are very small."""
    sizes = rows.norm(dim=1, keepdim=True)
    return rows / sizes.clamp(min=SMALL * sizes.max())


def _short(equations: Tensor) -> Tensor:
    """As many equations as there are unknowns, that say the same."""
    tall = equations.shape[0] > equations.shape[1]
    return torch.linalg.qr(equations).R if tall else equations


def _null(equations: Tensor) -> Tensor:
    """What solves equations, as orthonormal rows; nothing where that is not clear."""
    _, values, v = svd(_short(equations), full=True)
    values = values / values[:1].clamp(min=1e-300)
    if bool(((values > ZERO) & (values < UNCLEAR)).any()):
        return v[:0]
    return v[int((values > ZERO).sum()) :]
