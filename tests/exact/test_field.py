import math
import random
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import ExactError, InputError
from symfind.exact.rank import NullSpace
from symfind.residues.field import LEAST, MOST, PRIMES, Field

PRIME = 2**31 - 1
FIELD = Field(PRIME)
exactly = settings(derandomize=True, max_examples=60, deadline=None)


@exactly
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_floats_are_the_rationals_that_they_are(numbers: list[float]) -> None:
    residues = FIELD.encode(torch.tensor(numbers, dtype=torch.float64))
    assert residues.tolist() == [FIELD.fraction(Fraction(x)) for x in numbers]


@exactly
@given(st.integers(1, 300), st.integers(0, 2**32))
def test_contractions_agree_with_whole_numbers(terms: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    a, b = FIELD.random((2, terms), rng), FIELD.random((terms, 3), rng)
    a[0] = b[:, 0] = PRIME - 1  # the largest sums there are
    found = FIELD.limbs(b, terms).contract(lambda limb: a.double() @ limb)
    expected = [
        [sum(x * y for x, y in zip(row, column, strict=True)) % PRIME for column in b.T.tolist()]
        for row in a.tolist()
    ]
    assert found.tolist() == expected


def test_inverses() -> None:
    residues = FIELD.random((100,), torch.Generator().manual_seed(0)).clamp_min(1)
    assert (residues * FIELD.inverse(residues) % PRIME).eq(1).all()
    with pytest.raises(ZeroDivisionError):
        FIELD.inverse(torch.tensor([3, 0]))


@pytest.mark.parametrize("number", [2**31 - 3, 2**31 + 11, 65521, -7])
def test_what_is_no_prime_of_that_size_is_refused(number: int) -> None:
    with pytest.raises(InputError, match="prime between"):
        Field(number)


def test_drawn_primes_and_how_many_there_are() -> None:
    rng = random.Random(0)
    assert all(LEAST < Field.draw(rng).prime < MOST for _ in range(20))
    # the prime number theorem, li(x) being right to four digits here
    from sympy import li

    assert math.isclose(PRIMES, float(li(MOST) - li(LEAST)), rel_tol=1e-4)


def test_sums_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ExactError, match="too long"):
        FIELD.check_sum(2**23)
    with pytest.raises(ExactError, match="too long"):
        FIELD.limbs(torch.tensor([1]), 2**22)


@exactly
@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 2**32))
def test_null_space_is_what_rows_annihilate(columns: int, rank: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    rank = min(rank, columns)
    field = Field(65537)
    rows = field.random((7 + columns, rank), rng) @ field.random((rank, columns), rng) % 65537
    null = NullSpace(field, columns)
    for part in rows.split(3):  # in steps, each along what is left
        basis = torch.eye(columns, dtype=torch.int64) if null.basis is None else null.basis
        null.add(part @ basis % 65537)
    assert null.rank == rank
    if null.basis is not None:
        assert null.basis.shape == (columns, columns - rank)
        assert not (rows @ null.basis % 65537).any()
