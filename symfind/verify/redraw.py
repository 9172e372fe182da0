"""Rows of parameters that happen to be free at one point, drawn anew.

A row of a table that meets only units which are off for it, or an inner unit that is off for all
inputs, is free by itself. Where many rows are drawn, a few always are, and no point is without
them; but any point bounds the generic nullity from above, so that only these are drawn again.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from symfind.verify.function import Point

_ALONE = 1 - 1e-9  # cosine of the angle between the null space and a row, where they meet
_MOST = 0.2  # of the parameters, beyond which this is no accident


def redrawn(
    theta: Point, fresh: Point, known: Tensor, beyond: Tensor, shapes: Mapping[str, tuple[int, ...]]
) -> Point | None:
    """A point with other values in the rows that carry null vectors of their own.

    Args:
        theta: the point.
        fresh: another.
        known: null directions there that are known, [parameters, number].
        beyond: the other ones.
        shapes: of the parameters, in the order of the rows of both.

    Returns:
        The point, None where no row is free by itself, or very many are.
    """
    null = torch.linalg.qr(torch.cat([known, beyond], 1)).Q
    old = torch.linalg.qr(known).Q
    changed, number, start = dict(theta), 0, 0
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        place = slice(start, start + size)
        start += size
        if not shape or not size:
            continue
        free = _free(null[place], shape[0]) > _free(old[place], shape[0])
        if bool(free.any()):
            number += int(free.sum()) * (size // shape[0])
            wide = free.reshape(-1, *[1] * (len(shape) - 1))
            changed[name] = torch.where(wide, fresh[name], theta[name])
    return changed if 0 < number <= _MOST * len(null) else None


def _free(basis: Tensor, rows: int) -> Tensor:
    """The dimension of the part of a space that lies in each row alone, [rows]."""
    if not basis.shape[1]:
        return torch.zeros(rows, dtype=torch.long, device=basis.device)
    blocks = basis.reshape(rows, -1, basis.shape[1])
    return (torch.linalg.svdvals(blocks) > _ALONE).sum(1)
