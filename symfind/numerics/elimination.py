"""Rank and null space of a matrix by elimination, proved on the matrix itself.

Gaussian elimination of Aᵀ with partial pivoting takes one row of A after another, and the largest
entry that is left of it as pivot; it costs a third of what a QR factorisation does. With generic
rows the first r, for rank r, find all pivots, and the rest vanishes. In an order of the columns
that begins with the pivots this makes A close to

    C = (I; W) M (I, T),    M = U₁ᵀL₁ᵀ,  T = L₁⁻ᵀL₂ᵀ,  Wᵀ = U₁⁻¹U₂,

of rank exactly r (the skeleton of Goreinov, Tyrtyshnikov, Zamarashkin, "A theory of pseudoskeleton
approximations", 1997). What the elimination says is then measured on A, not believed:

* from above: let N be an orthonormal basis of the n - r dimensions that (-T; I) spans, or close to
  one. Then σ_{r+1}(A) ≤ |A N| / σ_min(N) (Courant and Fischer);
* from below: let x be the shortest vector with M (I, T) x = y. Then A x = (I; W) y + E y, and
  |(I; W) y| ≥ |y|, so that σ_r(A) ≥ (1 - |E|) σ_r(C).

The norms are bounded as in `norms`.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from symfind.numerics.norms import (
    VECTORS,
    Map,
    eigenvalue_bounds,
    gaussian,
    norm_bound,
    one_plus,
    shrink,
)
from symfind.numerics.tolerances import ABSENT

_SHARP = 1500  # columns, up to which bounds are made as sharp as they can be;
_FEW = 3  # steps beyond,
_EXTRA = 128  # and rows beside those that have pivots


@dataclass(frozen=True)
class Chart:
    """A null space: that of (I, T) in an order of the columns.

    Attributes:
        order: columns, those with pivots first.
        tail: T, [rank, columns - rank].
    """

    order: Tensor
    tail: Tensor

    @cached_property
    def lengths(self) -> Tensor:
        """The triangle R with RᵀR = I + TᵀT: (-T; I) R⁻¹ is orthonormal."""
        return torch.linalg.cholesky(one_plus(self.tail.T), upper=True)

    def null(self, mix: Tensor) -> Tensor:
        """An orthonormal basis of the null space times the columns of `mix`."""
        mix = torch.linalg.solve_triangular(self.lengths, mix, upper=True)
        return self.placed(-self.tail @ mix, mix)

    def placed(self, first: Tensor, rest: Tensor) -> Tensor:
        """Vectors from their entries at pivots and elsewhere."""
        vectors = first.new_empty(len(self.order), first.shape[1])
        vectors[self.order] = torch.cat([first, rest])
        return vectors


class Skeleton:
    """A matrix C = (I; W) M (I, T) that is close to a given one.

    Args:
        chart: its null space.
        packed: L₁ below the diagonal, where it is one, U₁ above and on it: [rank, rank].
        extra: Wᵀ, [rank, any number of further rows].

    Raises:
        torch.linalg.LinAlgError: T or W is too large.
    """

    def __init__(self, chart: Chart, packed: Tensor, extra: Tensor) -> None:
        self.chart, self.packed, self.extra = chart, packed, extra
        self.rank, self.columns = len(packed), len(chart.order)
        self._below, self._right = shrink(extra), shrink(chart.tail, chart.lengths)

    def smallest(self, sharp: bool = False) -> float:
        """A lower bound of the smallest positive singular value of C.

        Args:
            sharp: whether it is to be as good as it can be, where that takes longer.
        """

        def apply(vectors: Tensor) -> Tensor:
            # (CCᵀ)⁺
            y = self._right(self._solve(self.fitted(vectors)))
            y = self._below(self._solve_transposed(y))
            return torch.cat([y, self.extra.T @ y])

        size = self.rank + self.extra.shape[1]
        steps = {} if sharp or self.columns <= _SHARP else {"steps": _FEW}
        top = eigenvalue_bounds(apply, size, self.packed, **steps)[1]
        return 1.0 / math.sqrt(top) if 0 < top < math.inf else 0.0

    def error(self, apply: Map) -> float:
        """A bound of |E|: how far a matrix is from C, relative to C."""
        y = gaussian(self.rank, VECTORS, self.packed)
        expected = torch.cat([y, self.extra.T @ y])
        found = norm_bound(apply(self.preimage(y))[: len(expected)] - expected)
        return found if math.isfinite(found) else math.inf

    def largest_dropped(self, apply: Map) -> tuple[Tensor, float, bool]:
        """A bound of singular value number rank + 1 of a matrix.

        Returns:
            Random null vectors, the bound, and whether those of the chart are near: one step of
            refinement takes the rounding of the elimination out of them.
        """
        vectors = self.chart.null(gaussian(self.columns - self.rank, VECTORS, self.packed))
        moved = self.preimage(self.fitted(apply(vectors)))
        vectors, far = vectors - moved, norm_bound(moved)
        found = norm_bound(apply(vectors)) / (1.0 - far) if far < 1.0 else math.inf
        return vectors, found, self.columns > _SHARP and far <= ABSENT

    def refined(self, apply: Map) -> Chart:
        """The null space of a matrix, by one step of refinement."""
        tail = self.chart.tail
        eye = torch.eye(tail.shape[1], dtype=tail.dtype, device=tail.device)
        missed = apply(self.chart.placed(-tail, eye))
        return Chart(self.chart.order, tail + self._solve(self.fitted(missed)))

    def fitted(self, image: Tensor) -> Tensor:
        """The y with (I; W) y nearest to an image."""
        rows = self.rank + self.extra.shape[1]
        return self._below(image[: self.rank] + self.extra @ image[self.rank : rows])

    def preimage(self, y: Tensor) -> Tensor:
        """The shortest x with M (I, T) x = y."""
        first = self._right(self._solve(y))
        return self.chart.placed(first, self.chart.tail.T @ first)

    def _solve(self, vectors: Tensor) -> Tensor:
        """M⁻¹."""
        x = torch.linalg.solve_triangular(self.packed.T, vectors, upper=False)
        return torch.linalg.solve_triangular(self.packed.T, x, upper=True, unitriangular=True)

    def _solve_transposed(self, vectors: Tensor) -> Tensor:
        """M⁻ᵀ."""
        x = torch.linalg.solve_triangular(self.packed, vectors, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(self.packed, x, upper=True)


class Elimination:
    """Elimination of the transpose of a matrix, in its place.

    Only as many rows as there are columns are eliminated: the factorisation of wide matrices, as
    the transpose of more rows would be, is up to twenty times slower in some libraries.

    Args:
        matrix: [rows, columns], contiguous; overwritten.
    """

    def __init__(self, matrix: Tensor) -> None:
        columns, device = matrix.shape[1], matrix.device
        given, self._rest = matrix[:columns].T, matrix[columns:]
        swaps, info = (torch.empty(0, dtype=torch.int32, device=device) for _ in range(2))
        self._factors, swaps, _ = torch.linalg.lu_factor_ex(given, out=(given, swaps, info))
        order = list(range(columns))
        for i, swap in enumerate(swaps.tolist()):
            order[i], order[swap - 1] = order[swap - 1], order[i]
        self._order = torch.tensor(order, device=device)
        self.pivots = self._factors.diagonal().abs()

    def skeleton(self, rank: int) -> Skeleton:
        """What the first pivots say.

        Raises:
            torch.linalg.LinAlgError: they are too small.
        """
        factors, solve = self._factors, torch.linalg.solve_triangular
        packed = factors[:rank, :rank].T.contiguous().T
        tail = solve(packed.T, factors[rank:, :rank].T, upper=True, unitriangular=True)
        most = None if len(factors) <= _SHARP else _EXTRA
        rest = self._rest[:most, self._order[:rank]].T
        rest = solve(packed, rest, upper=False, unitriangular=True)
        beside = torch.cat([factors[:rank, rank:], rest], 1)[:, :most]
        extra = solve(packed, beside, upper=True)
        return Skeleton(Chart(self._order, tail), packed, extra)
