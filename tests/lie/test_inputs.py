"""What is read, what is refused, and how much noise is borne."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch

import symfind
from symfind.errors import AlgebraError, InputError
from tests.lie.algebras import block_sum, disguised, gl, sl, so, unit

PAULI = [[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]
NILPOTENT = [unit(2, 0, 1), unit(2, 1, 0)]


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x,
        lambda x: np.array(x),
        lambda x: [m.tolist() for m in x],
        lambda x: [sympy.Matrix(m.tolist()) for m in x],
        lambda x: [[[Fraction(int(v), 7) for v in row] for row in m] for m in x],
        lambda x: torch.tensor(np.array(x)),
        lambda x: tuple(torch.tensor(m) for m in x),
    ],
)
def test_guises_of_rational_matrices(convert) -> None:
    found = symfind.identify(convert(so(3)))
    assert found.exact and found.name == "so(3)"


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: np.array(x, dtype=float),
        lambda x: torch.tensor(np.array(x), dtype=torch.float32),
        lambda x: [sympy.sqrt(2) * sympy.Matrix(m.tolist()) for m in x],
    ],
)
def test_guises_of_float_matrices(convert) -> None:
    found = symfind.identify(convert(so(3)))
    assert not found.exact and found.name == "so(3)"


def test_complex_matrices_span_over_the_reals() -> None:
    spin = [1j * np.array(x) for x in PAULI]
    assert symfind.identify(spin).name == "su(2)"
    assert symfind.identify(torch.tensor(np.array(spin))).name == "su(2)"
    exact = [sympy.I * sympy.Matrix(x) for x in ([[0, 1], [1, 0]], [[1, 0], [0, -1]])]
    found = symfind.identify([*exact, sympy.Matrix([[0, 1], [-1, 0]])])
    assert found.exact and found.name == "su(2)"
    both = [z * np.array(x) for x in PAULI for z in (1, 1j)]
    assert symfind.identify(both).name == "sl(2,C)"


def test_dependent_generators() -> None:
    x = disguised([*so(4), *so(4)], np.random.default_rng(0), 1e-9)
    found = symfind.identify(x)
    assert found.dimension == 6 and found.name == "so(4)"
    assert found.structure.shape == (6, 6, 6) and found.basis.shape == (6, 4, 4)
    assert symfind.identify([*so(3), *so(3)]).dimension == 3


@pytest.mark.parametrize("convert", [lambda x: x, lambda x: np.array(x, dtype=float)])
def test_what_is_not_closed_is_refused_or_closed(convert) -> None:
    with pytest.raises(AlgebraError, match="close=True"):
        symfind.identify(convert(NILPOTENT))
    found = symfind.identify(convert(NILPOTENT), close=True)
    assert found.name == "sl(2,R)" and not found.closed
    assert "1 brackets were added" in str(found)


def test_nearly_an_algebra_is_refused() -> None:
    # the plane e(2) bent a little: not closed, by more than noise
    x = np.array(so(3) + [np.eye(3, dtype=int)], dtype=float)
    x[0] += 0.01 * unit(3, 0, 0)
    with pytest.raises(AlgebraError):
        symfind.identify(x)


@pytest.mark.parametrize("noise", [1e-12, 1e-10, 1e-8, 1e-7])
def test_noise(noise: float) -> None:
    x = disguised(block_sum([gl(2), so(3)]), np.random.default_rng(1), noise)
    found = symfind.identify(x)
    assert found.name == "gl(2,R) ⊕ so(3)"
    # what was measured is no less than what was put in, and not absurdly more
    assert noise <= found.noise <= 1e5 * noise


@pytest.mark.parametrize("seed", range(5))
def test_too_much_noise_gives_an_error_and_no_name(seed: int) -> None:
    x = disguised(block_sum([sl(2), so(3)]), np.random.default_rng(seed), 1e-2)
    with pytest.raises(AlgebraError):
        symfind.identify(x)


def test_zero() -> None:
    assert symfind.identify([np.zeros((2, 2), dtype=int)]).name == "0"
    assert symfind.identify([np.zeros((2, 2))]).dimension == 0


@pytest.mark.parametrize(
    "generators, word",
    [
        ([], "no generators"),
        (3, "list of square matrices"),
        ([[1, 2], [3, 4]], "square"),
        ([[[1, 2, 3], [4, 5, 6]]], "square"),
        ([[[1]], [[1, 0], [0, 1]]], "same size"),
        ([[["a"]]], "no number"),
        ([[[float("nan")]]], "NaN"),
        ([sympy.Matrix([[sympy.Symbol("t")]])], "no number"),
    ],
)
def test_what_cannot_be_read(generators, word: str) -> None:
    with pytest.raises(InputError, match=word):
        symfind.identify(generators)


@pytest.mark.parametrize(
    ("generators", "name"),
    [(so(3), "so(3)"), (so(4), "so(4)"), (so(5), "so(5)"), (sl(2), "sl(2,R)"), (sl(3), "sl(3,R)")],
)
def test_learned_generators_are_named(generators, name: str) -> None:
    """Noise above what rounding leaves: given to the tolerance that was asked for."""
    rng = np.random.default_rng(0)
    noisy = np.array(generators, float) + 1e-3 * rng.standard_normal(np.shape(generators))
    found = symfind.identify(noisy, tolerance=1e-2)
    assert found.name == name and 1e-4 < found.noise < 0.1


def test_noise_that_hides_the_structure_is_said_to() -> None:
    rng = np.random.default_rng(0)
    noisy = np.array(so(5), float) + 0.03 * rng.standard_normal((10, 5, 5))
    with pytest.raises(AlgebraError, match="more precise generators"):
        symfind.identify(noisy, tolerance=0.3)
