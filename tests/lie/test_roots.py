"""Dynkin diagrams and tables of real forms."""

import numpy as np
import pytest

from symfind.errors import AlgebraError
from symfind.lie import dynkin
from symfind.lie.linear import Numeric
from symfind.lie.realforms import forms, orthogonal, respelled
from symfind.lie.reductive import simple_term
from symfind.lie.simple import Simple


def chain(n: int) -> np.ndarray:
    return 2 * np.eye(n, dtype=int) - np.eye(n, k=1, dtype=int) - np.eye(n, k=-1, dtype=int)


def cartan(letter: str, n: int) -> np.ndarray:
    """a[i, j] = 2 (r_i, r_j) / (r_j, r_j), nodes as in Bourbaki's plates."""
    a = chain(n)
    match letter:
        case "B":
            a[n - 2, n - 1] = -2
        case "C":
            a[n - 1, n - 2] = -2
        case "D":
            a[n - 1, n - 2] = a[n - 2, n - 1] = 0
            a[n - 1, n - 3] = a[n - 3, n - 1] = -1
        case "E":
            a = np.zeros((n, n), dtype=int)
            a[1:, 1:] = chain(n - 1)
            a[0, 0] = 2
            a[0, 3] = a[3, 0] = -1
        case "F":
            a[1, 2] = -2
        case "G":
            a[1, 0] = -3
    return a


TYPES = [("A", n) for n in range(1, 9)] + [("B", n) for n in range(2, 9)]
TYPES += [("C", n) for n in range(3, 9)] + [("D", n) for n in range(4, 9)]
TYPES += [("E", 6), ("E", 7), ("E", 8), ("F", 4), ("G", 2)]


@pytest.mark.parametrize("letter, rank", TYPES)
def test_types(letter: str, rank: int) -> None:
    matrix = cartan(letter, rank)
    order = np.random.default_rng(rank).permutation(rank)
    assert dynkin.classify(matrix[np.ix_(order, order)]) == (letter, rank)


def test_parts_of_a_diagram() -> None:
    whole = np.zeros((5, 5), dtype=int)
    whole[:2, :2], whole[2:, 2:] = cartan("G", 2), cartan("B", 3)
    assert dynkin.components(whole) == [[0, 1], [2, 3, 4]]


def test_affine_diagrams_are_refused() -> None:
    cycle = chain(4)
    cycle[0, 3] = cycle[3, 0] = -1
    star = np.array([[2, -1, -1, -1, -1], *([-1, *row] for row in 2 * np.eye(4, dtype=int))])
    for matrix in (cycle, star, cartan("E", 9), np.array([[2, -2], [-2, 2]])):
        with pytest.raises(AlgebraError):
            dynkin.classify(matrix)


@pytest.mark.parametrize("letter, rank", TYPES)
def test_real_forms(letter: str, rank: int) -> None:
    dimension = dynkin.dimension(letter, rank)
    found = forms(letter, rank, complex=False)
    # one is compact, one split: there as many positive as negative squares as the rank allows
    assert any(form.compact == dimension for form in found)
    assert any(2 * form.compact == dimension - rank for form in found)
    assert all(form.compact <= dimension for form in found)
    assert all(form.compact == dimension for form in forms(letter, rank, complex=True))


def test_a_signature_decides_below_dimension_153() -> None:
    known = [
        {"so(2,6)", "so*(8)"},
        # isomorphic low-dimensional algebras are tested by their matrices
    ]
    for letter, rank in TYPES:
        if rank <= 3 or dynkin.dimension(letter, rank) >= 153:
            continue
        names: dict[int, set[str]] = {}
        for form in forms(letter, rank, complex=False):
            names.setdefault(form.compact, set()).add(form.name)
        for same in names.values():
            assert len(same) == 1 or same in known, same


@pytest.mark.parametrize("compact, name", [(81, "so(6,12) or so*(18)"), (80, None)])
def test_a_signature_that_does_not_decide_is_not_taken_to(compact: int, name: str | None) -> None:
    dimension = dynkin.dimension("D", 9)
    ideal = Simple("D", 9, False, (dimension - compact, compact), np.eye(dimension))
    if name is None:
        with pytest.raises(AlgebraError):
            simple_term(ideal, None, Numeric(1e-13))
        return
    term = simple_term(ideal, None, Numeric(1e-13))
    assert (term.name, term.aliases) == (name, ())


def test_spelling() -> None:
    assert [orthogonal(1, 3), orthogonal(3, 1), orthogonal(1, 2), orthogonal(4, 0)] == [
        "so(1,3)", "so(1,3)", "so(2,1)", "so(4)",
    ]  # fmt: skip
    assert orthogonal(3, 0, "iso") == "e(3)"
    assert respelled("so(1,3)") == "so(3,1)"
    assert respelled("so(2,2)") is None and respelled("sl(2,C)") is None
