"""Bounds of norms by random vectors, which fail with a probability below 1e-8.

For a Gaussian vector w and any map B, |Bw| is at least |B| times a standard normal number. So the
largest of s such lengths, divided by δ = √(π/2) · 10^(-8/s), is less than |B| with a probability
below 1e-8 (Dixon, "Estimating extremal eigenvalues and condition numbers of matrices", 1983; Halko,
Martinsson, Tropp, "Finding structure with randomness", 2011, section 4.3). Powers of a map make it
sharper, because the root of the factor is taken.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]

VECTORS = 8
_STEPS = 12
_SURE = 8.0  # decades of the probability of failure


def gaussian(size: int, width: int, like: Tensor) -> Tensor:
    """The same normal numbers each time, shape (size, width)."""
    rng = torch.Generator().manual_seed(size)
    return torch.randn(size, width, generator=rng, dtype=torch.float64).to(like.device)


def _delta(width: int) -> float:
    return math.sqrt(0.5 * math.pi) * 10.0 ** (-_SURE / width)


def norm_bound(images: Tensor) -> float:
    """An upper bound of the norm of a map, from the images of Gaussian vectors (columns)."""
    if images.numel() == 0:
        return 0.0
    return float(images.norm(dim=0).max()) / _delta(images.shape[1])


def eigenvalue_bounds(
    apply: Map, size: int, like: Tensor, steps: int = _STEPS, width: int = VECTORS
) -> tuple[float, float]:
    """Bounds of the largest eigenvalue of a positive semidefinite map from below and above.

    Args:
        apply: the map, of columns.
        size: its dimension.
        like: where it is evaluated.
        steps: how often it is applied.
        width: how many vectors at once.
    """
    if size == 0:
        return 0.0, 0.0
    vectors = gaussian(size, width, like)
    lengths = vectors.norm(dim=0)
    start = vectors / lengths
    logs = lengths.log()
    for _ in range(steps):
        image = apply(start)
        lengths = image.norm(dim=0)
        if not bool(torch.isfinite(lengths).all()):
            return 0.0, math.inf
        if not bool((lengths > 0).all()):
            return 0.0, 0.0
        logs = logs + lengths.log()
        start = image / lengths
    upper = math.exp((float(logs.max()) - math.log(_delta(width))) / steps)
    return float(lengths.max()), upper


def gram(matrix: Tensor) -> Map:
    """The product with AᵀA."""
    return lambda vectors: matrix.T @ (matrix @ vectors)


def one_plus(matrix: Tensor) -> Tensor:
    """I + AAᵀ."""
    product = matrix @ matrix.T
    product.diagonal().add_(1.0)
    return product


def shrink(matrix: Tensor, factor: Tensor | None = None) -> Map:
    """The product with (I + AAᵀ)⁻¹, by its smaller side.

    Args:
        matrix: A.
        factor: R with RᵀR = I + AᵀA, where it is there already.
    """
    rows, columns = matrix.shape
    if columns == 0:
        return lambda vectors: vectors
    if rows <= columns:
        small = torch.linalg.cholesky(one_plus(matrix))
        return lambda vectors: torch.cholesky_solve(vectors, small)
    found = torch.linalg.cholesky(one_plus(matrix.T)).T if factor is None else factor
    return lambda vectors: (
        vectors - matrix @ torch.cholesky_solve(matrix.T @ vectors, found, upper=True)
    )
