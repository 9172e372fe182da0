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
    blocks = _blocks(matrices, linear, rng) if count else []
    characters = np.zeros((len(blocks), count), dtype=complex)
    for j, basis in enumerate(blocks):
        characters[j] = _character(restrict(matrices, basis), rng)
    return Torus(blocks, characters, linear)


def _blocks(matrices: Array, linear: Numeric, rng: np.random.Generator) -> list[Array]:
    """Common generalised eigenspaces, split as long as some element has two eigenvalues there."""
    count, n, _ = matrices.shape
    for _ in range(_TRIES):
        generic = np.tensordot(rng.standard_normal(count), matrices, 1)
        if linear.vanishes(generic):
            break
        groups = primary(generic, linear.noise)
        if len(groups) > 1:
            return [
                inner @ basis
                for _, basis in groups
                for inner in _blocks(restrict(matrices, basis), linear, rng)
            ]
    return [np.eye(n)]


def _character(matrices: Array, rng: np.random.Generator) -> Array:
    """The one eigenvalue, or one of the two conjugate ones, of each matrix [a, m, m] of a block."""
    count, m, _ = matrices.shape
    elements = np.tensordot(rng.standard_normal((_TRIES, count)), matrices, 1)
    values = np.linalg.eigvals(elements)
    turning = np.abs(values.imag).min(1) / np.maximum(np.abs(values).max(1), 1e-300)
    best = int(turning.argmax())
    if turning[best] <= _REAL:
        return np.asarray(np.trace(matrices, axis1=1, axis2=2) / m)
    # the half on which the imaginary parts are positive
    upper = values[best][values[best].imag > 0]
    product = np.eye(m, dtype=complex)
    for value in upper:
        product = product @ (elements[best] - value * np.eye(m))
    half = np.linalg.svd(product)[2][m - len(upper) :]
    return np.asarray(np.einsum("di,aij,dj->a", half, matrices, half.conj()) / len(upper))
