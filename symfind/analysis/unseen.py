"""Symmetries that a small number breaks, by less than double precision shows.

With an eps of 1e-12 under the root, the scale of what a norm reads is null in every measurement,
and no symmetry all the same.
"""

from dataclasses import replace

import torch
from torch import Tensor

from symfind.numerics.decompose import right
from symfind.numerics.spans import beyond_span, span
from symfind.verify import Nullity

RAISED = (
    "Measured with every eps raised to where double precision sees it: at other parameters that is "
    "the same network, and what holds at random ones holds for both."
)
_NULL = 1e-7  # of a unit vector, below which nothing of it lies outside of the null space


def set_apart(measured: Nullity, approximate: Tensor) -> tuple[Nullity, Tensor]:
    """The measurement without the approximate symmetries that were taken for null.

    Args:
        measured: with directions beyond the known ones.
        approximate: directions that are null but for an eps, [parameters, number].

    Returns:
        The measurement with what else is null, and orthonormal directions that were set apart.
    """
    if measured.directions is None or measured.beyond is None or measured.nullity is None:
        return measured, approximate[:, :0]
    directions, beyond = measured.directions.cpu(), measured.beyond.cpu()
    known = span(directions)
    null = torch.cat([known, beyond_span(span(beyond), known)], 1)
    near = span(approximate)
    if not near.shape[1] or null.shape[1] == known.shape[1]:
        return measured, approximate[:, :0]
    # combinations of them that lie within the null space
    values, vh = right(near - null @ (null.T @ near))
    seen = near @ vh[int((values > _NULL).sum()) :].T
    seen = beyond_span(span(seen), known)
    count = seen.shape[1]
    if not count:
        return measured, seen
    rest = beyond_span(span(beyond), torch.cat([known, seen], 1))
    return replace(
        measured,
        nullity=measured.nullity - count,
        points=tuple(n - count for n in measured.points),
        beyond=rest.to(measured.beyond),
    ), seen


def sentence(count: int) -> str:
    """What was set apart, in words."""
    return (
        f"{count:,} more {'is' if count == 1 else 'are'} null as far as double precision sees: "
        "approximate symmetries, which an eps breaks by less than that, and which are not counted."
    )
