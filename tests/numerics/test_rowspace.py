import torch

from symfind.numerics.rank import spectral_rank
from symfind.numerics.reveal import reveal
from symfind.numerics.rowspace import RowSpace


def test_row_space_never_has_more_rank_and_keeps_it() -> None:
    rng = torch.Generator().manual_seed(0)
    basis = torch.randn(5, 9, generator=rng, dtype=torch.float64)
    basis[:, 3] = 0
    space = RowSpace(9)
    for _ in range(30):
        space.add(torch.randn(7, 5, generator=rng, dtype=torch.float64) @ basis)
    assert space.rows == 210
    assert len(space.matrix()) == space.capacity < 210
    assert not space.matrix()[:, 3].any()
    assert spectral_rank(space.matrix()).rank == 5


def test_row_space_sees_what_comes_late() -> None:
    space = RowSpace(20)
    eye = torch.eye(20, dtype=torch.float64)
    space.add(eye[:1].expand(500, 20))
    space.add(eye[1:])
    assert reveal(space.matrix()).spectrum.rank == 20
