"""The numerical rank of a matrix, decided by the gap in its spectrum."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_GAP = 3.0  # decades between the smallest kept and the largest dropped singular value
NOISE = -9.0  # a dropped singular value lies below this (log10, relative to the largest)
_SCALING = 1e-3  # columns smaller than this, relative to the largest, are not scaled up to one


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
    return scales_of(matrix.norm(dim=0))


def scales_of(norms: Tensor) -> Tensor:
    """The same from the norms of columns."""
    top = float(norms.max()) if len(norms) else 0.0
    return norms.clamp(min=_SCALING * top) if top > 0 else torch.ones_like(norms)


def rounding(size: int) -> float:
    """log10 of what a singular value of this size of matrix is uncertain by, relative to one."""
    return math.log10(torch.finfo(torch.float64).eps) + 0.5 * math.log10(max(size, 1))


def widest_gap(values: Tensor) -> Spectrum:
    """Cut descending values at the widest gap among those that end in rounding noise."""
    floor = rounding(len(values))
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
