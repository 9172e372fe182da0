"""From generators to a Lie algebra: independence, closure under the bracket, structure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from symfind.errors import AlgebraError
from symfind.lie.algebra import Algebra
from symfind.lie.generators import Field
from symfind.lie.linear import Array, Exact, Numeric, dense, domain_matrix
from symfind.lie.nearest import nearest_subalgebra

ROUNDING = 1e-13  # the least noise that float generators are credited with
_SAFETY = 4.0  # the noise is taken to be so many times what the closure shows of it
_EPSILON = 1e-15
_NOISY = 1e-9  # what rounding does not explain
_EVEN, _GAP = 10.0, 100.0  # gaps in a spectrum: below the first none, above the second a clear one
_BALANCING = 40  # steps
_LARGEST = 400  # dimension at which generating an algebra is given up

Sparse = dict[Any, Any]  # coefficients of an element by matrix entry or monomial


@dataclass(frozen=True, eq=False)
class Closed:
    """Generators that span a Lie algebra.

    Attributes:
        algebra: over the floats, on a basis that is orthonormal as matrices are.
        matrices: that basis as matrices [k, n, n]; None for vector fields that are not affine.
        elements: the basis that is reported, in the form that the generators were given in.
        change: the reported basis in terms of that of `exact`, or else of `algebra`, [k, k].
        exact: the algebra over the rationals on a basis of its own, if the generators are rational.
        added: number of basis elements that were not given but generated.
    """

    algebra: Algebra
    matrices: Array | None = field(repr=False)
    elements: Any = field(repr=False)
    change: Array = field(repr=False)
    exact: Algebra | None = None
    added: int = 0

    @property
    def noise(self) -> float:
        """Relative error that the generators are credited with."""
        assert isinstance(self.algebra.linear, Numeric)
        return self.algebra.linear.noise

    def structure(self) -> Array:
        """Structure constants on the reported basis, [k, k, k]: floats, or elements of QQ."""
        k = len(self.change)
        if self.exact is None:
            return change_basis(self.algebra.c, self.change, np.linalg.inv(self.change))
        if k == 0:
            return self.exact.c
        back = domain_matrix(self.change).inv()
        moved = self.exact.brackets(self.change, self.change).reshape(k * k, k)
        return dense(domain_matrix(moved) * back).reshape(k, k, k)


class _Span:
    """Orthonormal matrices, and how far their brackets leave the span of them."""

    def __init__(self, basis: Array, n: int, dropped: float) -> None:
        matrices = basis.reshape(-1, n, n)
        products = np.einsum("aij,bjk->abik", matrices, matrices, optimize=True)
        brackets = (products - products.transpose(1, 0, 2, 3)).reshape(-1, n * n)
        self.basis, self.dropped = basis, dropped
        self.inside = brackets @ basis.T
        self.outside = brackets - self.inside @ basis
        self.residual = float(np.abs(self.outside).max(initial=0.0))


def close_floats(given: Array, close: bool, tolerance: float) -> Closed:
    """The algebra of float matrices [k, n, n].

    Raises:
        AlgebraError: not closed, or independence cannot be told.
    """
    n = given.shape[1]
    norms = np.linalg.norm(given.reshape(len(given), -1), axis=1)
    scaled = (
        given.reshape(len(given), -1) / np.maximum(norms, tolerance * norms.max() or 1)[:, None]
    )
    likely = [_Span(_balanced(rows, n), n, dropped) for rows, dropped in spans(scaled, tolerance)]
    span = next((s for s in likely if s.residual <= tolerance), likely[0])
    first = len(span.basis)
    while span.residual > tolerance:
        if not close:
            raise not_closed(span.residual)
        rows, dropped = spans(np.concatenate([span.basis, span.outside]), tolerance)[0]
        span = _Span(rows, n, max(dropped, span.dropped))
        if len(rows) > _LARGEST:
            raise AlgebraError(f"the generated algebra has a dimension above {_LARGEST}")
    linear = Numeric(max(ROUNDING, span.dropped, _SAFETY * span.residual))
    if span.residual > _NOISY:  # zeros are still told by the noise, and lie further below it
        span = _Span(nearest_subalgebra(span.basis, n), n, span.dropped)
    basis, matrices = span.basis, span.basis.reshape(-1, n, n)
    k = len(basis)
    c = span.inside.reshape(k, k, k)
    if k == len(given) == first:
        return Closed(Algebra(c, linear), matrices, given, given.reshape(k, -1) @ basis.T)
    return Closed(Algebra(c, linear), matrices, matrices, np.eye(k), added=k - first)


def close_matrices(given: Array, close: bool) -> Closed:
    """The algebra of rational matrices [k, n, n] (elements of QQ).

    Raises:
        AlgebraError: not closed.
    """
    n = given.shape[1]

    def item(vector: Sparse) -> DomainMatrix:
        rows: dict[int, Sparse] = {}
        for (i, j), value in vector.items():
            rows.setdefault(i, {})[j] = value
        return DomainMatrix(rows, (n, n), QQ)

    found = _close_exact(
        [dict(domain_matrix(matrix).to_dok()) for matrix in given],
        lambda a, b: dict((item(a) * item(b) - item(b) * item(a)).to_dok()),
        close,
    )
    echelon = np.zeros((len(found.echelon), n, n))
    for number, vector in enumerate(found.echelon):
        for place, value in vector.items():
            echelon[number][place] = float(value)
    floats = _orthonormal(echelon.reshape(-1, n * n)).reshape(-1, n, n)
    elements = np.array([dense(item(vector)) for vector in found.basis], dtype=object)
    inner = close_floats(floats, False, 1e-4) if len(floats) else _nothing(n)
    return replace(inner, elements=elements, change=found.change, exact=found.algebra,
                   added=found.added)  # fmt: skip


def close_polynomials(given: Sequence[Field], close: bool) -> Closed:
    """The algebra of polynomial vector fields with rational coefficients.

    Raises:
        AlgebraError: not closed.
    """
    ring = given[0][0].ring

    def item(vector: Sparse) -> Field:
        parts: list[Sparse] = [{} for _ in given[0]]
        for (i, power), value in vector.items():
            parts[i][power] = value
        return tuple(ring.from_dict(part) for part in parts)

    def bracket(a: Sparse, b: Sparse) -> Sparse:
        x, y = item(a), item(b)
        return _terms(
            tuple(
                sum((x[j] * y[i].diff(j) - y[j] * x[i].diff(j) for j in range(len(x))), ring.zero)
                for i in range(len(x))
            )
        )

    found = _close_exact([_terms(x) for x in given], bracket, close)
    k = len(found.echelon)
    places = {key: i for i, key in enumerate(dict.fromkeys(p for v in found.echelon for p in v))}
    rows = np.zeros((k, len(places)))
    for number, vector in enumerate(found.echelon):
        for place, value in vector.items():
            rows[number, places[place]] = float(value)
    orthogonal, triangle = np.linalg.qr(rows.T)
    c = change_basis(found.algebra.c.astype(float), np.linalg.inv(triangle.T), triangle.T)
    scale = float(np.abs(c).max(initial=0.0)) or 1.0
    elements = tuple(tuple(p.as_expr() for p in item(vector)) for vector in found.basis)
    return Closed(Algebra(c / scale, Numeric(ROUNDING)), None, elements, found.change,
                  found.algebra, found.added)  # fmt: skip


def _terms(fields: Field) -> Sparse:
    return {(i, power): value for i, p in enumerate(fields) for power, value in p.terms() if value}


def change_basis(c: Array, change: Array, back: Array) -> Array:
    """Structure constants on the basis whose rows are `change`; `back` is the inverse."""
    turned = np.tensordot(change, np.tensordot(change, c, (1, 1)), (1, 1))
    return np.asarray(turned @ back)


def not_closed(residual: float | None = None) -> AlgebraError:
    """The error for generators whose brackets leave their span."""
    measured = (
        "" if residual is None else f" (a bracket of unit matrices leaves it by {residual:.1e})"
    )
    return AlgebraError(
        f"the generators do not span a Lie algebra: their brackets leave the span{measured}; "
        "close=True takes the Lie algebra that they generate"
    )


def spans(rows: Array, tolerance: float) -> list[tuple[Array, float]]:
    """What rows may span, likeliest first: orthonormal bases, each with what it drops.

    Noise leaves a wide gap in the spectrum below the independent ones. A badly mixed basis has
    small singular values too, so that with a narrower gap, or none, all of them count.
    """
    _, values, basis = np.linalg.svd(rows, full_matrices=False)
    if values[0] == 0.0:
        return [(basis[:0], 0.0)]
    values = np.clip(values / values[0], _EPSILON, None)
    cuts = {i: values[i - 1] / values[i] for i in range(1, len(values)) if values[i] <= tolerance}
    cuts = {i: gap for i, gap in cuts.items() if gap > _EVEN}
    if values[-1] > _EPSILON:
        cuts[len(values)] = _GAP
    return [
        (basis[:i], float(values[i]) if i < len(values) else 0.0)
        for i in sorted(cuts, key=lambda i: -cuts[i])
    ]


def _balanced(basis: Array, n: int) -> Array:
    """The matrices in coordinates in which they are large in no direction more than in another.

    Conjugation by P moves sum |P B P^-1|^2 downhill along sum B B^T - B^T B (the moment map of
    Kempf and Ness); it undoes an ill-conditioned change of coordinates, which would amplify noise.
    """
    best, least = basis, np.inf
    for _ in range(_BALANCING):
        matrices = basis.reshape(-1, n, n)
        moment = np.einsum("aij,akj->ik", matrices, matrices)
        moment -= np.einsum("aji,ajk->ik", matrices, matrices)
        values, vectors = np.linalg.eigh(moment)
        size = float(np.linalg.norm(values))
        if size > 0.95 * least or size < _EPSILON:
            break
        best, least = basis, size
        step = vectors * np.exp(-0.5 * values / size) @ vectors.T
        basis = _orthonormal((step @ matrices @ np.linalg.inv(step)).reshape(-1, n * n))
    return best


@dataclass(frozen=True)
class _Found:
    """Exact generators: the independent ones, their echelon form, and the algebra on that."""

    basis: list[Sparse]
    echelon: list[Sparse]
    change: Array
    algebra: Algebra
    added: int


def _close_exact(
    given: list[Sparse], bracket: Callable[[Sparse, Sparse], Sparse], close: bool
) -> _Found:
    """Take the span of generators, or what they generate.

    Raises:
        AlgebraError: not closed.
    """
    basis = [given[i] for i in _pivots(given)]
    first = len(basis)
    while True:
        k = len(basis)
        rows, keys = _rows(basis)
        reduced, pivots = rows.rref()
        echelon: list[Sparse] = [{} for _ in range(k)]
        for (i, j), value in reduced.to_dok().items():
            echelon[i][keys[j]] = value
        pairs = [(i, j) for i in range(k) for j in range(i)]
        moved = [bracket(echelon[i], echelon[j]) for i, j in pairs]
        # in echelon form the coordinates in the span are the entries at the pivots
        read = [[v.get(keys[p], QQ.zero) for p in pivots] for v in moved]
        outside = [_rest(v, x, echelon) for v, x in zip(moved, read, strict=True)]
        if not any(outside):
            break
        if not close:
            raise not_closed()
        basis += [outside[i] for i in _pivots(outside)]
        if len(basis) > _LARGEST:
            raise AlgebraError(f"the generated algebra has a dimension above {_LARGEST}")
    c = np.full((k, k, k), QQ.zero, dtype=object)
    for (i, j), x in zip(pairs, read, strict=True):
        c[i, j], c[j, i] = x, [-value for value in x]
    change = np.full((k, k), QQ.zero, dtype=object)
    for i, vector in enumerate(basis):
        change[i] = [vector.get(keys[p], QQ.zero) for p in pivots]
    return _Found(basis, echelon, change, Algebra(c, Exact()), k - first)


def _rest(vector: Sparse, coordinates: list[Any], echelon: list[Sparse]) -> Sparse:
    """What remains of an element when its part in the span is taken off."""
    rest = dict(vector)
    for x, row in zip(coordinates, echelon, strict=True):
        if x:
            for key, value in row.items():
                rest[key] = rest.get(key, QQ.zero) - x * value
    return {key: value for key, value in rest.items() if value}


def _rows(vectors: Sequence[Sparse]) -> tuple[DomainMatrix, list[Any]]:
    """Elements as rows of a matrix, and what its columns stand for."""
    keys = sorted({key for v in vectors for key in v})
    place = {key: i for i, key in enumerate(keys)}
    rows = {i: {place[key]: x for key, x in v.items()} for i, v in enumerate(vectors) if v}
    return DomainMatrix(rows, (len(vectors), len(keys)), QQ), keys


def _pivots(vectors: Sequence[Sparse]) -> tuple[int, ...]:
    """Indices of the elements that are independent of those before them."""
    return tuple(_rows(vectors)[0].transpose().rref()[1])


def _orthonormal(rows: Array) -> Array:
    return np.asarray(np.linalg.qr(rows.T)[0].T)


def _nothing(n: int) -> Closed:
    empty = Algebra(np.zeros((0, 0, 0)), Numeric(ROUNDING))
    return Closed(empty, np.zeros((0, n, n)), np.zeros((0, n, n)), np.zeros((0, 0)))
