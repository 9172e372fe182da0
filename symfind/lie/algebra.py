"""A Lie algebra by structure constants: its series, centre, Killing form, radicals."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from symfind.errors import AlgebraError
from symfind.lie.linear import Array, Linear, Numeric


@dataclass(frozen=True, eq=False)
class Algebra:
    """A Lie algebra with basis e_i.

    Attributes:
        c: structure constants [k, k, k], [e_i, e_j] = sum over l of c[i, j, l] e_l. Floats are
            scaled such that brackets of unit vectors are of order one.
        linear: the arithmetic of `c`.
    """

    c: Array = field(repr=False)
    linear: Linear

    @property
    def dimension(self) -> int:
        """Of the vector space."""
        return len(self.c)

    @cached_property
    def whole(self) -> Array:
        """The algebra as a subspace of itself, [k, k]."""
        one = np.eye(self.dimension)
        if not self.linear.exact:
            return one
        from sympy import QQ

        return np.vectorize(lambda x: QQ(int(x)), otypes=[object])(one)

    def brackets(self, u: Array, v: Array) -> Array:
        """All brackets of rows of u [a, k] with rows of v [b, k], as an array [a, b, k]."""
        k = self.dimension
        first = self.linear.product(u, self.c.reshape(k, k * k)).reshape(len(u), k, k)
        turned = first.transpose(0, 2, 1).reshape(len(u) * k, k)
        both = self.linear.product(turned, v.T).reshape(len(u), k, len(v))
        return both.transpose(0, 2, 1)

    def commutator(self, u: Array, v: Array) -> Array:
        """The span of the brackets of two subspaces."""
        if len(u) == 0 or len(v) == 0:
            return self.whole[:0]
        return self.linear.span(self.brackets(u, v).reshape(-1, self.dimension))

    def derived_series(self, start: Array | None = None) -> list[Array]:
        """g, [g, g], [[g, g], [g, g]], … until it stands still; of an ideal if one is given."""
        return self._series(start, lambda last, first: (last, last))

    def lower_central_series(self, start: Array | None = None) -> list[Array]:
        """g, [g, g], [g, [g, g]], … until it stands still."""
        return self._series(start, lambda last, first: (first, last))

    def _series(self, start: Array | None, pair) -> list[Array]:  # type: ignore[no-untyped-def]
        first = self.whole if start is None else start
        series = [first]
        while len(series[-1]):
            following = self.commutator(*pair(series[-1], first))
            if len(following) == len(series[-1]):
                break
            series.append(following)
        return series

    @cached_property
    def derived(self) -> Array:
        """[g, g]."""
        return self.commutator(self.whole, self.whole)

    @cached_property
    def centre(self) -> Array:
        """What commutes with everything."""
        k = self.dimension
        return self.linear.kernel(self.c.transpose(1, 2, 0).reshape(k * k, k))

    @cached_property
    def killing(self) -> Array:
        """tr(ad x ad y), shape [k, k]."""
        k = self.dimension
        flat = self.c.reshape(k, k * k)
        return self.linear.product(flat, self.c.transpose(0, 2, 1).reshape(k, k * k).T)

    @cached_property
    def killing_scale(self) -> float:
        """The size that entries of the Killing form would have by the size of the brackets."""
        return (
            1.0 if self.linear.exact else max(1.0, float((self.c**2).sum((1, 2)).max(initial=0.0)))
        )

    @cached_property
    def signature(self) -> tuple[int, int]:
        """Positive and negative squares of the Killing form."""
        return self.linear.inertia(self.killing, self.killing_scale)

    @cached_property
    def radical(self) -> Array:
        """The largest solvable ideal: what is orthogonal to [g, g] under the Killing form.

        Bourbaki, Lie Groups and Lie Algebras, chapter I, section 5.5, proposition 5.
        """
        if len(self.derived) == 0:
            return self.whole
        rows = self.linear.product(self.derived, self.killing)
        return self.linear.kernel(rows, self.killing_scale)

    def adjoint(self, x: Array) -> Array:
        """Matrices of ad x for rows x [a, k]: an array [a, k, k] that acts on columns."""
        return np.asarray(np.tensordot(x, self.c, 1).transpose(0, 2, 1))

    def subalgebra(self, basis: Array) -> "Algebra":
        """The algebra on an orthonormal float basis of a subalgebra, or of a complement mod it."""
        c = np.tensordot(self.brackets(basis, basis), basis.T, 1)
        return Algebra(c, self.linear)


def nilradical(algebra: Algebra) -> Array:
    """The largest nilpotent ideal of an algebra over the floats.

    It lies between [g, R] and the radical R. On R all ad x are triangular at once (Lie's theorem),
    with the weights of R on the diagonal; x is in the nilradical if every weight vanishes on it.
    For a generic y in R the traces tr(ad x (ad y)^m) = sum of w(x) w(y)^m see every weight w.

    Raises:
        AlgebraError: what was found is not nilpotent.
    """
    assert isinstance(algebra.linear, Numeric)
    radical = algebra.radical
    inner = algebra.commutator(algebra.whole, radical)
    if len(inner) == len(radical):
        return radical
    rng = np.random.default_rng(0)
    ads = algebra.adjoint(radical)
    rows = []
    for _ in range(len(radical) + 3):
        y = np.tensordot(rng.standard_normal(len(radical)), ads, 1)
        y /= max(1.0, float(np.abs(np.linalg.eigvals(y)).max()))
        power = np.eye(algebra.dimension)
        for _ in range(min(algebra.dimension, 8)):
            rows.append(np.einsum("aij,ji->a", ads, power))
            power = power @ y
    found = algebra.linear.kernel(np.array(rows)) @ radical
    if len(algebra.lower_central_series(found)[-1]):
        raise AlgebraError("the nilradical cannot be told at this precision")
    return found
