"""Spans of columns, as orthonormal columns."""

from torch import Tensor

from symfind.numerics.decompose import svd

_ZERO = 1e-8  # singular value, relative to the largest, of a direction that is not there
_PART = 1e-6  # of a unit vector, below which it lies in the span of others


def span(columns: Tensor) -> Tensor:
    """Orthonormal columns with the same span."""
    norms = columns.norm(dim=0)
    columns = columns[:, norms > 0] / norms[norms > 0]
    if not columns.numel():
        return columns[:, :0]
    u, s, _ = svd(columns)
    return u[:, s > _ZERO * s[0]]


def beyond_span(columns: Tensor, known: Tensor) -> Tensor:
    """Orthonormal columns that span, with orthonormal known ones, all of orthonormal columns."""
    rest = columns - known @ (known.T @ columns)
    u, s, _ = svd(rest)
    return u[:, s > _PART]
