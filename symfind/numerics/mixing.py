"""A random orthogonal mixing of columns."""

import functools

import torch
from torch import Tensor

_SMALL = 256  # coefficients, for which a matrix is drawn
_CHUNK = 1 << 19  # entries that are mixed at once


def _hartley(matrix: Tensor) -> Tensor:
    """The discrete Hartley transform along the last axis: orthogonal, and its own inverse."""
    spectrum = torch.fft.fft(matrix, norm="ortho")
    return spectrum.real - spectrum.imag


def mixed(c: Tensor) -> Tensor:
    """Coefficients in a basis that has nothing to do with the given one.

    A coordinate subspace may lie askew to what can be made, its image does not. One Hartley
    transform does not do: of n · m coefficients those that are the same in every group of m lie
    along coordinates of it.
    """
    size = c.shape[-1]
    if size <= _SMALL:
        return c @ _orthogonal(size).to(c)
    rng = torch.Generator().manual_seed(size)
    first, second = torch.randint(0, 2, (2, size), generator=rng).to(c) * 2 - 1
    return _hartley(second * _hartley(first * c))


@functools.cache
def _orthogonal(size: int) -> Tensor:
    rng = torch.Generator().manual_seed(size)
    return torch.linalg.qr(torch.randn(size, size, generator=rng, dtype=torch.float64)).Q


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
