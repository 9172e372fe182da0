"""What is kept of named functions is what their formulas say."""

from dataclasses import astuple

import pytest

from symfind.ops.formulas import NAMES, algebra_of, flat, never_flat, solved


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_what_is_solved(name: str) -> None:
    for kept, found in zip(astuple(algebra_of(name)), astuple(solved(name)), strict=True):
        assert kept == (found if found is None else pytest.approx(found, rel=1e-15))
    assert never_flat(name) == (not flat(name))
