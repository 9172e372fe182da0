"""Merging refines two structures to one, whatever they are, and loses no position."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.algebra.axes import (
    MOST_CELLS,
    Axis,
    Tangled,
    atoms,
    begins,
    branches,
    check_blocks,
    concatenation,
    extent,
    interval,
    merge,
    positions,
    product,
)

SIZES = st.lists(st.integers(2, 4), min_size=1, max_size=5)
quick = settings(derandomize=True, deadline=None, max_examples=80)


@st.composite
def groupings(draw: st.DrawFn, whole: str) -> tuple[Axis, Axis, list[int]]:
    """Two axes that group the same sizes differently: products of factors, or sums of parts."""
    sizes = draw(SIZES)

    def grouped() -> Axis:
        join, total = (product, math.prod) if whole == "product" else (concatenation, sum)
        parts, rest = [], list(sizes)
        while rest:
            n = draw(st.integers(1, len(rest)))
            parts.append(Axis(total(rest[:n])))
            rest = rest[n:]
        return join(parts)

    return grouped(), grouped(), sizes


@quick
@given(st.sampled_from(["product", "sum"]).flatmap(groupings))
def test_merged_axes_are_one(pair: tuple[Axis, Axis, list[int]]) -> None:
    one, two, _ = pair
    before = branches(one), branches(two)  # what is remembered must not outlive the merge
    merge(one, two)
    assert one.root is two.root
    assert branches(one) == branches(two)
    assert sum(math.prod(a.size for a in b) for _, b in branches(one)) == one.size
    assert len(branches(one)) >= max(map(len, before))
    again = repr(one)
    merge(two, one)
    assert repr(one) == again


@quick
@given(st.sampled_from(["product", "sum"]).flatmap(groupings))
def test_blocks_cover_every_position_once(pair: tuple[Axis, Axis, list[int]]) -> None:
    one, two, _ = pair
    begins(one)  # neither must what is remembered of this
    merge(one, two)
    places = [positions(one, choice) for choice, _ in branches(one)]
    for (_, own), place in zip(branches(one), places, strict=True):
        assert place.shape == tuple(a.size for a in own)
    flat = np.concatenate([p.reshape(-1) for p in places])
    assert sorted(flat.tolist()) == list(range(one.size))
    assert list(begins(one).values()) == [int(p.min()) for p in places]


@quick
@given(st.sampled_from(["product", "sum"]).flatmap(groupings), st.integers(2, 5))
def test_the_extent_follows_the_atoms(pair: tuple[Axis, Axis, list[int]], n: int) -> None:
    one, two, _ = pair
    merge(one, two)
    sizes = {a: n for a in atoms(one)}
    assert extent(one, sizes) == extent(two, sizes)
    assert extent(one, {}) == one.size


def trees(deep: int = 3) -> st.SearchStrategy[Axis]:
    atom = st.integers(1, 3).map(Axis)
    if not deep:
        return atom
    parts = st.lists(trees(deep - 1), min_size=1, max_size=3)
    return st.one_of(atom, parts.map(product), parts.map(concatenation))


@settings(quick, max_examples=300)
@given(trees(), st.lists(st.integers(0, 3), min_size=30, max_size=30), st.booleans())
def test_an_interval_is_where_all_positions_are(tree: Axis, other: list[int], own: bool) -> None:
    sizes = None if own else dict(zip(atoms(tree), other, strict=False))
    for choice, _ in branches(tree):
        flat = positions(tree, choice, sizes).reshape(-1).tolist()
        start = flat[0] if flat else 0
        together = flat == list(range(start, start + len(flat)))
        assert interval(tree, choice, sizes) == ((start, len(flat)) if together else None)


def test_a_product_takes_the_parts_of_a_concatenation() -> None:
    outer, inner = Axis(5), Axis(3)
    flat = concatenation([Axis(6), Axis(9)])
    merge(product([outer, inner]), flat)
    assert [choice for choice, _ in branches(outer)] == [(0,), (1,)]
    assert all(b[-1] is inner.root for _, b in branches(flat))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([2, 3], [3, 2]),  # the first index would have to be of size one
        ([4, 6], [6, 4, 1, 2]),
    ],
)
def test_what_has_no_common_refinement_is_tangled(one: list[int], two: list[int]) -> None:
    with pytest.raises(Tangled):
        merge(product([Axis(n) for n in one]), product([Axis(n) for n in two]))


def test_a_square_in_too_many_blocks_is_tangled() -> None:
    """One dimension may be cut as often as it has entries: a loop over time."""
    side = MOST_CELLS // 16 + 1
    long = concatenation([Axis(1) for _ in range(2 * MOST_CELLS)])
    rows, columns = (concatenation([Axis(1) for _ in range(n)]) for n in (side, 16))
    check_blocks([long, Axis(5)])
    check_blocks([columns, columns])
    with pytest.raises(Tangled, match=f"{16 * side} blocks of 2 dimensions"):
        check_blocks([rows, Axis(5), columns])


def test_a_part_that_ends_within_a_row() -> None:
    rows, columns = Axis(3), Axis(4)
    whole, first, rest = product([rows, columns]), Axis(6), Axis(6)
    merge(whole, concatenation([first, rest]))
    assert [part.root.size for part in rows.root.parts] == [1, 1, 1]
    assert [part.root.size for part in columns.root.parts] == [2, 2]
    places = [positions(whole, choice).ravel().tolist() for choice, _ in branches(whole)]
    assert sorted(sum(places, [])) == list(range(12))
    assert positions(first, branches(first)[0][0]).ravel().tolist() in places
