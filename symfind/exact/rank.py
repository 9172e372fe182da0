"""Null spaces over GF(p), with FLINT."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.errors import ExactError
from symfind.residues.field import Field

if TYPE_CHECKING:
    from types import ModuleType


def flint() -> "ModuleType":
    """The module of python-flint.

    Raises:
        ExactError: it is not installed.
    """
    try:
        import flint as module
    except ImportError as error:
        raise ExactError(
            "exact mode needs python-flint for ranks over a prime field: "
            "pip install 'symfind[exact]'"
        ) from error
    return module


class NullSpace:
    """The directions that no row has seen, as a basis that shrinks with every row.

    Rows J' are needed along these directions only, because
    rank [J; J'] = rank J + rank (J' N) where the columns of N span the null space of J.

    Args:
        field: GF(p).
        dimension: of the whole space.
    """

    def __init__(self, field: Field, dimension: int) -> None:
        self.field, self.whole, self.dimension = field, dimension, dimension
        self.basis: Tensor | None = None  # shape (whole, dimension); None for the identity

    @property
    def rank(self) -> int:
        """Of all rows so far."""
        return self.whole - self.dimension

    def add(self, rows: Tensor) -> None:
        """Take in rows times the basis, residues of shape (rows, dimension).

        FLINT reduces a square of three thousand in about three seconds.
        """
        rows = rows[(rows != 0).any(1)]
        if not len(rows) or not self.dimension:
            return
        matrix = flint().nmod_mat(*rows.shape, rows.flatten().tolist(), self.field.prime)
        reduced, rank = matrix.rref()
        entries = [int(entry) for entry in reduced.entries()[: rank * self.dimension]]
        echelon = torch.tensor(entries, dtype=torch.int64).reshape(rank, self.dimension)
        pivots = (echelon != 0).int().argmax(1)
        free = torch.ones(self.dimension, dtype=torch.bool).index_fill(0, pivots, False)
        self._shrink(pivots, free, echelon[:, free])

    def _shrink(self, pivots: Tensor, free: Tensor, echelon: Tensor) -> None:
        # each direction off the pivots, less what the pivots see of it
        prime, kept = self.field.prime, int(free.sum())
        if self.basis is None:
            self.basis = torch.zeros(self.whole, kept, dtype=torch.int64)
            self.basis[free] = torch.eye(kept, dtype=torch.int64)
            self.basis[pivots] = (prime - echelon) % prime
        else:
            known = self.basis[:, pivots].double()
            limbs = self.field.limbs(echelon, len(pivots))
            seen = limbs.contract(lambda limb: known @ limb)
            self.basis = (self.basis[:, free] - seen) % prime
        self.dimension = kept
