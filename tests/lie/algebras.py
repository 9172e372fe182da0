"""Lie algebras in the matrices that define them, with integer entries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Matrices = list[np.ndarray]


def unit(n: int, i: int, j: int) -> np.ndarray:
    matrix = np.zeros((n, n), dtype=int)
    matrix[i, j] = 1
    return matrix


def real(matrix: np.ndarray) -> np.ndarray:
    """A complex matrix as a real one."""
    a, b = np.real(matrix), np.imag(matrix)
    return np.rint(np.block([[a, -b], [b, a]])).astype(int)


def over_c(matrices: Matrices) -> Matrices:
    """The complex span, as a real algebra."""
    return [real(z * x) for x in matrices for z in (1, 1j)]


def gl(n: int) -> Matrices:
    return [unit(n, i, j) for i in range(n) for j in range(n)]


def sl(n: int) -> Matrices:
    off = [unit(n, i, j) for i in range(n) for j in range(n) if i != j]
    return off + [unit(n, i, i) - unit(n, i + 1, i + 1) for i in range(n - 1)]


def so(p: int, q: int = 0) -> Matrices:
    metric = np.diag([1] * p + [-1] * q)
    n = p + q
    return [metric @ (unit(n, i, j) - unit(n, j, i)) for i in range(n) for j in range(i)]


def su(p: int, q: int = 0) -> Matrices:
    metric = np.diag([1] * p + [-1] * q)
    n = p + q
    off = [(i, j) for i in range(n) for j in range(i)]
    skew = [metric @ (unit(n, i, j) - unit(n, j, i)) for i, j in off]
    turned = [metric @ (1j * (unit(n, i, j) + unit(n, j, i))) for i, j in off]
    torus = [1j * (unit(n, i, i) - unit(n, i + 1, i + 1)) for i in range(n - 1)]
    return [real(x) for x in skew + turned + torus]


def sp(n: int) -> Matrices:
    """sp(2n, R)."""
    zero, one = np.zeros((n, n), dtype=int), np.eye(n, dtype=int)
    form = np.block([[zero, one], [-one, zero]])
    m = 2 * n
    return [form @ (unit(m, i, j) + unit(m, j, i)) for i in range(m) for j in range(i + 1)]


def quaternionic(n: int) -> Matrices:
    """gl(n, H) as complex matrices of size 2n made real."""
    zero = np.zeros((n, n))
    found = []
    for e in gl(n):
        found += [real(np.kron(np.eye(2), e)), real(np.kron(np.diag([1j, -1j]), e))]
        found += [real(np.block([[zero, z * e], [-np.conj(z) * e, zero]])) for z in (1, 1j)]
    return found


def scalars(n: int, z: complex = 1) -> Matrices:
    return [real(z * np.eye(n)) if isinstance(z, complex) else z * np.eye(n, dtype=int)]


def with_translations(matrices: Matrices) -> Matrices:
    """The affine maps whose linear parts these are."""
    n = len(matrices[0])
    return [np.pad(x, ((0, 1), (0, 1))) for x in matrices] + [unit(n + 1, i, n) for i in range(n)]


def heisenberg(n: int) -> Matrices:
    first = [unit(n + 2, 0, i) for i in range(1, n + 2)]
    return first + [unit(n + 2, i, n + 1) for i in range(1, n + 1)]


def octonion_derivations(split: bool) -> np.ndarray:
    """g2, compact or split, as derivations of the octonions: floats."""

    def conjugate(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x[:1], -x[1:]])

    def times(x: np.ndarray, y: np.ndarray, signs: Sequence[int]) -> np.ndarray:
        # Cayley-Dickson doubling
        if len(x) == 1:
            return x * y
        h, s, rest = len(x) // 2, signs[0], signs[1:]
        a, b, c, d = x[:h], x[h:], y[:h], y[h:]
        left = times(a, c, rest) + s * times(conjugate(d), b, rest)
        return np.concatenate([left, times(d, a, rest) + times(b, conjugate(c), rest)])

    one = np.eye(8)
    table = np.array([[times(x, y, [1 if split else -1, -1, -1]) for y in one] for x in one])
    equations = (
        np.einsum("ijk,ml->ijmlk", table, one)
        - np.einsum("ljm,ik->ijmlk", table, one)
        - np.einsum("ilm,jk->ijmlk", table, one)
    ).reshape(512, 64)
    _, values, vectors = np.linalg.svd(equations)
    return vectors[(values > 1e-9).sum() :].reshape(-1, 8, 8)


@dataclass(frozen=True)
class Case:
    name: str
    matrices: Matrices


def _cases() -> list[Case]:
    eye = [np.eye(n, dtype=int) for n in range(5)]
    found = {
        "R": gl(1),
        "so(2)": so(2),
        "gl(1,C)": over_c(gl(1)),
        "gl(2,R)": gl(2),
        "gl(3,R)": gl(3),
        "gl(4,R)": gl(4),
        "gl(2,C)": over_c(gl(2)),
        "gl(2,H)": quaternionic(2),
        "sl(2,R)": sl(2),
        "sl(3,R)": sl(3),
        "sl(2,C)": over_c(sl(2)),
        "sl(3,C)": over_c(sl(3)),
        "so(3)": so(3),
        "so(4)": so(4),
        "so(5)": so(5),
        "so(6)": so(6),
        "so(7)": so(7),
        "so(2,1)": so(2, 1),
        "so(1,3)": so(3, 1),
        "so(2,2)": so(2, 2),
        "so(1,4)": so(4, 1),
        "so(2,3)": so(2, 3),
        "so(2,4)": so(4, 2),
        "so(3,3)": so(3, 3),
        "so(1,5)": so(5, 1),
        "so(3,C)": over_c(so(3)),
        "su(2)": su(2),
        "su(3)": su(3),
        "su(4)": su(4),
        "su(2,1)": su(2, 1),
        "su(2,2)": su(2, 2),
        "su(3,1)": su(3, 1),
        "u(2)": su(2) + scalars(2, 1j),
        "u(3)": su(3) + scalars(3, 1j),
        "u(2,1)": su(2, 1) + scalars(3, 1j),
        "sp(4,R)": sp(2),
        "sp(6,R)": sp(3),
        "aff(1)": with_translations(gl(1)),
        "aff(2)": with_translations(gl(2)),
        "aff(3)": with_translations(gl(3)),
        "aff(4)": with_translations(gl(4)),
        "aff(2,C)": with_translations(over_c(gl(2))),
        "sa(2)": with_translations(sl(2)),
        "sa(3)": with_translations(sl(3)),
        "e(2)": with_translations(so(2)),
        "e(3)": with_translations(so(3)),
        "e(4)": with_translations(so(4)),
        "iso(1,1)": with_translations(so(1, 1)),
        "iso(2,1)": with_translations(so(2, 1)),
        "iso(1,3)": with_translations(so(1, 3)),
        "sim(2)": with_translations([*so(2), eye[2]]),
        "sim(3)": with_translations([*so(3), eye[3]]),
        "h(1)": heisenberg(1),
        "h(2)": heisenberg(2),
        "h(3)": heisenberg(3),
        "sl(2,R) ⋉ (R^2 ⊕ R^2)": with_translations([np.kron(eye[2], x) for x in sl(2)]),
    }
    return [Case(name, matrices) for name, matrices in found.items()]


CASES = _cases()
BY_NAME = {case.name: case for case in CASES}


def block_sum(parts: Sequence[Matrices]) -> Matrices:
    """The direct sum, in block-diagonal matrices."""
    size = sum(len(part[0]) for part in parts)
    found, start = [], 0
    for part in parts:
        stop = start + len(part[0])
        for matrix in part:
            whole = np.zeros((size, size), dtype=int)
            whole[start:stop, start:stop] = matrix
            found.append(whole)
        start = stop
    return found


def disguised(matrices: Matrices, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Floats: conjugated at random (condition number up to four), mixed at random, and noisy."""
    x = np.array(matrices, dtype=float)
    k, n, _ = x.shape
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    change = left @ np.diag(2.0 ** rng.uniform(-1, 1, n)) @ right
    x = np.tensordot(rng.standard_normal((k, k)), change @ x @ np.linalg.inv(change), 1)
    return x + noise * np.abs(x).max() * rng.standard_normal(x.shape)


def disguised_exactly(matrices: Matrices, rng: np.random.Generator) -> np.ndarray:
    """Integers: conjugated by a unimodular matrix and mixed by one."""
    x = np.array(matrices, dtype=int)
    k, n, _ = x.shape
    change, mixing = (
        np.tril(rng.integers(-1, 2, (m, m)), -1) + np.eye(m, dtype=int) for m in (n, k)
    )
    back = np.rint(np.linalg.inv(change)).astype(int)
    return np.tensordot(mixing, change @ x @ back, 1)
