"""How commuting matrices act: blocks, and the characters (weights) by which they act on each."""

from dataclasses import dataclass

import numpy as np

from symfind.lie.linear import Array, Numeric, complement
from symfind.lie.modules import primary, restrict

_REAL = 1e-2  # a generic imaginary part below this, relative to the largest eigenvalue, is none
_TRIES = 8


@dataclass(frozen=True)
class Torus:
    """A commuting family of matrices A_1, …, A_a on a space.

    Attributes:
        blocks: bases of the common generalised eigenspaces over the reals, each [m, n].
        characters: [blocks, a], complex: the eigenvalue of A_i on a block (one of a pair).
        linear: the arithmetic.
    """

    blocks: list[Array]
    characters: Array
    linear: Numeric

    @property
    def count(self) -> int:
        """Number of matrices."""
        return int(self.characters.shape[1])

    def killed(self, rows: Array) -> Array:
        """Combinations of the A_i (rows [d, a]) on which the given characters are zero."""
        if len(rows) == 0:
            return np.eye(self.count)
        return self.linear.kernel(np.concatenate([rows.real, rows.imag]))

    def nilpotent(self) -> Array:
        """Combinations without eigenvalues."""
        return self.killed(self.characters)

    def compact(self) -> int:
        """Dimension of what has imaginary eigenvalues only, up to nilpotent ones."""
        return len(self.killed(self.characters.real)) - len(self.nilpotent())

    def confined(self, chosen: list[int]) -> Array:
        """Combinations with eigenvalues on the chosen blocks only, up to nilpotent ones."""
        others = [j for j in range(len(self.blocks)) if j not in chosen]
        return complement(self.nilpotent(), self.killed(self.characters[others]))

    def kind(self, direction: Array) -> str:
        """`real`, `imaginary` or `complex`: the eigenvalues of one combination [a]."""
        values = self.characters @ direction
        if self.linear.vanishes(values.imag):
            return "real"
        return "imaginary" if self.linear.vanishes(values.real) else "complex"


def torus(matrices: Array, linear: Numeric) -> Torus:
    """Blocks and characters of commuting matrices [a, n, n]."""
    rng = np.random.default_rng(0)
    count, n, _ = matrices.shape
    best: list[tuple[Array, Array]] = []
    score = (-1, -1)
    for _ in range(_TRIES if count else 0):
        generic = np.tensordot(rng.standard_normal(count), matrices, 1)
        if linear.vanishes(generic):
            groups = [(np.zeros(n), np.eye(n))]
        else:
            groups = primary(generic)
        scale = max((float(np.abs(values).max()) for values, _ in groups), default=0.0)
        turning = sum(_turns(values, scale) for values, _ in groups)
        if (len(groups), turning) > score:
            best, score = groups, (len(groups), turning)
            best_scale, best_element = scale, generic
    characters = np.zeros((len(best), count), dtype=complex)
    for j, (values, basis) in enumerate(best):
        inner = restrict(matrices, basis)
        if not _turns(values, best_scale):
            characters[j] = np.trace(inner, axis1=1, axis2=2) / len(basis)
            continue
        # the half on which the eigenvalues have positive imaginary parts
        upper = values[values.imag > 0]
        element = restrict(best_element[None], basis)[0]
        product = np.eye(len(basis), dtype=complex)
        for value in upper:
            product = product @ (element - value * np.eye(len(basis)))
        half = np.linalg.svd(product)[2][len(basis) - len(upper) :].conj()
        characters[j] = np.einsum("di,aij,dj->a", half.conj(), inner, half) / len(upper)
    return Torus([basis for _, basis in best], characters, linear)


def _turns(values: Array, scale: float) -> bool:
    return bool(np.abs(values.imag).min() > _REAL * scale)
