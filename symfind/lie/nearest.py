"""The subalgebra of matrices that is nearest to a span of noisy ones.

Brackets of a basis B leave its span by R_ij = [B_i, B_j] minus its part in the span. The basis is
moved, orthogonally to the span, such that to first order all R_ij vanish, with the least change
(Gauss and Newton); near a subalgebra that converges to one.
"""

import numpy as np

from symfind.lie.linear import Array

_STEPS = 8
_MOST = 1200  # unknowns
_DONE = 1e-13


def nearest_subalgebra(basis: Array, n: int) -> Array:
    """Orthonormal matrices [k, n²] moved to a subalgebra; as they were where that fails.

    Args:
        basis: orthonormal rows.
        n: side of the matrices.
    """
    k = len(basis)
    if not 0 < k * (n * n - k) <= _MOST:
        return basis
    best, least = basis, _outside(basis, n)[1]
    for _ in range(_STEPS):
        moved = _step(best, n)
        size = _outside(moved, n)[1]
        if size >= least:
            break
        best, least = moved, size
        if least < _DONE:
            break
    return best


def _brackets(basis: Array, n: int) -> Array:
    matrices = basis.reshape(-1, n, n)
    products = np.einsum("aij,bjk->abik", matrices, matrices)
    return np.asarray((products - products.transpose(1, 0, 2, 3)).reshape(*[len(basis)] * 2, -1))


def _outside(basis: Array, n: int) -> tuple[Array, float]:
    """What of the brackets is outside of the span, [k, k, n²], and its size."""
    brackets = _brackets(basis, n)
    outside = brackets - brackets @ basis.T @ basis
    return outside, float(np.linalg.norm(outside))


def _step(basis: Array, n: int) -> Array:
    """One step of Gauss and Newton, with the least change of the basis."""
    k = len(basis)
    normal = np.linalg.svd(basis)[2][k:]  # orthonormal rows beside the span
    brackets = _brackets(basis, n)
    inside, outside = brackets @ basis.T, brackets @ normal.T
    # how the bracket of each basis element with each normal one leaves the span, [k, m, m]
    mixed = _brackets(np.concatenate([basis, normal]), n)[:k, k:] @ normal.T
    m = len(normal)
    jacobian = np.zeros((k, k, m, k, m))
    for i in range(k):
        for j in range(k):
            jacobian[i, j, :, j] += mixed[i].T
            jacobian[i, j, :, i] -= mixed[j].T
            for a in range(k):
                jacobian[i, j, :, a] -= inside[i, j, a] * np.eye(m)
    change = np.linalg.lstsq(jacobian.reshape(k * k * m, k * m), -outside.reshape(-1), rcond=1e-6)
    moved = basis + change[0].reshape(k, m) @ normal
    return np.asarray(np.linalg.qr(moved.T)[0].T)
