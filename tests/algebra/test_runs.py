"""Which dimensions of one shape make up which of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symfind.algebra.axes import Axis, Tangled
from symfind.algebra.runs import runs, runs_of_axes

sizes = st.lists(st.integers(1, 6), max_size=5)


def test_minimal() -> None:
    assert runs((2, 3, 1, 4), (6, 2, 2)) == [([0, 1], [0]), ([3], [1, 2])]


@given(sizes, st.integers(0, 5), st.integers(0, 5))
def test_both_sides_have_as_many_entries(shape: list[int], start: int, length: int) -> None:
    part = shape[start : start + length]
    whole = 1
    for n in part:
        whole *= n
    flat = [*shape[:start], whole, *shape[start + length :]]
    found = runs(shape, flat)
    assert [d for ins, _ in found for d in ins] == [d for d, n in enumerate(shape) if n != 1]
    assert [d for _, outs in found for d in outs] == [d for d, n in enumerate(flat) if n != 1]


def test_axes_are_those_given() -> None:
    a, b, c = Axis(2), Axis(3), Axis(6)
    assert runs_of_axes([a, b], [c]) == [([a, b], [c])]


@pytest.mark.parametrize("shapes", [((2, 3), (5,)), ((4,), (2, 3)), ((0, 3), (0,))])
def test_other_entries_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(Tangled):
        runs(*shapes)
