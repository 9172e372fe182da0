"""How much the columns of one matrix add to the rank of another.

Directions of families touch few tensors, and often few entries of these: their matrices are sparse,
and fall apart into blocks that share no row and no column. What is before is taken away block by
block, so that the cost is that of the blocks. The fewer columns are held against the more,
whichever were asked for: rank(A, B) = rank A + what B adds = rank B + what A adds.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from symfind.numerics.decompose import svd
from symfind.numerics.tolerances import ABSENT

if TYPE_CHECKING:  # slow to import, and small models have no need of it
    from scipy.sparse import csc_array, csr_array

INDEPENDENT = 1e-5  # columns that keep this part of their length are clearly independent
_SIGNS = 8  # of every row, in a sketch
_KEPT = 0.1  # of the length of a column, above which one subtraction is enough

_Places = Any  # an array of row or column numbers


def increment(before: Tensor, added: Tensor) -> int:
    """How much the columns of one matrix add to the rank of another, both [rows, *]."""
    return _adds(_units(before), _units(added))


def _adds(before: Tensor, added: Tensor) -> int:
    if 0 in added.shape:
        return 0
    if 0 < before.shape[1] < added.shape[1]:
        none = added[:, :0]
        return _adds(none, added) + _adds(added, before) - _adds(none, before)
    return _checked(added.shape[1], lambda exact: _less(before, added, exact))


def sparse_increment(whole: "csc_array", first: int) -> int:
    """How much the columns of a sparse matrix add to the rank of its first ones."""
    from scipy.sparse import csc_array

    norms = np.sqrt(np.asarray(whole.power(2).sum(axis=0)).ravel())
    nonzero = norms > 0
    first = int(nonzero[:first].sum())
    return _sparse_adds(csc_array(whole[:, nonzero] * (1.0 / norms[nonzero])[None, :]), first)


def _sparse_adds(units: "csc_array", first: int) -> int:
    alone, blocks = _blocks(units)
    total = int((alone >= first).sum())
    for rows, columns in blocks:
        known, new = units[:, columns[columns < first]], units[:, columns[columns >= first]]
        if 0 < known.shape[1] < new.shape[1]:
            total += _sparse_adds(new, 0) - _sparse_adds(known, 0)
            known, new = new, known
        if new.shape[1]:
            total += _checked(new.shape[1], partial(_beyond, known, new, rows))
    return total


def _checked(most: int, beyond: Callable[[bool], tuple[Tensor, bool]]) -> int:
    """The rank of what is left of columns: at a second attempt where the first leaves doubt.

    Orthonormal columns contain the span of those that they were made from; they are no more than
    that where those are independent, and what is independent of more is independent of less.
    """
    left, clear = beyond(False)
    found = _rank(left)
    return found if clear or found == most else _rank(beyond(True)[0])


def _units(columns: Tensor) -> Tensor:
    norms = columns.norm(dim=0)
    return columns[:, norms > 0] / norms[norms > 0]


def _dense(columns: "csc_array", rows: _Places) -> Tensor:
    return torch.from_numpy(columns.tocsr()[rows].toarray())


def _beyond(
    before: "csc_array", added: "csc_array", rows: _Places, exact: bool
) -> tuple[Tensor, bool]:
    """As `_less`, of some rows of sparse columns."""
    from scipy.sparse import csc_array

    place = np.full(before.shape[0], -1)
    place[rows] = np.arange(len(rows))
    left, free = _dense(added, rows), torch.ones(len(rows), dtype=torch.bool)
    parts, clear = [], True
    alone, blocks = _blocks(before)
    for inside, columns in blocks:
        here = torch.from_numpy(place[inside])
        free[here] = False
        part, sure = _less(before[:, columns].tocsr()[inside], left[here], exact)
        parts.append(part)
        clear = clear and sure
    if len(alone):
        # units that share no entry are an orthonormal basis of what they span
        basis = csc_array(before[:, alone].tocsr()[rows])
        values = left.numpy()
        left = torch.from_numpy(values - basis @ (basis.T @ values))
    return torch.cat([*parts, left[free]]), clear


def _less(before: "Tensor | csr_array", added: Tensor, exact: bool) -> tuple[Tensor, bool]:
    """Columns less their part in the span of others, over rows that keep the rank of both.

    With it, whether it was no more than their part in that span: of dependent columns only where
    that was asked for.
    """
    width = before.shape[1]
    if not width:
        return added, True
    sketch = press(before.shape[0], width + added.shape[1])
    before, added = _through(sketch, before), _through(sketch, added)
    if exact:
        u, s, _ = svd(before)
        return remainder(u[:, s > ABSENT * s[0]], added), True
    q, r = torch.linalg.qr(before)
    clear = width <= len(before) and bool((r.diagonal().abs() > INDEPENDENT).all())
    if not clear and (fewer := _thinned(before, r)) is not None:
        q, clear = fewer, True
    return remainder(q, added), clear


def _thinned(columns: Tensor, factor: Tensor) -> Tensor | None:
    """An orthonormal basis of dependent columns, by those that are not within the span of others.

    What is left out is seen to be within the span of the rest, which is seen to be independent:
    that takes a decomposition into orthogonal and triangular, many times as cheap as singular
    values.

    Args:
        columns: of unit norm.
        factor: the triangular factor of all of them.

    Returns:
        The basis; None where it is not as clear as that.
    """
    kept = factor.diagonal().abs() > INDEPENDENT
    kept = torch.cat([kept, kept.new_zeros(columns.shape[1] - len(kept))])
    q, r = torch.linalg.qr(columns[:, kept])
    if not independent_columns(r):
        return None
    left = remainder(q, columns[:, ~kept])
    return q if bool((left.norm(dim=0) < ABSENT).all()) else None


def remainder(q: Tensor, added: Tensor) -> Tensor:
    """Columns less their part in the span of orthonormal ones, which is taken away twice.

    Where most of a column stays, once is enough: what is left then is orthogonal to the others up
    to a few times the precision (Daniel, Gragg, Kaufman, Stewart, "Reorthogonalization and stable
    algorithms for updating the Gram-Schmidt QR factorization", 1976).
    """
    left = added - q @ (q.T @ added)
    again = left.norm(dim=0) < _KEPT * added.norm(dim=0)
    if bool(again.any()):
        some = left[:, again]
        left[:, again] = some - q @ (q.T @ some)
    return left


def _rank(matrix: Tensor) -> int:
    """Numerical rank of columns that were of unit norm."""
    if 0 in matrix.shape:
        return 0
    few = pressed(matrix)
    if len(few) < few.shape[1]:
        return int((torch.linalg.svdvals(few) > ABSENT).sum())
    # it has the singular values of its triangular factor, most often all of them large
    factor = torch.linalg.qr(few, mode="r")[1]
    if independent_columns(factor):
        return len(factor)
    return int((torch.linalg.svdvals(factor) > ABSENT).sum())


def independent_columns(factor: Tensor) -> bool:
    """Whether no singular value of a triangular matrix counts as zero, as its inverse shows.

    The smallest is at least one over the Frobenius norm of the inverse; a decomposition takes
    several times as long.
    """
    if not bool((factor.diagonal().abs() > 2 * ABSENT).all()):
        return False
    unit = torch.eye(len(factor), dtype=factor.dtype)
    inverse = torch.linalg.solve_triangular(factor, unit, upper=True)
    return float(inverse.norm()) * 2 * ABSENT < 1.0


def pressed(matrix: Tensor) -> Tensor:
    """A few more rows than columns, with the same rank.

    Every row is added with random signs to a few of the new ones: a sparse sign embedding
    (Martinsson, Tropp, "Randomized numerical linear algebra", 2020, section 9.2).
    """
    return _through(press(*matrix.shape), matrix)


def _through(sketch: "csc_array | None", matrix: "Tensor | csr_array") -> Tensor:
    """A matrix over the rows that a sketch makes of its own: what is sparse is dense only there."""
    if isinstance(matrix, Tensor):
        return matrix if sketch is None else torch.from_numpy(sketch @ matrix.numpy())
    return torch.from_numpy((matrix if sketch is None else sketch @ matrix).toarray())


def press(rows: int, width: int) -> "csc_array | None":
    """What adds so many rows of so many columns to a few more rows than columns, if it is worth it.

    Columns that are zero in most rows are pressed by its columns of the other rows alone.
    """
    wanted = 2 * width + 64
    if rows <= 2 * wanted:
        return None
    from scipy.sparse import csc_array

    rng = np.random.default_rng(rows)
    places = rng.integers(wanted, size=(rows, _SIGNS)).ravel()
    signs = rng.choice([-1.0, 1.0], size=rows * _SIGNS) / _SIGNS**0.5
    ends = np.arange(rows + 1) * _SIGNS
    return csc_array((signs, places, ends), shape=(wanted, rows))


def _blocks(matrix: "csc_array") -> tuple[_Places, list[tuple[_Places, _Places]]]:
    """Rows and columns that hang together by entries that are not zero.

    Returns:
        Columns that share no row with others, and the blocks of rows and columns that do.
    """
    from scipy.sparse import csc_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = matrix.shape
    entries = matrix.tocoo()
    edges = (entries.row, rows + entries.col)
    graph = csc_array((np.ones(entries.nnz, dtype=np.int8), edges), shape=(rows + columns,) * 2)
    count, labels = connected_components(graph, directed=False)
    wide = np.bincount(labels[rows:], minlength=count) > 1
    members = np.flatnonzero(wide[labels])
    members = members[np.argsort(labels[members], kind="stable")]
    ends = np.cumsum(np.bincount(labels[members], minlength=count)[wide])
    blocks = []
    for group in np.split(members, ends[:-1]) if len(members) else []:
        cut = int(np.searchsorted(group, rows))
        blocks.append((group[:cut], group[cut:] - rows))
    return np.flatnonzero(~wide[labels[rows:]]), blocks
