"""Known null directions at a point, and the coordinates that they leave free.

Directions V that are null (J V = 0) make some columns of the Jacobian combinations of the others:
where the rows S of V form an invertible matrix, J[:, S] = -J[:, F] V[F] V[S]⁻¹ for the rest F. So
the rank of J is that of J[:, F], and the null space of J is the span of V plus that of J[:, F]:
the gauge is fixed by holding the coordinates S, and what is left must have full rank if V is all.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.numerics.mixing import Mixing
from symfind.numerics.norms import eigenvalue_bounds
from symfind.numerics.rank import widest_gap

_INDEPENDENT = 1e-8  # smallest singular value, relative to the largest, of independent directions


@dataclass(frozen=True)
class Gauge:
    """Independent directions and the coordinates that hold them.

    Attributes:
        directions: independent columns of unit norm, [parameters, rank].
        fixed: rows of `directions` that form an invertible matrix, [rank].
        free: all other coordinates, ascending.
    """

    directions: Tensor
    fixed: Tensor
    free: Tensor

    @property
    def rank(self) -> int:
        """How many directions are independent at this point."""
        return self.directions.shape[1]

    def lift(self, vectors: Tensor) -> Tensor:
        """Vectors over the free coordinates as vectors over all, zero where held."""
        lifted = vectors.new_zeros(len(self.directions), vectors.shape[1])
        lifted[self.free] = vectors
        return lifted


def no_gauge(parameters: int, device: torch.device) -> Gauge:
    """Nothing is known: every coordinate is free."""
    none = torch.zeros(parameters, 0, dtype=torch.float64, device=device)
    every = torch.arange(parameters, device=device)
    return Gauge(none, every[:0], every)


def fix_gauge(directions: Tensor) -> Gauge:
    """Choose coordinates by which independent directions among the columns are held.

    Directions that cannot be told from combinations of others are left out, so that the rank is
    never too large.

    Args:
        directions: finite columns, [parameters, any number].
    """
    norms = directions.norm(dim=0)
    columns = directions[:, norms > 0] / norms[norms > 0]
    count = columns.shape[1]
    if count == 0:
        return no_gauge(len(directions), directions.device)
    if count <= len(columns):
        rows, condition = _pivots(columns)
        if condition > _INDEPENDENT:
            return _gauge(columns, rows)
    columns = _independent(columns)
    rows, _ = _pivots(columns)
    return _gauge(columns, rows)


def _gauge(columns: Tensor, rows: Tensor) -> Gauge:
    held = torch.zeros(len(columns), dtype=torch.bool, device=columns.device)
    held[rows] = True
    return Gauge(columns, rows, torch.nonzero(~held)[:, 0])


def _pivots(columns: Tensor) -> tuple[Tensor, float]:
    """The rows that partial pivoting picks, and a bound of their smallest singular value."""
    count = columns.shape[1]
    factored, swaps, _ = torch.linalg.lu_factor_ex(columns)
    order = list(range(len(columns)))
    for i, swap in enumerate(swaps.tolist()):
        order[i], order[swap - 1] = order[swap - 1], order[i]
    rows = torch.tensor(order[:count], device=columns.device)
    square = factored[:count]
    if not float(square.diagonal().abs().min()) > 0.0:
        return rows, 0.0
    lower = square.tril(-1).fill_diagonal_(1.0)

    upper = square.triu()

    def inverse(vectors: Tensor) -> Tensor:
        # (AAᵀ)⁻¹ for the rows A = L U that were picked
        x = torch.linalg.solve_triangular(lower, vectors, upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(upper, x, upper=True)
        x = torch.linalg.solve_triangular(upper.T, x, upper=False)
        return torch.linalg.solve_triangular(lower.T, x, upper=True, unitriangular=True)

    top = eigenvalue_bounds(inverse, count, columns)[1]
    return rows, 1.0 / math.sqrt(top * count) if 0 < top < math.inf else 0.0


def _independent(columns: Tensor) -> Tensor:
    """An orthonormal basis of what the columns span for certain."""
    mixed = Mixing(columns.shape[1], columns.device).rows(columns, columns.new_ones(()))
    q, r = torch.linalg.qr(mixed)
    values = r.diagonal().abs()
    rank = widest_gap(values.sort(descending=True).values).rank
    return q[:, :rank]
