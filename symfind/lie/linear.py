"""Spans and kernels, exactly over the rationals or in floating point by the gap in the spectrum.

Subspaces are arrays whose rows are a basis: of rational numbers in the reduced echelon form, of
floats orthonormal.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from symfind.errors import AlgebraError

Array = NDArray[Any]

CEILING = 1e-3  # what is dropped is smaller than this, relative to the natural scale
MIN_GAP = 10.0  # ratio between the smallest value kept and the largest dropped


class Linear(Protocol):
    """The linear algebra that the structure theory needs, over one kind of numbers."""

    exact: bool

    def product(self, a: Array, b: Array) -> Array:
        """The matrix product."""

    def span(self, rows: Array, top: float = 1.0) -> Array:
        """A basis of the row space; `top` is the natural size of the rows."""

    def kernel(self, matrix: Array, top: float = 1.0) -> Array:
        """A basis of the vectors that the matrix sends to zero."""

    def inertia(self, form: Array, top: float = 1.0) -> tuple[int, int]:
        """Numbers of positive and of negative squares of a symmetric matrix."""


@dataclass(frozen=True)
class Numeric:
    """Floating point, with values known up to `noise` relative to the natural scale."""

    noise: float
    exact = False

    def rank(self, values: Array, top: float = 1.0) -> int:
        """How many of some descending non-negative values are not zero.

        The cut is at the widest gap (a ratio of neighbours) that has small values below it; above
        the values stands their natural scale, below them the noise.

        Raises:
            AlgebraError: no gap is wide enough.
        """
        floor = self.noise * top
        top = max([top, *values[:1]])
        ladder = [top, *np.clip(values, floor, None), floor]
        # where the noise itself is above the ceiling, only what is lost in it may be dropped
        ceiling = max(CEILING * top, floor)
        cuts = [i for i in range(len(values) + 1) if ladder[i + 1] <= ceiling]
        best = max(cuts, key=lambda i: ladder[i] / ladder[i + 1])
        if ladder[best] < MIN_GAP * ladder[best + 1]:
            raise AlgebraError(
                f"no clear gap between zero and the rest: {ladder[best]:.1e} and "
                f"{ladder[best + 1]:.1e} lie too close at a noise of {self.noise:.1e}; give more "
                "precise generators, or exact ones"
            )
        return best

    def vanishes(self, values: Array, top: float = 1.0) -> bool:
        """Whether an array is zero but for noise."""
        size = float(np.abs(values).max()) if values.size else 0.0
        return self.rank(np.array([size]), top) == 0

    def product(self, a: Array, b: Array) -> Array:
        """The matrix product."""
        return np.asarray(a @ b)

    def span(self, rows: Array, top: float = 1.0) -> Array:
        """An orthonormal basis of the row space."""
        _, values, basis = np.linalg.svd(_thin(rows), full_matrices=False)
        return np.asarray(basis[: self.rank(values, top)])

    def kernel(self, matrix: Array, top: float = 1.0) -> Array:
        """An orthonormal basis of the vectors that the matrix sends to zero."""
        _, values, basis = np.linalg.svd(_thin(matrix))
        return np.asarray(basis[self.rank(values, top) :])

    def inertia(self, form: Array, top: float = 1.0) -> tuple[int, int]:
        """Numbers of positive and negative eigenvalues."""
        values = np.linalg.eigvalsh((form + form.T) / 2)
        order = np.argsort(-np.abs(values))
        kept = values[order[: self.rank(np.abs(values[order]), top)]]
        return int((kept > 0).sum()), int((kept < 0).sum())


class Exact:
    """Rational numbers; arrays hold elements of sympy's QQ."""

    exact = True

    def product(self, a: Array, b: Array) -> Array:
        """The matrix product, of sparse matrices."""
        return dense(domain_matrix(a) * domain_matrix(b))

    def span(self, rows: Array, top: float = 1.0) -> Array:
        """The reduced echelon form, without zero rows."""
        rows = rows[[any(row) for row in rows]]
        reduced, pivots = domain_matrix(rows).rref()
        return dense(reduced)[: len(pivots)]

    def kernel(self, matrix: Array, top: float = 1.0) -> Array:
        """A basis of the null space."""
        rows = matrix[[any(row) for row in matrix]]
        return dense(domain_matrix(rows).nullspace())

    def inertia(self, form: Array, top: float = 1.0) -> tuple[int, int]:
        """Numbers of positive and negative squares, by completing squares (Sylvester)."""
        rest, signs = form.copy(), []
        while len(rest):
            diagonal = [i for i in range(len(rest)) if rest[i, i]]
            if not diagonal:
                places = [(i, j) for i, j in np.ndindex(*rest.shape) if rest[i, j]]
                if not places:
                    break
                # a plane on which the form is b x y: make it b (x + y) y
                i, j = places[0]
                rest[i] = rest[i] + rest[j]
                rest[:, i] = rest[:, i] + rest[:, j]
                diagonal = [i]
            i = diagonal[0]
            pivot, row = rest[i, i], rest[i].copy()
            signs.append(pivot > 0)
            keep = [j for j in range(len(rest)) if j != i]
            for j in (j for j in keep if row[j]):
                rest[j] = rest[j] - (row[j] / pivot) * row
            rest = rest[np.ix_(keep, keep)]
        return sum(signs), len(signs) - sum(signs)


def domain_matrix(array: Array) -> DomainMatrix:
    """Sparse matrix over QQ of a two-dimensional array of its elements."""
    rows: dict[int, dict[int, Any]] = {}
    for (i, j), value in np.ndenumerate(array):
        if value:
            rows.setdefault(i, {})[j] = value
    return DomainMatrix(rows, array.shape, QQ)


def dense(matrix: DomainMatrix) -> Array:
    """Two-dimensional array of the elements of a matrix over QQ."""
    result = np.full(matrix.shape, QQ.zero, dtype=object)
    for (i, j), value in matrix.to_dok().items():
        result[i, j] = value
    return result


def _thin(matrix: Array) -> Array:
    """The triangular factor: it has the same row space and kernel, and fewer rows."""
    if matrix.shape[0] > matrix.shape[1]:
        return np.asarray(np.linalg.qr(matrix, mode="r"))
    return matrix


def complement(basis: Array, within: Array) -> Array:
    """Orthonormal basis of the orthogonal complement of one float subspace in another."""
    rest = within - (within @ basis.T) @ basis
    vectors = np.linalg.svd(rest, full_matrices=False)[2]
    return np.asarray(vectors[: len(within) - len(basis)])
