"""Matrices that vanish through maps: seen before anything is solved for, however wide they are."""

import torch

from symfind.solve.bonds.commuting import MOST, System

_DIAGONAL, _NOTHING, _ANY = frozenset({"diagonal"}), frozenset({"zero"}), frozenset[str]()


def test_a_wide_diagonal_that_is_passed_on_to_nothing_vanishes() -> None:
    n = MOST + 100
    system = System({0: n, 1: n}, {0: _DIAGONAL, 1: _NOTHING})
    system.pass_on((0, False), (1, False), 2.0, None)
    found = system.solve()
    assert found is not None and found.count == 0


def test_it_vanishes_through_several_maps_and_where_two_forms_leave_nothing() -> None:
    n = MOST + 100
    forms = {0: _DIAGONAL, 1: _DIAGONAL, 2: frozenset({"diagonal", "skew"})}
    system = System(dict.fromkeys(range(3), n), forms)
    system.pass_on((0, False), (1, True), 1.0, None)
    system.pass_on((1, False), (2, False), 0.5, None)
    found = system.solve()
    assert found is not None and found.count == 0


def test_a_map_of_fewer_rows_leaves_what_it_does_not_see() -> None:
    """Y = 0 on one side: what is left of X [4, 4] on the other has its image in the kernel."""
    torch.manual_seed(0)
    system = System({0: 4, 1: 3}, {0: _ANY, 1: _NOTHING})
    assert system.join((0, False), (1, False), torch.randn(3, 4, dtype=torch.float64))
    found = system.solve()
    assert found is not None and found.count == 4
    assert bool(found.values[0](torch.randn(4, dtype=torch.float64)).abs().max() > 0)


def test_what_is_passed_on_with_a_multiple_of_the_identity_need_not_vanish() -> None:
    system = System({0: 3, 1: 3}, {0: _DIAGONAL, 1: _NOTHING})
    system.pass_on((0, False), (1, False), 1.0, (system.middle(1), 1.0))
    found = system.solve()
    assert found is not None and found.count == 1
