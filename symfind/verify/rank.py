"""The numerical rank and null space of a matrix, decided by the gap in its spectrum.

A random orthogonal mixing of the columns makes an unpivoted QR factorisation reveal the rank
(Demmel, Dumitriu, Holtz, "Fast linear algebra is stable", 2007, section 5). The two sides of the
gap are then bounded from the factor: the smallest singular value of its leading rows from below,
the norm of its trailing block from above; so they bound those of the matrix itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_GAP = 3.0  # decades between the smallest kept and the largest dropped singular value
NOISE = -9.0  # a dropped singular value lies below this (log10, relative to the largest)
_SCALING = 1e-3  # columns smaller than this, relative to the largest, are not scaled up to one
_DENSE = 1500  # columns, up to which an unclear gap is read off all singular values again
_PANEL = 1024  # columns of a product at once
_CLEAR = 100.0  # what a Gram matrix shows is this many times its rounding
_CHUNK = 1 << 19  # entries that are mixed at once
_Map = Callable[[Tensor], Tensor]

_BLOCK, _STEPS = 8, 12  # vectors and steps of a subspace iteration


@dataclass(frozen=True)
class Spectrum:
    """Rank of a matrix decided by the widest gap in its singular values.

    `kept` and `dropped` are log10 of the singular values at the two sides of the gap, relative to
    the largest. Where nothing is dropped, `dropped` is the level of rounding.
    """

    rank: int
    kept: float
    dropped: float

    @property
    def clear(self) -> bool:
        """Whether the two sides of the gap cannot be confused."""
        return self.kept - self.dropped >= MIN_GAP and self.dropped <= NOISE


def column_scales(matrix: Tensor) -> Tensor:
    """What to divide columns by for unit norm, because parameters come in very different sizes.

    The factor is bounded, so that the rounding noise of a null column (a key bias) stays noise.
    """
    norms = matrix.norm(dim=0)
    top = float(norms.max()) if len(norms) else 0.0
    return norms.clamp(min=_SCALING * top) if top > 0 else torch.ones_like(norms)


def _floor(size: int) -> float:
    return math.log10(torch.finfo(torch.float64).eps) + 0.5 * math.log10(max(size, 1))


def widest_gap(values: Tensor) -> Spectrum:
    """Cut descending values at the widest gap among those that end in rounding noise."""
    floor = _floor(len(values))
    if len(values) == 0 or float(values[0]) == 0.0:
        return Spectrum(0, 0.0, floor)
    logs = [max(math.log10(v), floor) if v > 0 else floor for v in (values / values[0]).tolist()]
    logs.append(floor)
    below = [i for i in range(1, len(logs)) if logs[i] <= NOISE]
    rank = max(below, key=lambda i: (logs[i - 1] - logs[i], -i))
    return Spectrum(rank, logs[rank - 1], logs[rank])


def spectral_rank(matrix: Tensor) -> Spectrum:
    """Rank of `matrix` by the widest gap among its singular values, all of which are computed."""
    live = matrix.abs().amax(0) > 0 if matrix.numel() else torch.zeros(0, dtype=torch.bool)
    matrix = matrix[:, live]
    return widest_gap(torch.linalg.svdvals(matrix / column_scales(matrix)))


def _hartley(matrix: Tensor) -> Tensor:
    """The discrete Hartley transform along the last axis: orthogonal, and its own inverse."""
    spectrum = torch.fft.fft(matrix, norm="ortho")
    return spectrum.real - spectrum.imag


class Mixing:
    """A fixed random orthogonal matrix of two Hartley transforms between random signs."""

    def __init__(self, size: int, device: torch.device) -> None:
        rng = torch.Generator().manual_seed(size)
        signs = torch.randint(2, (2, size), generator=rng) * 2.0 - 1.0
        self.first, self.second = signs.to(device, torch.float64)

    def rows(self, matrix: Tensor, scales: Tensor) -> Tensor:
        """The rows of `matrix` divided by `scales`, times the mixing."""
        mixed = torch.empty_like(matrix)
        step = max(1, _CHUNK // max(matrix.shape[1], 1))
        for start in range(0, len(matrix), step):
            block = matrix[start : start + step] / scales * self.first
            mixed[start : start + step] = _hartley(_hartley(block) * self.second)
        return mixed

    def columns(self, vectors: Tensor) -> Tensor:
        """The mixing times the columns of `vectors`."""
        if vectors.shape[1] == 0:
            return vectors
        step = max(1, _CHUNK // max(len(vectors), 1))
        parts = [
            (_hartley(_hartley(part.T) * self.second) * self.first).T
            for part in vectors.split(step, dim=1)
        ]
        return torch.cat(parts, 1)


def largest_eigenvalue(apply: _Map, size: int, like: Tensor, width: int = _BLOCK) -> float:
    """The largest eigenvalue of a positive semidefinite map, by subspace iteration."""
    if size == 0:
        return 0.0
    rng = torch.Generator().manual_seed(size)
    start = torch.randn(size, min(width, size), generator=rng, dtype=torch.float64)
    vectors = torch.linalg.qr(start.to(like.device)).Q
    value = 0.0
    for _ in range(_STEPS):
        image = apply(vectors)
        if not bool(torch.isfinite(image).all()):
            return math.inf
        value = float(torch.linalg.eigvalsh(vectors.T @ image)[-1])
        vectors = torch.linalg.qr(image).Q
    return max(value, 0.0)


def gram(matrix: Tensor) -> _Map:
    """The product with AᵀA."""
    return lambda vectors: matrix.T @ (matrix @ vectors)


def inverse_gram(lead: Tensor, tail: Tensor | None = None) -> _Map:
    """(R₁R₁ᵀ)⁻¹ for an upper triangle R₁₁ and R₁ = R₁₁ (I, T), by triangular solves."""
    if tail is not None:
        eye = torch.eye(tail.shape[1], dtype=tail.dtype, device=tail.device)
        middle = torch.linalg.cholesky(eye + tail.T @ tail)

    def apply(vectors: Tensor) -> Tensor:
        x = torch.linalg.solve_triangular(lead, vectors, upper=True)
        if tail is not None:
            x = x - tail @ torch.cholesky_solve(tail.T @ x, middle)
        return torch.linalg.solve_triangular(lead.T, x, upper=False)

    return apply


def _product(matrix: Tensor) -> Tensor:
    """AᵀA, its upper triangle by blocks: the lower one is never looked at."""
    size = matrix.shape[1]
    product = matrix.new_empty(size, size)
    for start in range(0, size, _PANEL):
        panel = matrix[:, start : start + _PANEL]
        torch.mm(panel.T, matrix[:, start:], out=product[start : start + _PANEL, start:])
    return product


def full_rank(matrix: Tensor) -> "Revealed | None":
    """What is revealed of a matrix whose columns are seen to be independent; else None.

    The Cholesky factor of AᵀA costs a third of a QR factorisation, but squares the spectrum: what
    it shows counts only where it stands clear of the rounding in the product, which is bounded as
    in Higham and Mary, "A new approach to probabilistic rounding error analysis" (2019): by
    √rows · eps times the trace.
    """
    rows, columns = matrix.shape
    scales = column_scales(matrix)
    if rows < columns or columns == 0 or not bool((matrix.abs().amax(0) > 0).all()):
        return None
    scaled = matrix / scales
    product = _product(scaled)
    largest = largest_eigenvalue(gram(scaled), columns, scaled, width=1)
    del scaled
    noise = torch.finfo(torch.float64).eps * math.sqrt(rows) * float(product.diagonal().sum())
    factor, failed = torch.linalg.cholesky_ex(product, upper=True)
    if bool(failed):
        return None
    inverse = largest_eigenvalue(inverse_gram(factor), columns, factor)
    if not 0 < inverse < math.inf or 1.0 / inverse < _CLEAR * noise:
        return None
    kept = 0.5 * math.log10(1.0 / (inverse * largest))
    spectrum = Spectrum(columns, min(kept, 0.0), _floor(columns))
    return Revealed(spectrum, matrix.new_zeros(columns, 0), scales, math.sqrt(largest))


@dataclass(frozen=True)
class Revealed:
    """Rank of a matrix, and an orthonormal basis of its null space once columns are scaled.

    A null vector of the matrix itself is a column of `null` divided by `scales`. `largest` is the
    largest singular value of the scaled matrix.
    """

    spectrum: Spectrum
    null: Tensor
    scales: Tensor
    largest: float


def reveal(matrix: Tensor) -> Revealed:
    """Rank and null space of `matrix`, shape (rows, columns), with the gap between them.

    Columns that are exactly zero are exactly null.
    """
    live = matrix.abs().amax(0) > 0
    if bool(live.all()):
        return _reveal(matrix)
    columns, dead = len(live), torch.nonzero(~live)[:, 0]
    found = _reveal(matrix[:, live]) if bool(live.any()) else None
    seen = found.null.shape[1] if found else 0
    null = matrix.new_zeros(columns, seen + len(dead))
    scales = matrix.new_ones(columns)
    null[dead, seen + torch.arange(len(dead), device=dead.device)] = 1.0
    if found is None:
        return Revealed(Spectrum(0, 0.0, _floor(columns)), null, scales, 0.0)
    null[live, :seen] = found.null
    scales[live] = found.scales
    return Revealed(found.spectrum, null, scales, found.largest)


def _reveal(matrix: Tensor) -> Revealed:
    columns = matrix.shape[1]
    scales = column_scales(matrix)
    mixing = Mixing(columns, matrix.device)
    factor = torch.linalg.qr(mixing.rows(matrix, scales), mode="r").R
    floor = _floor(columns)
    largest = math.sqrt(largest_eigenvalue(gram(factor), columns, factor))
    rank = widest_gap(factor.diagonal().abs().sort(descending=True).values).rank
    if rank == 0 or largest == 0.0:
        eye = torch.eye(columns, dtype=matrix.dtype, device=matrix.device)
        return Revealed(Spectrum(0, 0.0, floor), eye, scales, 0.0)
    spectrum, tail = _bounds(factor, rank, largest)
    if not spectrum.clear and columns <= _DENSE:
        _, values, vh = torch.linalg.svd(factor, full_matrices=True)
        exact = widest_gap(values)
        return Revealed(exact, mixing.columns(vh[exact.rank :].T), scales, float(values[0]))
    eye = torch.eye(columns - rank, dtype=tail.dtype, device=tail.device)
    null = torch.linalg.qr(torch.cat([-tail, eye])).Q
    return Revealed(spectrum, mixing.columns(null), scales, largest)


def _bounds(factor: Tensor, rank: int, largest: float) -> tuple[Spectrum, Tensor]:
    """The two sides of the gap after `rank` rows of a triangular factor, and R₁₁⁻¹R₁₂."""
    floor = _floor(factor.shape[1])
    lead = factor[:rank, :rank]
    tail = torch.linalg.solve_triangular(lead, factor[:rank, rank:], upper=True)
    rest = factor[rank:, rank:]
    dropped = (
        math.sqrt(largest_eigenvalue(gram(rest), rest.shape[1], rest)) / largest
        if len(rest)
        else 0.0
    )
    try:
        inverse = largest_eigenvalue(inverse_gram(lead, tail), rank, lead)
    except torch.linalg.LinAlgError:
        inverse = math.inf
    kept = 1.0 / math.sqrt(inverse) / largest if 0 < inverse < math.inf else 0.0
    logs = [max(math.log10(v), floor) if v > 0 else floor for v in (kept, dropped)]
    return Spectrum(rank, min(logs[0], 0.0), logs[1]), tail
