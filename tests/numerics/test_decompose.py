"""What rows span, and what they take to zero."""

import pytest
import torch

from symfind.numerics.decompose import right, svd


@pytest.mark.parametrize("shape", [(3, 7), (7, 7), (40, 7)])
def test_the_right_vectors_are_a_square(shape: tuple[int, int]) -> None:
    """With the same values and the same null space as from the whole decomposition."""
    rng = torch.Generator().manual_seed(0)
    low = torch.randn(shape[0], 2, generator=rng, dtype=torch.float64)
    matrix = low @ torch.randn(2, shape[1], generator=rng, dtype=torch.float64)
    values, vh = right(matrix)
    assert torch.allclose(values, svd(matrix)[1])
    assert torch.allclose(vh @ vh.T, torch.eye(7, dtype=torch.float64))
    assert float((matrix @ vh[2:].T).abs().max()) < 1e-12


def test_many_rows_take_no_square_of_their_number() -> None:
    """U of these would have 4e10 entries."""
    matrix = torch.ones(200_000, 2, dtype=torch.float64)
    values, vh = right(matrix)
    assert torch.allclose(values, torch.tensor([632.4555320, 0.0], dtype=torch.float64))
    assert float((matrix @ vh[1]).abs().max()) < 1e-12
