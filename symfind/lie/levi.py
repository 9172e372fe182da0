"""Subalgebras that complement an ideal; the Levi decomposition."""

import numpy as np

from symfind.errors import AlgebraError
from symfind.lie.algebra import Algebra
from symfind.lie.linear import Array, Numeric, complement


def splitting(algebra: Algebra, chain: list[Array]) -> Array | None:
    """A subalgebra that complements an ideal N, or None where this way finds none.

    Along N = N_1 > N_2 > … > 0, whose quotients are abelian, a complement that is closed up to
    N_t is corrected by elements of N_t so that it is closed up to N_(t+1): linear equations
    (de Graaf, Lie Algebras: Theory and Algorithms, 2000, section 4.13).

    Args:
        algebra: over the floats.
        chain: orthonormal bases of ideals, the first N, each containing the brackets of the one
            before; the last may be zero.
    """
    linear = algebra.linear
    assert isinstance(linear, Numeric)
    x = complement(chain[0], algebra.whole)
    s = len(x)
    if s == 0:
        return x
    gamma = np.tensordot(algebra.brackets(x, x), x.T, 1)
    steps = [*chain, chain[0][:0]] if len(chain[-1]) else chain
    for upper, lower in zip(steps, steps[1:], strict=False):
        v = complement(lower, upper)
        m = len(v)
        error = (algebra.brackets(x, x) - np.tensordot(gamma, x, 1)) @ v.T
        action = algebra.brackets(x, v) @ v.T  # [x_i, v_b] = sum of action[i, b, d] v_d
        pairs = [(i, j) for i in range(s) for j in range(i)]
        if not pairs:
            continue
        system = np.zeros((len(pairs), m, s, m))
        for row, (i, j) in enumerate(pairs):
            system[row, :, j, :] += action[i].T
            system[row, :, i, :] -= action[j].T
            system[row] -= np.eye(m)[:, None, :] * gamma[i, j][None, :, None]
        target = -np.array([error[i, j] for i, j in pairs])
        flat = system.reshape(len(pairs) * m, s * m)
        y, *_ = np.linalg.lstsq(flat, target.reshape(-1), rcond=1e-6)
        x = x + y.reshape(s, m) @ v
        if not linear.vanishes(flat @ y - target.reshape(-1)):
            return None
    return linear.span(x)


def levi_subalgebra(algebra: Algebra) -> Array:
    """A semisimple subalgebra that complements the radical; it always exists (Levi, 1905).

    Raises:
        AlgebraError: the noise hides it.
    """
    radical = algebra.radical
    if len(radical) == algebra.dimension:
        return algebra.whole[:0]
    if len(radical) == 0:
        return algebra.whole
    found = splitting(algebra, algebra.derived_series(radical))
    if found is None:
        raise AlgebraError("a Levi subalgebra cannot be told from noise at this precision")
    return found
