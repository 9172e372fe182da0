"""Coefficients that are mixed lie askew to what is built of groups."""

import itertools

import pytest
import torch

from symfind.numerics.mixing import mixed


@pytest.mark.parametrize(("n", "m"), [*itertools.product(range(2, 9), repeat=2), (20, 20)])
def test_first_coefficients_lie_askew_to_groups(n: int, m: int) -> None:
    """What is the same in every group is left out, and nothing of what remains is lost."""
    unit = torch.eye(n * m, dtype=torch.float64)
    assert torch.allclose(mixed(unit) @ mixed(unit).T, unit)
    for groups in (
        torch.kron(torch.eye(n), torch.ones(m, 1)), torch.kron(torch.ones(n, 1), torch.eye(m)),
    ):  # fmt: skip
        q = torch.linalg.qr(groups.double()).Q
        kept = mixed(unit[: n * m - q.shape[1]])
        assert float(torch.linalg.svdvals(kept - kept @ q @ q.T)[-1]) > 1e-6
