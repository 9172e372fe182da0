"""Representations over the reals: what commutes with them, and how they fall apart."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from symfind.errors import AlgebraError
from symfind.lie.linear import Array, Numeric

_APART = 1e-2  # eigenvalues closer than this, relative to the largest, are taken as one
_JORDAN = 5.0
_TRIES = 12
_ANGLE = 5e-3  # least singular value of bases that are taken to be independent
_OUTSIDE = 1e-4  # how far a subspace may be from invariant, relative to what acts
_ALL = 24  # matrices up to which each one is asked for, instead of random combinations


@dataclass(frozen=True)
class Constituent:
    """An irreducible real representation.

    Attributes:
        size: real dimension.
        field: what commutes with it: R, C or H.
        basis: orthonormal, [size, n].
    """

    size: int
    field: str
    basis: Array = dataclasses.field(repr=False, compare=False)


def _clusters(values: Array, width: float) -> list[Array]:
    """Groups of eigenvalues that lie close together, or whose conjugates do, as index arrays."""
    near = np.abs(values[:, None] - values[None]) <= width
    near |= np.abs(values[:, None] - values[None].conj()) <= width
    groups, left = [], set(range(len(values)))
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(j) for i in edge for j in np.flatnonzero(near[i])} - group
        groups.append(np.array(sorted(group)))
        left -= group
    return groups


def primary(matrix: Array, noise: float, apart: float = _APART) -> list[tuple[Array, Array]]:
    """Generalised eigenspaces of a real matrix, of groups of eigenvalues that cannot be confused.

    Noise moves an eigenvalue of a Jordan block of size m by its m-th root; blocks of size three are
    allowed for.

    Returns:
        For each group its eigenvalues, and an orthonormal real basis [m, n] of the subspace.
    """
    n = len(matrix)
    values = np.linalg.eigvals(matrix)
    scale = float(np.abs(values).max(initial=0.0))
    if scale == 0.0:
        return [(values, np.eye(n))] if n else []
    width = max(apart * scale, _JORDAN * noise ** (1 / 3) * float(np.linalg.norm(matrix, 2)))
    groups = _clusters(values, width)
    if len(groups) == 1:
        return [(values, np.eye(n))]
    home = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    places = values[np.concatenate(groups)]
    found = []
    for number, group in enumerate(groups):

        def chosen(real: float, imag: float, number: int = number) -> bool:
            return bool(home[np.abs(places - complex(real, imag)).argmin()] == number)

        from scipy.linalg import schur

        _, vectors, count = schur(matrix, output="real", sort=chosen)
        if count != len(group):
            return [(values, np.eye(n))]
        found.append((values[group], vectors[:, :count].T))
    return found


def restrict(matrices: Array, basis: Array) -> Array:
    """The action on an invariant subspace with orthonormal basis [m, n]: [a, n, n] to [a, m, m]."""
    return np.asarray(basis @ matrices @ basis.T)


def commutant(matrices: Array, linear: Numeric) -> Array:
    """Basis of the matrices that commute with all of some [a, n, n], shape [d, n, n].

    What commutes with a generic element keeps its primary subspaces, which leaves few unknowns.
    """
    count, n, _ = matrices.shape
    size = float(np.sqrt((matrices**2).sum((1, 2)).max(initial=0.0)))
    if count == 0 or linear.vanishes(np.array([size])):
        return np.eye(n * n).reshape(n * n, n, n)
    rng = np.random.default_rng(0)
    generic = np.tensordot(rng.standard_normal(count), matrices, 1)
    blocks = [basis for _, basis in primary(generic, linear.noise)]
    change = np.concatenate(blocks).T
    back = np.linalg.inv(change)
    label = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks])
    rows, columns = np.nonzero(label[:, None] == label[None])
    if count > _ALL:
        mixing = np.linalg.qr(rng.standard_normal((count, _ALL)))[0].T
        matrices = np.tensordot(mixing, matrices, 1) * np.sqrt(count / _ALL)
    unknowns = np.zeros((len(rows), n, n))
    unknowns[np.arange(len(rows)), rows, columns] = 1.0
    triangle = np.zeros((0, len(rows)))
    for matrix in matrices:
        a = back @ matrix @ change / size
        equations = (unknowns @ a - a @ unknowns).reshape(len(rows), n * n).T
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, equations]), mode="r"))
    solutions = linear.kernel(triangle)
    return np.asarray(change @ np.tensordot(solutions, unknowns, 1) @ back)


def pieces(matrices: Array, linear: Numeric) -> list[Array]:
    """Invariant subspaces that cannot be split further, as bases [m, n]; their sum is the space.

    A random element of the commutant has one eigenvalue, or one pair, for every indecomposable
    summand (but where real copies happen to mix to a pair: then another is drawn).
    """
    n = matrices.shape[1]
    ring = commutant(matrices, linear)
    rng = np.random.default_rng(1)
    for number in range(_TRIES if len(ring) > 1 else 0):
        element = np.tensordot(rng.standard_normal(len(ring)), ring, 1)
        cautious, apart = (linear.noise, _APART) if number < _TRIES // 2 else (0.0, _APART / 10)
        # at first no two eigenvalues are told apart that noise could have split
        parts = [b for _, b in primary(element, cautious, apart)]
        if len(parts) > 1 and _decomposes(matrices, parts):
            return [
                inner @ part for part in parts for inner in pieces(restrict(matrices, part), linear)
            ]
    return [np.eye(n)]


def _decomposes(matrices: Array, parts: list[Array]) -> bool:
    """Whether subspaces are invariant and clearly independent."""
    if np.linalg.svd(np.concatenate(parts), compute_uv=False)[-1] < _ANGLE:
        return False
    return all(_invariant(matrices, part) for part in parts)


def _invariant(matrices: Array, basis: Array) -> bool:
    moved = basis @ matrices.transpose(0, 2, 1)
    outside = moved - moved @ basis.T @ basis
    return bool(np.abs(outside).max() <= _OUTSIDE * np.abs(matrices).max())


def constituents(matrices: Array, linear: Numeric) -> list[Constituent]:
    """Irreducible parts of a semisimple algebra's representation [a, n, n], without trivial ones.

    Raises:
        AlgebraError: a part is irreducible but nothing that commutes with it fits that.
    """
    image = linear.span(matrices.transpose(0, 2, 1).reshape(-1, matrices.shape[1]))
    if len(image) == 0:
        return []
    found = []
    moved = restrict(matrices, image)
    for part in pieces(moved, linear):
        inner = restrict(moved, part)
        degree = len(commutant(inner, linear))
        if degree not in (1, 2, 4):
            raise AlgebraError("an irreducible representation cannot be told at this precision")
        found.append(Constituent(len(part), {1: "R", 2: "C", 4: "H"}[degree], part @ image))
    return found
