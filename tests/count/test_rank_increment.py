"""How much columns add to a rank agrees with the ranks themselves, by dense and by sparse means."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_array
from torch import Tensor

from symfind.count.rank_increment import increment, sparse_increment


def rank(matrix: Tensor) -> int:
    return int(torch.linalg.matrix_rank(matrix, rtol=1e-9)) if matrix.shape[1] else 0


def blocks(rng: torch.Generator, shapes: list[tuple[int, int, int]]) -> Tensor:
    """Blocks of given rows, columns and rank, shuffled."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng, dtype=torch.float64)

    matrix = torch.block_diag(*(draw(r, k) @ draw(k, c) for r, c, k in shapes))
    rows = torch.randperm(matrix.shape[0], generator=rng)
    return matrix[rows][:, torch.randperm(matrix.shape[1], generator=rng)]


SHAPE = st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 4))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(SHAPE, min_size=1, max_size=6), st.integers(0, 4), st.integers(0, 4))
def test_gain_is_a_difference_of_ranks(
    shapes: list[tuple[int, int, int]], inside: int, outside: int
) -> None:
    rng = torch.Generator().manual_seed(inside + 7 * outside + len(shapes))
    before = blocks(rng, shapes)
    rows, width = before.shape
    mix = torch.randn(width, inside, generator=rng, dtype=torch.float64)
    free = torch.randn(rows, outside, generator=rng, dtype=torch.float64)
    added = torch.cat([before @ mix, free, torch.zeros(rows, 1)], 1)
    whole = torch.cat([before, added], 1)
    expected = rank(whole) - rank(before)
    assert increment(before, added) == expected
    assert sparse_increment(csc_array(whole.numpy()), width) == expected


@pytest.mark.parametrize("full", [3, 40])
def test_many_rows_are_pressed_without_loss(full: int) -> None:
    rng = torch.Generator().manual_seed(1)
    before = blocks(rng, [(900, 40, full), (700, 1, 1), (400, 1, 1)])
    added = torch.cat([before[:, :5], blocks(rng, [(2000, 9, 6)])], 1)
    whole = csc_array(torch.cat([before, added], 1).numpy())
    assert increment(before, added) == sparse_increment(whole, before.shape[1]) == 6


def test_full_rank_is_seen_without_a_decomposition(monkeypatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decomposed")

    rng = torch.Generator().manual_seed(0)
    added = torch.randn(40, 12, generator=rng, dtype=torch.float64)
    close = torch.cat([added, added[:, :1] + 1e-12 * added[:, 1:2]], 1)
    assert increment(added[:, :0], close) == 12
    monkeypatch.setattr(torch.linalg, "svdvals", never)
    assert increment(added[:, :0], added) == 12


def _never(*_: object, **__: object) -> None:
    raise AssertionError("decomposed")


def test_clearly_dependent_columns_are_thinned_without_singular_values(monkeypatch) -> None:
    rng = torch.Generator().manual_seed(3)
    before = blocks(rng, [(30, 8, 5), (30, 4, 4)])
    added = torch.cat([before[:, :2], torch.randn(60, 1, generator=rng, dtype=torch.float64)], 1)
    monkeypatch.setattr("symfind.count.rank_increment.svd", _never)
    assert increment(before, torch.cat([added, torch.zeros(60, 20)], 1)[:, :9]) == 1


def test_what_is_nearly_dependent_is_left_to_singular_values(monkeypatch) -> None:
    """One column is another up to 1e-6: there, and not clearly there."""
    rng = torch.Generator().manual_seed(4)
    before = torch.randn(60, 5, generator=rng, dtype=torch.float64)
    near = before[:, :1] + 1e-6 * torch.randn(60, 1, generator=rng, dtype=torch.float64)
    before = torch.cat([before, near], 1)
    added = torch.cat([before[:, :1] - near, torch.zeros(60, 5)], 1)
    assert increment(before, added) == 0
    monkeypatch.setattr("symfind.count.rank_increment.svd", _never)
    with pytest.raises(AssertionError, match="decomposed"):
        increment(before, torch.cat([added, before[:, 2:3]], 1))


def test_many_sparse_rows_are_pressed_before_they_are_dense(monkeypatch) -> None:
    """What is made dense has few more rows than columns."""
    made = []
    rng = torch.Generator().manual_seed(5)
    whole = torch.randn(4000, 9, generator=rng, dtype=torch.float64)
    toarray = csc_array.toarray
    for kind in type(csc_array((1, 1)).tocsr()), csc_array:
        monkeypatch.setattr(kind, "toarray", lambda m: made.append(m.shape) or toarray(m))
    assert sparse_increment(csc_array(whole.numpy()), 8) == 1
    assert made and all(rows < 4000 or columns == 1 for rows, columns in made)
