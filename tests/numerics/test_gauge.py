import pytest
import torch

from symfind.numerics.gauge import fix_gauge


@pytest.mark.parametrize("seed", range(3))
def test_gauge(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    columns = torch.randn(30, 4, generator=rng, dtype=torch.float64)
    dependent = torch.cat([columns, columns @ torch.randn(4, 30, generator=rng).double()], 1)
    for given in (columns, dependent):
        gauge = fix_gauge(given)
        assert gauge.rank == 4 and len(gauge.free) == 26
        assert sorted([*gauge.fixed.tolist(), *gauge.free.tolist()]) == list(range(30))
        assert torch.linalg.cond(gauge.directions[gauge.fixed]) < 1e4
        assert torch.linalg.matrix_rank(torch.cat([gauge.directions, columns], 1)) == 4
    assert fix_gauge(torch.zeros(5, 2, dtype=torch.float64)).rank == 0
