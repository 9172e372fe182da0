"""What is true within generators that are false: combinations of their elements.

The tangents of the failing directions are the columns of a small matrix, stacked over several
points. A null vector of it is an element of the sum of the algebras whose field is null at all of
them: a candidate, which is then checked like any other generator.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from symfind import budget
from symfind.algebra.generator import Generator
from symfind.algebra.integrate import followed
from symfind.numerics.rank import widest_gap
from symfind.numerics.tolerances import NOISE
from symfind.verify.elements import unit
from symfind.verify.function import Function, InputsLike, Point

_MOST = 400  # failing directions, beyond which their tangents would take too long
_ROWS = 4  # of a tangent that are kept, for every direction
_ZERO = 1e-6  # of the largest coefficient, below which there is none
_SIMPLE = 24  # denominators of coefficients that are taken to be fractions


@dataclass(frozen=True)
class Combination:
    """Elements of several generators, added; a generator itself.

    Attributes:
        id: unique name.
        parts: generators, each with coefficients [its own, dimension].
    """

    id: str
    parts: tuple[tuple[Generator, Tensor], ...]

    @property
    def dimension(self) -> int:
        """Of the space of these elements."""
        return self.parts[0][1].shape[1]

    @property
    def parameters(self) -> tuple[str, ...]:
        """All that move."""
        return tuple(dict.fromkeys(n for g, _ in self.parts for n in g.parameters))

    def coefficients(self, rng: torch.Generator) -> Tensor:
        """A random element."""
        return torch.randn(self.dimension, generator=rng, dtype=torch.float64)

    def direction(self, theta: Mapping[str, Tensor], c: Tensor) -> dict[str, Tensor]:
        """The sum of the fields."""
        total: dict[str, Tensor] = {}
        for generator, mix in self.parts:
            for name, change in generator.direction(theta, mix.to(c) @ c).items():
                total[name] = total[name] + change if name in total else change
        return total

    def flow(self, theta: Mapping[str, Tensor], c: Tensor, t: float) -> dict[str, Tensor]:
        """Along the sum, which is not one field after the other."""
        return self.way(theta, c, t)[0]

    def way(
        self, theta: Mapping[str, Tensor], c: Tensor, t: float
    ) -> tuple[dict[str, Tensor], float]:
        """The same, up to where the field ends, and what part of the time that is."""
        return followed(lambda here: self.direction(here, c), theta, t)


@dataclass(frozen=True)
class _Basis:
    """One basis element of a failing generator."""

    generator: Generator
    coefficients: Tensor
    scale: float


def true_combinations(
    function: Function,
    failing: Sequence[Generator],
    points: Sequence[Point],
    inputs: InputsLike,
    rng: torch.Generator,
) -> tuple[Combination, ...]:
    """Combinations of failing generators that are null at all points, by the generators they need.

    None where there are too many directions, or no clear gap tells what is null.
    """
    basis = _basis(function, failing, points[0], rng)
    if not basis or len(basis) > _MOST:
        return ()
    effects = torch.cat([_effects(function, basis, theta, inputs, rng) for theta in points])
    _, values, vh = torch.linalg.svd(effects, full_matrices=False)
    spectrum = widest_gap(values)
    if not spectrum.clear or spectrum.kept < NOISE / 2 or spectrum.rank == len(basis):
        return ()
    scales = torch.tensor([b.scale for b in basis], dtype=torch.float64)
    vectors = _reduced(vh[spectrum.rank :].T.cpu() * scales[:, None])
    return _split(basis, vectors)


def _basis(
    function: Function, generators: Sequence[Generator], theta: Point, rng: torch.Generator
) -> list[_Basis]:
    found: list[_Basis] = []
    for generator in generators:
        drawn = generator.coefficients(rng)
        if drawn.ndim != 1 or len(found) + drawn.numel() > _MOST:
            return []
        for one in torch.eye(drawn.numel(), dtype=torch.float64, device=function.device):
            scale = unit(generator.direction(theta, one), theta)
            if scale and math.isfinite(scale):
                found.append(_Basis(generator, one, scale))
    return found


def _effects(
    function: Function,
    basis: Sequence[_Basis],
    theta: Point,
    inputs: InputsLike,
    rng: torch.Generator,
) -> Tensor:
    """Tangents along all basis elements as columns, each in a few random sums of its rows."""
    buckets, columns = _ROWS * len(basis), []
    place = weight = torch.zeros(0)
    for one in basis:
        budget.check()
        tangent = function.jvp(theta, one.generator.direction(theta, one.coefficients * one.scale),
                               inputs)  # fmt: skip
        if not len(place):
            shape = tangent.shape
            place = torch.randint(buckets, shape, generator=rng).to(tangent.device)
            weight = torch.randn(shape, generator=rng, dtype=torch.float64).to(tangent)
        columns.append(tangent.new_zeros(buckets).index_add_(0, place, tangent * weight))
    return torch.stack(columns, 1)


def _reduced(vectors: Tensor) -> Tensor:
    """The same span with few entries: every column is one where all others are zero."""
    rows = vectors.clone()
    pivots: list[int] = []
    for _ in range(vectors.shape[1]):
        pivot = int(rows.norm(dim=1).argmax())
        pivots.append(pivot)
        away = rows[pivot] / rows[pivot].norm()
        rows = rows - (rows @ away)[:, None] * away
    reduced = torch.linalg.solve(vectors[pivots].T, vectors.T).T
    return reduced.apply_(_simple)


def _simple(value: float) -> float:
    """The fraction with a small denominator that is meant, where there is one."""
    near = float(Fraction(value).limit_denominator(_SIMPLE))
    return near if abs(near - value) < _ZERO else value


def _split(basis: Sequence[_Basis], vectors: Tensor) -> tuple[Combination, ...]:
    """Combinations that share no generator apart from each other."""
    groups: list[tuple[set[str], list[int]]] = []
    for k in range(vectors.shape[1]):
        ids = {b.generator.id for b, v in zip(basis, vectors[:, k].tolist(), strict=True) if v}
        touching = [g for g in groups if g[0] & ids]
        groups = [g for g in groups if not g[0] & ids]
        names = ids.union(*(g[0] for g in touching))
        groups.append((names, sorted([k, *(c for g in touching for c in g[1])])))
    return tuple(_combination(basis, vectors[:, chosen], ids) for ids, chosen in groups)


def _combination(basis: Sequence[_Basis], vectors: Tensor, ids: set[str]) -> Combination:
    generators = {b.generator.id: b.generator for b in basis if b.generator.id in ids}
    parts = []
    for name, generator in generators.items():
        own = [(b, row) for b, row in zip(basis, vectors, strict=True) if b.generator.id == name]
        mix = torch.zeros(len(own[0][0].coefficients), vectors.shape[1], dtype=torch.float64)
        for one, row in own:
            mix[int(one.coefficients.argmax())] = row
        parts.append((generator, mix))
    return Combination("+".join(generators), tuple(parts))
