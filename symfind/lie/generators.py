"""What a user gives: matrices over Q, R or C in many guises, or vector fields."""

import numbers
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import QQ
from sympy.polys.polyerrors import PolynomialError
from sympy.polys.rings import PolyElement, ring

from symfind.errors import InputError
from symfind.lie.linear import Array

_SAFE = (1e-60, 1e60)  # powers of such numbers are floats
_APART = 1e-30  # what is smaller than the largest by this is no rounding of zero

Field = tuple[PolyElement, ...]


def read_matrices(generators: Any) -> Array:
    """Square matrices as one real array [k, n, n]: elements of QQ if all are rational, else floats.

    Complex matrices of size n become real ones of size 2n, [[Re, -Im], [Im, Re]].

    Raises:
        InputError: these are not square matrices of one size with finite numbers in them.
    """
    matrices = [_entries(g) for g in _listed(generators)]
    if not matrices:
        raise InputError("no generators were given; give a list of square matrices")
    shape = matrices[0].shape
    for number, matrix in enumerate(matrices):
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape != shape:
            raise InputError(
                f"generator {number} has shape {list(matrix.shape)}; every generator must be a "
                "square matrix of the same size"
            )
    if not matrices[0].size:
        raise InputError("the generators are matrices without entries; give [count, n, n], n > 0")
    entries = np.array(matrices, dtype=object)
    flat = [_number(x) for x in entries.reshape(-1)]
    if all(isinstance(part, QQ.dtype) for pair in flat for part in pair):
        real, imag = (_objects([pair[i] for pair in flat], entries.shape) for i in (0, 1))
    else:
        numbers_ = np.array([[float(a), float(b)] for a, b in flat]).reshape(*entries.shape, 2)
        if not np.isfinite(numbers_).all():
            raise InputError("the generators contain infinities or NaN")
        numbers_ = _scaled(numbers_)
        real, imag = numbers_[..., 0], numbers_[..., 1]
    if not imag.any():
        return real
    upper, lower = np.concatenate([real, -imag], 2), np.concatenate([imag, real], 2)
    return np.concatenate([upper, lower], 1)


def read_polynomials(fields: Any, variables: Sequence[sympy.Symbol]) -> list[Field]:
    """Vector fields whose components are polynomials with rational coefficients.

    Raises:
        InputError: a field does not have one such component per variable.
    """
    rows = [[sympy.sympify(x) for x in field] for field in fields]
    if not rows:
        raise InputError("no generators were given; give a list of vector fields")
    polynomials, *_ = ring(list(variables), QQ)
    result = []
    for number, row in enumerate(rows):
        if len(row) != len(variables):
            raise InputError(
                f"vector field {number} has {len(row)} components in {len(variables)} variables"
            )
        try:
            result.append(tuple(polynomials.from_expr(x) for x in row))
        except (PolynomialError, ValueError, sympy.CoercionFailed) as error:
            raise InputError(
                f"vector field {number} is no polynomial in the variables with rational "
                "coefficients; give it as a function instead, with `size`"
            ) from error
    return result


def affine_matrices(fields: Sequence[Field]) -> Array | None:
    """How affine vector fields act on (x, 1), [k, n + 1, n + 1]; None if one is not affine."""
    n = len(fields[0])
    result = _objects([QQ.zero] * (len(fields) * (n + 1) ** 2), (len(fields), n + 1, n + 1))
    for k, components in enumerate(fields):
        for i, polynomial in enumerate(components):
            for powers, value in polynomial.terms():
                if sum(powers) > 1:
                    return None
                column = powers.index(1) if sum(powers) else n
                result[k, i, column] = value
    return result


def fractions(array: Array) -> Array:
    """Elements of QQ as Python fractions."""
    flat = [Fraction(int(x.numerator), int(x.denominator)) for x in array.reshape(-1)]
    return _objects(flat, array.shape)


def _listed(generators: Any) -> list[Any]:
    if hasattr(generators, "detach"):
        generators = generators.detach().cpu().numpy()
    listed = isinstance(generators, np.ndarray | Sequence) and not isinstance(generators, str)
    if listed and np.ndim(generators if isinstance(generators, np.ndarray) else [0]):
        return list(generators)
    raise InputError("generators must be a list of square matrices, or an array [k, n, n]")


def _entries(generator: Any) -> Array:
    if hasattr(generator, "detach"):
        generator = generator.detach().cpu().resolve_conj().numpy()
    if isinstance(generator, sympy.MatrixBase):
        return np.array(generator.tolist(), dtype=object).reshape(generator.shape)
    try:
        return np.array(generator, dtype=object)
    except ValueError as error:
        raise InputError(f"a generator is no matrix: {error}") from error


def _number(value: Any) -> tuple[Any, Any]:
    """Real and imaginary part, each an element of QQ or a float."""
    if isinstance(value, numbers.Integral | np.bool_):
        return QQ(int(value)), QQ.zero
    if isinstance(value, numbers.Rational):
        return QQ(int(value.numerator), int(value.denominator)), QQ.zero
    if isinstance(value, QQ.dtype):
        return value, QQ.zero
    if isinstance(value, sympy.Basic):
        real, imag = value.as_real_imag()
        if real.is_Rational and imag.is_Rational:
            return QQ(real.p, real.q), QQ(imag.p, imag.q)
        try:
            value = complex(value)
        except TypeError as error:
            raise InputError(f"a generator contains {value}, which is no number") from error
    try:
        number = complex(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"a generator contains {value!r}, which is no number") from error
    return number.real, number.imag


def _scaled(numbers_: Array) -> Array:
    """Floats whose squares neither overflow nor vanish.

    All by one power of two, which rounds nothing, where they do.

    Raises:
        InputError: the generators lie too far apart for one scale.
    """
    sizes = np.abs(numbers_).reshape(len(numbers_), -1).max(1)
    largest = sizes.max(initial=0.0)
    if not largest:
        return numbers_
    least = sizes[sizes > 0].min()
    if least < _APART * largest:
        raise InputError(
            f"the generators differ in size more than rounding explains, from {least:.0e} to "
            f"{largest:.0e}: give multiples of them that are closer in size"
        )
    if _SAFE[0] < largest < _SAFE[1]:
        return numbers_
    return np.asarray(np.ldexp(numbers_, -int(np.frexp(largest)[1])))


def _objects(values: list[Any], shape: tuple[int, ...]) -> Array:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result.reshape(shape)
