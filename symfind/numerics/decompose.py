"""Singular value decompositions that converge."""

import torch
from torch import Tensor


def svd(matrix: Tensor, full: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and Vᵀ of a matrix.

    The divide-and-conquer algorithm of LAPACK fails on some matrices with many equal singular
    values; then the columns are mixed by a random orthogonal matrix first.

    Args:
        matrix: of any shape [rows, columns].
        full: complete U and Vᵀ to square matrices.
    """
    try:
        return torch.linalg.svd(matrix, full_matrices=full)
    except torch.linalg.LinAlgError:
        rng = torch.Generator().manual_seed(matrix.shape[1])
        drawn = torch.randn(matrix.shape[1], matrix.shape[1], generator=rng, dtype=torch.float64)
        mixing = torch.linalg.qr(drawn).Q.to(matrix)
        u, s, vh = torch.linalg.svd(matrix @ mixing, full_matrices=full)
        return u, s, vh @ mixing.T


def right(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """S and Vᵀ of a matrix, the latter completed to a square.

    U, which would have as many columns as the matrix has rows, is not computed.

    Args:
        matrix: of any shape [rows, columns].
    """
    tall = len(matrix) > matrix.shape[1]
    _, values, vh = svd(torch.linalg.qr(matrix, mode="r").R if tall else matrix, full=True)
    return values, vh
