"""Every algebra is recognised in its own matrices, exactly and under noise in other bases."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symfind
from tests.lie.algebras import (
    BY_NAME,
    CASES,
    Case,
    block_sum,
    disguised,
    disguised_exactly,
    octonion_derivations,
    over_c,
    sl,
    so,
    su,
    unit,
    with_translations,
)

names = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@names
def test_exact(case: Case) -> None:
    found = symfind.identify(case.matrices)
    assert found.exact and found.closed
    assert found.name == case.name
    assert found.dimension == len(case.matrices)


@names
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_disguised(case: Case, noise: float) -> None:
    x = disguised(case.matrices, np.random.default_rng(7), noise)
    found = symfind.identify(x)
    assert not found.exact
    assert found.name == case.name


@pytest.mark.parametrize(
    "case", [case for case in CASES if len(case.matrices) <= 16], ids=lambda case: case.name
)
def test_disguised_exactly(case: Case) -> None:
    x = disguised_exactly(case.matrices, np.random.default_rng(3))
    found = symfind.identify(x)
    assert found.exact and found.name == case.name


SMALL = [case.name for case in CASES if len(case.matrices) <= 12]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(SMALL), min_size=2, max_size=4), st.integers(0, 10**6))
def test_direct_sums(parts: list[str], seed: int) -> None:
    whole = block_sum([BY_NAME[part].matrices for part in parts])
    assume(len(whole) <= 40)
    plain = symfind.identify(whole)
    assert sorted(part.name for part in plain.summands) == sorted(parts)
    noisy = symfind.identify(disguised(whole, np.random.default_rng(seed), 1e-9))
    assert noisy.name == plain.name
    assert noisy.aliases == plain.aliases
    assert noisy.derived_series == plain.derived_series
    assert noisy.lower_central_series == plain.lower_central_series
    assert noisy.killing_signature == plain.killing_signature
    assert noisy.centre == plain.centre


def test_spelling_of_sums() -> None:
    parts = ["so(4)", "R", "R", "gl(3,R)", "gl(1,C)", "gl(1,C)"]
    found = symfind.identify(block_sum([BY_NAME[part].matrices for part in parts]))
    assert found.name == "gl(3,R) ⊕ so(4) ⊕ gl(1,C)^2 ⊕ R^2"
    assert found.latex == (
        r"\mathfrak{gl}(3,\mathbb{R}) \oplus \mathfrak{so}(4) \oplus "
        r"\mathfrak{gl}(1,\mathbb{C})^{2} \oplus \mathbb{R}^{2}"
    )


@pytest.mark.parametrize(
    "name, alias",
    [
        ("so(4)", "so(3)^2"),
        ("so(1,3)", "sl(2,C)"),
        ("so(1,3)", "so(3,1)"),
        ("sl(2,C)", "so(1,3)"),
        ("so(2,1)", "sl(2,R)"),
        ("so(2,1)", "su(1,1)"),
        ("sl(2,R)", "sp(2,R)"),
        ("so(5)", "sp(2)"),
        ("so(6)", "su(4)"),
        ("so(2,4)", "su(2,2)"),
        ("so(1,4)", "sp(1,1)"),
        ("so(1,5)", "sl(2,H)"),
        ("su(3,1)", "so*(6)"),
        ("so(2)", "u(1)"),
        ("gl(2,R)", "sl(2,R) ⊕ R"),
        ("e(3)", "so(3) ⋉ R^3"),
        ("sim(2)", "aff(1,C)"),
    ],
)
def test_isomorphisms(name: str, alias: str) -> None:
    assert alias in symfind.identify(BY_NAME[name].matrices).aliases


def test_so4_is_told_from_two_rotations_of_space() -> None:
    apart = symfind.identify(block_sum([so(3), so(3)]))
    together = symfind.identify(so(4))
    assert (apart.name, together.name) == ("so(3)^2", "so(4)")
    assert apart.killing_signature == together.killing_signature


def test_scalars_elsewhere_are_no_gl() -> None:
    case = BY_NAME["sl(3,R)"].matrices
    apart = block_sum([case, [np.eye(1, dtype=int)]])
    assert symfind.identify(apart).name == "sl(3,R) ⊕ R"


@pytest.mark.parametrize("split, name, signature", [(0, "g2", (0, 14, 0)), (1, "g2(2)", (8, 6, 0))])
def test_derivations_of_octonions(split: int, name: str, signature: tuple[int, ...]) -> None:
    found = symfind.identify(octonion_derivations(bool(split)))
    assert found.name == name
    assert found.killing_signature == signature


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_sixty_dimensions(noise: float) -> None:
    complex_ones = [over_c(sl(2)), over_c(so(3))]
    parts = [so(6), su(4), *complex_ones, with_translations(so(3)), so(2, 3)]
    x = disguised(block_sum(parts), np.random.default_rng(0), noise)
    assert len(x) == 58
    names = sorted(part.name for part in symfind.identify(x).summands)
    assert names == sorted(["so(6)", "su(4)", "sl(2,C)", "so(3,C)", "e(3)", "so(2,3)"])


@pytest.mark.parametrize(
    "matrix, name",
    [
        ([[1, 0], [0, 1]], "R ⋉ R^2 (eigenvalues 1, 1)"),
        ([[1, 0], [0, -2]], "R ⋉ R^2 (eigenvalues 1, -0.5)"),
        ([[1, 1], [0, 1]], "R ⋉ R^2 (eigenvalues 1, 1, not diagonalisable)"),
        ([[0, 1], [-2, 0]], "e(2)"),
        ([[3, 0], [0, -3]], "iso(1,1)"),
        ([[0, 1], [0, 0]], "h(1)"),
    ],
)
def test_algebras_of_dimension_three(matrix: list[list[int]], name: str) -> None:
    assert symfind.identify(with_translations([np.array(matrix)])).name == name


def test_what_has_no_name_is_described() -> None:
    strict = [unit(4, i, j) for i in range(4) for j in range(i + 1, 4)]
    assert symfind.identify(strict).name == "nil(6,3,1)"
    # so(3) with boosts, translations and time
    galilei = [np.pad(x, ((0, 2), (0, 2))) for x in so(3)]
    galilei += [unit(5, i, j) for j in (3, 4) for i in range(3)] + [unit(5, 3, 4)]
    assert symfind.identify(galilei).name == "so(3) ⋉ nil(7,3)"


def test_an_extension_that_does_not_split() -> None:
    # [s, x] = x, [t, y] = y, [s, t] = z: the abelian ideal x, y, z has no complement
    x, y = unit(7, 0, 1), unit(7, 2, 3)
    s, t = unit(7, 0, 0) + unit(7, 4, 5), unit(7, 2, 2) + unit(7, 5, 6)
    found = symfind.identify([x, y, s, t, unit(7, 4, 6)])
    assert found.name == "solv(5,3)"
    assert found.centre == 1
