"""Series, radical, Levi part, Killing form, structure constants."""

from fractions import Fraction

import numpy as np
import pytest

import symfind
from symfind.lie.algebra import Algebra, nilradical
from symfind.lie.closure import close_floats
from symfind.lie.levi import levi_subalgebra
from tests.lie.algebras import CASES, Case, disguised, heisenberg, sl, so, with_translations


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exact_and_float_structure_agree(case: Case) -> None:
    exact = symfind.identify(case.matrices)
    floats = symfind.identify(np.array(case.matrices, dtype=float))
    assert floats == symfind.identify(np.array(case.matrices, dtype=float))
    for quantity in (
        "name aliases dimension centre derived_series lower_central_series killing_signature "
        "radical levi ideals summands"
    ).split():
        assert getattr(exact, quantity) == getattr(floats, quantity), quantity


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_structure_constants_reproduce_brackets(case: Case) -> None:
    x = np.array(case.matrices, dtype=float)
    brackets = np.einsum("aij,bjk->abik", x, x) - np.einsum("bij,ajk->abik", x, x)
    for given in (case.matrices, x):
        found = symfind.identify(given)
        constants = found.structure.astype(float)
        assert np.allclose(np.tensordot(constants, x, 1), brackets, atol=1e-9)
    c = found.structure
    jacobi = np.einsum("ijm,mkl->ijkl", c, c)
    assert np.abs(jacobi + jacobi.transpose(1, 2, 0, 3) + jacobi.transpose(2, 0, 1, 3)).max() < 1e-9


def test_exact_structure_is_in_fractions() -> None:
    found = symfind.identify([[[Fraction(1, 3), 0], [0, 0]], [[0, Fraction(5)], [0, 0]]])
    assert found.name == "aff(1)"
    assert found.structure.tolist() == [
        [[0, 0], [0, Fraction(1, 3)]],
        [[0, Fraction(-1, 3)], [0, 0]],
    ]
    assert all(isinstance(value, Fraction) for value in found.structure.reshape(-1))


@pytest.mark.parametrize(
    "matrices, radical, nil",
    [
        (with_translations(so(3)), 3, 3),
        (with_translations([*sl(2), np.eye(2, dtype=int)]), 3, 2),
        (with_translations(so(2)), 3, 2),
        (heisenberg(2), 5, 5),
        (so(4), 0, 0),
        ([*so(3), np.eye(3, dtype=int)], 1, 1),
    ],
)
def test_radicals_and_levi_part(matrices: list[np.ndarray], radical: int, nil: int) -> None:
    x = disguised(matrices, np.random.default_rng(5), 1e-9)
    algebra = close_floats(x, False, 1e-4).algebra
    assert (len(algebra.radical), len(nilradical(algebra))) == (radical, nil)
    levi = levi_subalgebra(algebra)
    assert len(levi) == len(x) - radical
    # a subalgebra that meets the radical in zero only
    brackets = algebra.brackets(levi, levi).reshape(-1, len(x))
    assert np.abs(brackets - brackets @ levi.T @ levi).max(initial=0.0) < 1e-5
    assert np.linalg.matrix_rank(np.concatenate([levi, algebra.radical]), tol=1e-3) == len(x)
    assert isinstance(algebra, Algebra)


def test_euclidean_motions() -> None:
    found = symfind.identify(with_translations(so(3)))
    assert found.derived_series == (6,) and found.lower_central_series == (6,)
    assert found.killing_signature == (0, 3, 3)
    assert (found.levi.name, found.radical.name, found.centre) == ("so(3)", "R^3", 0)
    assert not (found.abelian or found.nilpotent or found.solvable or found.semisimple)


def test_flags() -> None:
    line, plane, rotations = (symfind.identify(m) for m in (so(2), heisenberg(1), so(3)))
    assert line.abelian and line.nilpotent and line.solvable and not line.semisimple
    assert not plane.abelian and plane.nilpotent and plane.solvable
    assert rotations.semisimple and not rotations.solvable
    triangular = symfind.identify(with_translations(so(2)))
    assert triangular.solvable and not triangular.nilpotent


def test_table() -> None:
    lines = str(symfind.identify(so(1, 3))).splitlines()
    assert lines[0].split() == ["algebra", "so(1,3)"]
    assert any(
        line.startswith("Killing form") and "3 positive, 3 negative" in line for line in lines
    )
