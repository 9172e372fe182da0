"""Random directions: of small tensors drawn as they are, of large ones some numbers over again."""

import pytest
import torch

from symfind.verify import sampling
from symfind.verify.sampling import normal, random_direction


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (5, 7)])
def test_a_small_direction_is_drawn_whole(shape: tuple[int, ...]) -> None:
    drawn = normal(shape, rng())
    assert torch.equal(random_direction(shape, rng()), drawn)
    scaled = random_direction(shape, rng(), 0.3)
    assert scaled.shape == shape
    torch.testing.assert_close(scaled * drawn.norm(), 0.3 * drawn)


@pytest.mark.parametrize("shape", [(11,), (22,), (4, 5, 3), (8, 8), (25, 2)])
def test_a_large_direction_has_its_norm_and_no_rows_alike(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_DRAWN", 11)
    drawn = random_direction(shape, rng())
    flat = drawn.flatten()
    assert torch.equal(flat[11:], flat[:-11]) and torch.equal(flat[:11], normal((11,), rng()))
    scaled = random_direction(shape, rng(), 2.5)
    torch.testing.assert_close(scaled, drawn * (2.5 / drawn.norm()))
    if len(shape) > 1:
        rows = drawn.flatten(1)
        rows = rows[: 11 // rows.shape[1] + 1]
        assert len({tuple(row.tolist()) for row in rows}) == len(rows)
