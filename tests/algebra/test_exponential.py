import pytest
import scipy.linalg
import torch

from symfind.algebra.exponential import exponential


@pytest.mark.parametrize("norm", [0.0, 1e-6, 1e-3, 0.02, 0.04, 0.3, 0.49, 0.51, 2.0, 30.0])
def test_small_and_large_matrices_have_double_precision(norm: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, 4, dtype=torch.float64)
    x = norm * x / x.abs().sum(-2).amax(-1)[:, None, None]
    for given, found in zip(x, exponential(x), strict=True):
        expected = torch.from_numpy(scipy.linalg.expm(given.numpy()))
        assert (found - expected).norm() <= 1e-13 * expected.norm() * max(norm, 1.0)
