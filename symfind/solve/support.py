"""Which tensors carry the measured null directions that no family explains."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from symfind.solve.family import Family
from symfind.solve.point import Point
from symfind.solve.rank import directions

SHARE = 1e-6  # of the squared norm of one unexplained direction, below which a tensor is no part
_DEPENDENT = 1e-8  # relative singular value of directions that are not independent


def _span(columns: Tensor) -> Tensor:
    """Orthonormal columns with the same span."""
    if not columns.numel():
        return columns[:, :0]
    u, w, _ = torch.linalg.svd(columns, full_matrices=False)
    return u[:, w > _DEPENDENT * w[0]] if float(w[0]) > 0 else u[:, :0]


def unexplained_support(
    theta: Mapping[str, Tensor],
    null: Tensor,
    families: Sequence[Family],
    unread: Collection[str] = (),
) -> tuple[str, ...]:
    """Names of the tensors in the null space, once the span of all families is taken out.

    Args:
        theta: the point where the null space was measured, in the order of its coordinates.
        null: independent columns that span it, [parameters, nullity].
        families: all that were derived.
        unread: parameters that do not reach the output; they are no part of what is unexplained.
    """
    sizes = {name: value.numel() for name, value in theta.items()}
    null = null.clone()
    explained = directions(Point(theta), list(families), sizes).to(null)
    start = 0
    for name, n in sizes.items():
        if name in unread:  # all of its coordinates are null, and explained
            null[start : start + n] = 0.0
            explained[start : start + n] = 0.0
        start += n
    null, explained = _span(null), _span(explained)
    missing = null.shape[1] - explained.shape[1]
    rest = null - explained @ (explained.T @ null)
    left = torch.linalg.svd(rest, full_matrices=False).U[:, : max(missing, 0)]
    found = []
    start = 0
    for name, n in sizes.items():
        share = left[start : start + n].square().sum(0)
        if share.numel() and float(share.max()) > SHARE:
            found.append(name)
        start += n
    return tuple(found)
