"""Exact bases of null spaces that are known beforehand."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.discovery.rationalise import echelon, fraction, fractions, rationalise, sparsify


def noisy(rows: Tensor, seed: int) -> Tensor:
    """Some basis of the row space, as columns, with the rounding of a singular value problem."""
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(len(rows), len(rows), generator=rng, dtype=torch.float64)
    columns = torch.linalg.qr((mixing @ rows).T).Q
    return columns + 1e-14 * torch.randn(columns.shape, generator=rng, dtype=torch.float64)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_rational_spaces_are_recovered_exactly(dimension: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    free = torch.randint(-3, 4, (dimension, 7), generator=rng).double()
    free /= torch.randint(1, 4, (dimension, 7), generator=rng)
    rows = torch.cat([torch.eye(dimension, dtype=torch.float64), free], 1)
    found = echelon(noisy(rows, seed))
    for row, expected in zip(found, rows, strict=True):
        values, exact = rationalise(row)
        assert exact and torch.equal(values, expected)


def test_what_is_not_rational_says_so() -> None:
    rows = torch.tensor([[1.0, 0.0, 2**0.5], [0.0, 1.0, 0.25]], dtype=torch.float64)
    first, second = (rationalise(row) for row in echelon(noisy(rows, 0)))
    assert not first[1] and abs(float(first[0][2]) - 2**0.5) < 1e-10
    assert second == (second[0], True) and float(second[0][2]) == 0.25
    assert fraction(1 / 3) == Fraction(1, 3) and isinstance(fraction(0.30901699437), float)


@pytest.mark.parametrize("close", [1e-7, 1e-9])
def test_many_numbers_are_taken_for_what_each_is(close: float) -> None:
    rng = torch.Generator().manual_seed(0)
    top, bottom = torch.randint(-5000, 5000, (300,), generator=rng), torch.arange(1, 421)
    near = (top / bottom[torch.randint(420, (300,), generator=rng)]).double()
    away = 2 * torch.rand(300, generator=rng).double() - 1
    odd = torch.tensor([0.0, 1 - 1e-8, -1e-8, 1e10 + 0.5, 359 / 360, 360 / 361, 2**0.5]).double()
    values = torch.cat(
        [
            *(near + e * away for e in (0.0, 1e-10, 9e-8, 1e-6)),
            odd,
            torch.randn(300, generator=rng).double(),
        ]
    )
    expected = [fraction(value, close) for value in values.tolist()]
    found, exact = fractions(values, close)
    assert found.tolist() == [float(one) for one in expected]
    assert exact.tolist() == [isinstance(one, Fraction) for one in expected]


def test_sparse_rows_span_the_same_space() -> None:
    # a rotation that keeps the ones, and shifts along the ones, mixed
    sparse = torch.tensor(
        [[1, -1, 0, 0, 0, 0], [0, 1, -1, 0, 0, 0], [0, 0, 0, 1, 1, 1.0]], dtype=torch.float64
    )
    mixed = torch.tensor([[1, 0, 1], [1, 1, 0], [1, 1, 1.0]], dtype=torch.float64) @ sparse
    found = sparsify(mixed, torch.zeros(0, 6, dtype=torch.float64))
    assert torch.linalg.matrix_rank(torch.cat([found, sparse])) == 3 == len(found)
    assert (found != 0).sum() == 7 < (mixed != 0).sum()


def test_relations_are_used_for_the_shortest_words() -> None:
    # what a tensor does as a whole from the left, it does from the right
    relation = torch.tensor([[1, 1, 1, -1, -1, 0.0]], dtype=torch.float64)
    row = torch.tensor([[1, 1, 1, -1, 0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([[0, 0, 0, 0, 1, 2.0]], dtype=torch.float64)
    assert torch.equal(sparsify(row, relation), expected)
