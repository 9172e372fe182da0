"""Simple ideals of a semisimple Lie algebra from its roots.

A generic element x of a real semisimple algebra is regular: its centraliser is a Cartan subalgebra
H, and the other eigenvectors of ad x span the root spaces. The connected parts of the Dynkin
diagram are the simple ideals over C; complex conjugation permutes them. One that it keeps is the
complexification of a real simple ideal; two that it exchanges make one real simple ideal that is a
complex algebra (Knapp, Lie Groups Beyond an Introduction, chapter II and theorem 6.94).
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from symfind.errors import AlgebraError
from symfind.lie import dynkin
from symfind.lie.algebra import Algebra
from symfind.lie.linear import Array, Numeric

_TRIES = 12
_INTEGER = 0.1  # how far from an integer a measured Cartan integer may lie


@dataclass(frozen=True)
class Simple:
    """A simple real Lie algebra, found in a larger one.

    Attributes:
        letter: of the complex type, A to G.
        rank: of the complex type.
        complex: whether it is a complex algebra taken as a real one.
        signature: positive and negative squares of its Killing form.
        basis: orthonormal, [d, k] in the coordinates of the larger algebra.
    """

    letter: str
    rank: int
    complex: bool
    signature: tuple[int, int]
    basis: Array = field(repr=False)

    @property
    def dimension(self) -> int:
        """Real dimension."""
        return dynkin.dimension(self.letter, self.rank) * (2 if self.complex else 1)

    @property
    def compact(self) -> int:
        """Dimension of a maximal compact subalgebra."""
        return self.signature[1]


def simple_ideals(algebra: Algebra) -> list[Simple]:
    """The simple ideals of a semisimple algebra over the floats.

    Raises:
        AlgebraError: the algebra is not semisimple, or the noise hides its roots.
    """
    if algebra.dimension == 0:
        return []
    linear = algebra.linear
    assert isinstance(linear, Numeric)
    roots, vectors = _roots(algebra)
    gram = _gram(algebra, roots)
    places = _real(gram, roots.shape[1])
    base = _simple_roots(places)
    integers = 2 * gram[np.ix_(base, base)] / np.diag(gram)[base]
    cartan = np.rint(integers).astype(int)
    if np.abs(integers - cartan).max() > _INTEGER:
        raise AlgebraError("the roots are too noisy for their angles to be told")
    parts = dynkin.components(cartan)
    home = np.array([_home(gram[i, base], parts) for i in range(len(roots))])
    mirror = [_conjugate(roots, i) for i in range(len(roots))]
    ideals, done = [], set()
    for number, part in enumerate(parts):
        if number in done:
            continue
        other = home[mirror[base[part[0]]]]
        done |= {number, other}
        letter, rank = dynkin.classify(cartan[np.ix_(part, part)])
        doubled = bool(other != number)
        mine = vectors[np.isin(home, [number, other])]
        dimension = dynkin.dimension(letter, rank) * (2 if doubled else 1)
        if len(mine) != dimension - rank * (2 if doubled else 1):
            raise AlgebraError("the number of roots does not fit their angles")
        basis = _ideal(algebra, mine, dimension)
        form = basis @ algebra.killing @ basis.T
        signature = linear.inertia(form, algebra.killing_scale)
        if sum(signature) != dimension:
            raise AlgebraError("the Killing form of a simple ideal looks degenerate")
        ideals.append(Simple(letter, rank, doubled, signature, basis))
    if sum(s.dimension for s in ideals) != algebra.dimension:
        raise AlgebraError("the simple ideals do not add up; the algebra is not semisimple")
    return ideals


def _roots(algebra: Algebra) -> tuple[Array, Array]:
    """Roots on a basis of a Cartan subalgebra [r, l], and their vectors [r, k], both complex."""
    linear = algebra.linear
    assert isinstance(linear, Numeric)
    rng = np.random.default_rng(0)
    trials, failures = [], []
    for _ in range(_TRIES):
        x = rng.standard_normal(algebra.dimension)
        x /= np.linalg.norm(x)
        values = np.linalg.eigvals(algebra.adjoint(x[None])[0])
        size = np.sort(np.abs(values))[::-1]
        try:
            live = values[np.argsort(-np.abs(values))[: linear.rank(size, float(size[0]) or 1.0)]]
        except AlgebraError as error:
            failures.append(error)
            continue
        apart = np.abs(live[:, None] - live[None]) + np.eye(len(live)) * 9.0
        width = float(min(apart.min(), np.abs(live).min()) if len(live) else 0.0)
        trials.append((algebra.dimension - len(live), width, x))
    if not trials:
        raise failures[0]
    # an element that happens to be nearly singular has another rank than the rest, or none
    rank, _ = Counter(trial[0] for trial in trials).most_common(1)[0]
    _, _, x = max((t for t in trials if t[0] == rank), key=lambda t: t[1])
    if not 0 < rank < algebra.dimension:
        raise AlgebraError("no Cartan subalgebra can be told at this precision")
    ad = algebra.adjoint(x[None])[0]
    cartan = np.linalg.svd(ad)[2][-rank:]
    values, vectors = np.linalg.eig(ad)
    chosen = vectors[:, np.argsort(np.abs(values))[rank:]].T
    moved = np.einsum("hij,rj->rhi", algebra.adjoint(cartan), chosen)
    return np.einsum("rhi,ri->rh", moved, chosen.conj()), chosen


def _gram(algebra: Algebra, roots: Array) -> Array:
    """Inner products of the roots, dual to the Killing form on the Cartan subalgebra.

    On it the form is the sum of the squares of the roots.
    """
    form = (roots.T @ roots).real
    gram = roots @ np.linalg.solve(form, roots.T)
    if np.abs(gram.imag).max() > _INTEGER * np.abs(gram).max() or (np.diag(gram.real) <= 0).any():
        raise AlgebraError("the roots do not span a Euclidean space at this precision")
    return np.asarray(gram.real)


def _real(gram: Array, rank: int) -> Array:
    """Real coordinates of the roots, [r, l]."""
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(vectors[:, -rank:] * np.sqrt(np.abs(values[-rank:])))


def _simple_roots(places: Array) -> list[int]:
    """Positive roots (for a generic functional) that are not the sum of two."""
    height = places @ np.random.default_rng(0).standard_normal(places.shape[1])
    positive = np.flatnonzero(height > 0)
    size = np.linalg.norm(places, axis=1).min()
    sums = (places[positive][:, None] + places[positive][None]).reshape(-1, places.shape[1])
    base = [int(i) for i in positive if np.linalg.norm(sums - places[i], axis=1).min() > 0.3 * size]
    if len(base) != places.shape[1]:
        raise AlgebraError("the roots are too noisy for a base to be told")
    return base


def _home(products: Array, parts: list[list[int]]) -> int:
    """The part of the diagram whose simple roots a root is not orthogonal to."""
    return int(np.argmax([np.abs(products[part]).max() for part in parts]))


def _conjugate(roots: Array, i: int) -> int:
    return int(np.argmin(np.linalg.norm(roots - roots[i].conj(), axis=1)))


def _ideal(algebra: Algebra, vectors: Array, dimension: int) -> Array:
    """The real ideal that root vectors generate: they and their brackets span it."""
    rows = np.concatenate([vectors.real, vectors.imag])
    rows = np.linalg.svd(rows, full_matrices=False)[2][: len(vectors)]
    every = np.concatenate([rows, algebra.brackets(rows, rows).reshape(-1, algebra.dimension)])
    return np.asarray(np.linalg.svd(np.linalg.qr(every, mode="r"))[2][:dimension])
