"""The smallest sets of tensors that carry null directions which no family explains."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.numerics.decompose import right, svd

MOST_SETS = 12
_ZERO = 1e-7  # of a unit vector, below which an entry or a direction is none


@dataclass(frozen=True)
class Carried:
    """Null vectors, independent of what is known, that lie within some tensors.

    Attributes:
        tensors: names; within fewer of them nothing unexplained lies.
        vectors: as sparse as elimination makes them, [parameters, dimension].
    """

    tensors: tuple[str, ...]
    vectors: Tensor


def carried(sizes: Mapping[str, int], known: Tensor, beyond: Tensor) -> tuple[Carried, ...]:
    """Split what is null beyond the known directions by the tensors that it needs.

    A set of tensors carries what combinations of all null vectors vanish outside of it, up to the
    known ones among these. Tensors are taken away while anything unexplained is left, so that each
    set is minimal; then what it carries counts as known, until nothing is left.

    Args:
        sizes: scalars of every tensor, in the order of the coordinates.
        known: independent known null vectors, [parameters, known].
        beyond: null vectors independent of these, [parameters, unexplained].
    """
    found: list[Carried] = []
    while beyond.shape[1] and len(found) < MOST_SETS:
        least = 1 if len(found) < MOST_SETS - 1 else beyond.shape[1]
        one = _smallest(sizes, known, beyond, least)
        if one.vectors.shape[1] == 0:  # nothing can be told apart at this precision
            one = Carried(tuple(sizes), beyond)
        found.append(one)
        beyond = _apart(beyond, torch.cat([known, one.vectors], 1), one.vectors.shape[1])
        known = torch.cat([known, one.vectors], 1)
    return tuple(found)


def _orthonormal(columns: Tensor) -> Tensor:
    return torch.linalg.qr(columns).Q if columns.shape[1] else columns


def _apart(beyond: Tensor, known: Tensor, fewer: int) -> Tensor:
    """What is left of null vectors once more of them count as known, orthonormal."""
    basis = _orthonormal(known)
    rest = beyond - basis @ (basis.T @ beyond)
    u = svd(rest)[0]
    return u[:, : beyond.shape[1] - fewer]


def _smallest(sizes: Mapping[str, int], known: Tensor, beyond: Tensor, least: int) -> Carried:
    """A minimal set of tensors that carries at least so many unexplained directions."""
    first = _orthonormal(known)
    rest = beyond - first @ (first.T @ beyond)
    second = _orthonormal(rest - first @ (first.T @ rest))
    null, count = torch.cat([first, second], 1), first.shape[1]
    pieces = dict(zip(sizes, null.split(list(sizes.values())), strict=True))
    share = {n: float(p[:, count:].square().sum()) for n, p in pieces.items()}
    inside = torch.eye(null.shape[1], dtype=null.dtype, device=null.device)
    kept = list(sizes)
    for name in sorted(sizes, key=lambda n: (share[n], n)):
        fewer = inside @ _kernel(pieces[name] @ inside)
        if _rank(fewer[count:]) >= least:
            inside = fewer
            kept.remove(name)
    return Carried(tuple(kept), _sparse(null @ inside, inside[count:]))


def _kernel(matrix: Tensor) -> Tensor:
    """Orthonormal columns that a matrix of moderate size takes to zero."""
    values, vh = right(matrix)
    return vh[int((values > _ZERO).sum()) :].T


def _rank(matrix: Tensor) -> int:
    return int((torch.linalg.svdvals(matrix) > _ZERO).sum()) if matrix.numel() else 0


def _sparse(vectors: Tensor, unexplained: Tensor) -> Tensor:
    """Independent combinations with few entries, one for each unexplained direction.

    Args:
        vectors: orthonormal columns that span what a set of tensors carries.
        unexplained: the part of each that is not known.
    """
    # Known ones first: they clear their pivots, and what remains is reduced among itself.
    values, vh = right(unexplained)
    rank = int((values > _ZERO).sum())
    known, rest = vectors @ vh[rank:].T, vectors @ vh[:rank].T
    reduced = _eliminated(torch.cat([known, rest], 1))[:, known.shape[1] :]
    reduced = reduced / reduced.abs().amax(0).clamp(min=1e-300)
    reduced[reduced.abs() < _ZERO] = 0.0
    return reduced / reduced.norm(dim=0).clamp(min=1e-300)


def _eliminated(columns: Tensor) -> Tensor:
    """The columns in reduced echelon form, pivots being the largest entries left."""
    columns = columns.clone()
    for i in range(columns.shape[1]):
        row = int(columns[:, i].abs().argmax())
        pivot = columns[row, i]
        if float(pivot.abs()) < _ZERO:
            continue
        columns[:, i] = columns[:, i] / pivot
        factors = columns[row].clone()
        factors[i] = 0.0
        columns -= columns[:, i, None] * factors
        columns[row] = 0.0
        columns[row, i] = 1.0
    return columns
