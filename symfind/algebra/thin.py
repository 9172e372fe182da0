"""Matrices of low rank, as products of tall ones: what they do to large tensors costs little.

A generic element of low rank tells as much as a generic one: what is linear in a matrix u vᵀ (or
its skew part) and does not vanish is a polynomial in u and v that does not, since these span all.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.exponential import exponential

WIDE = 128  # matrices that are no smaller are drawn thin
RANK = 3  # of what is drawn; of its skew part twice as much
_COLUMNS = 2 * RANK + 2
_EXACT = 1e-14  # of the norm, in the root of the number of entries: what rounding leaves


@dataclass(frozen=True)
class Thin:
    """A matrix left · rightᵀ; both of shape [..., n, rank]."""

    left: Tensor
    right: Tensor

    @property
    def transposed(self) -> "Thin":
        """Its transpose."""
        return Thin(self.right, self.left)

    def __neg__(self) -> "Thin":
        """Minus it."""
        return Thin(-self.left, self.right)

    def exponential(self, t: float) -> "Thin":
        """exp(t x) less the identity: t L φ(t Rᵀ L) Rᵀ, with φ(z) = (exp(z) − 1) / z.

        φ of a matrix stands beside its exponential in that of a block matrix (Al-Mohy, Higham,
        "Computing the action of the matrix exponential", 2011, theorem 2.1).
        """
        inner = t * self.right.transpose(-1, -2) @ self.left
        k = inner.shape[-1]
        block = inner.new_zeros(*inner.shape[:-2], 2 * k, 2 * k)
        block[..., :k, :k] = inner
        block[..., :k, k:] = torch.eye(k, dtype=inner.dtype, device=inner.device)
        return Thin(t * self.left @ exponential(block)[..., :k, k:], self.right)


def thin(x: Tensor) -> Thin | None:
    """A wide matrix [..., n, n] as a product, None where its rank is not low."""
    n = x.shape[-1]
    if n < WIDE:
        return None
    left = torch.linalg.qr(x @ _probe(n).to(x)).Q
    found = Thin(left, x.transpose(-1, -2) @ left)
    rest = x - found.left @ found.right.transpose(-1, -2)
    return found if float(rest.norm()) <= _EXACT * n * float(x.norm()) else None


@functools.cache
def _probe(n: int) -> Tensor:
    rng = torch.Generator().manual_seed(n)
    return torch.randn(n, _COLUMNS, generator=rng, dtype=torch.float64)


def drawn(lead: list[int], n: int, rng: torch.Generator) -> Tensor:
    """Random matrices [*lead, n, n] of low rank, with entries as large as independent ones."""
    options: dict[str, Any] = {"generator": rng, "dtype": torch.float64}
    left, right = (torch.randn(*lead, n, RANK, **options) for _ in range(2))
    return left @ right.transpose(-1, -2) / RANK**0.5
