"""How much each of several families adds to a span that grows by one after the other.

An orthonormal basis of what there is so far is kept; what a family adds is the rank of its
directions less their part in that span, taken away twice where little is left (Giraud, Langou,
Rozložník, "The loss of orthogonality in the Gram-Schmidt orthogonalization process", 2005). The
work is that of one decomposition of all directions.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.count.rank import columns
from symfind.count.rank_increment import independent_columns, press, remainder
from symfind.numerics.decompose import svd
from symfind.numerics.tolerances import ABSENT
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

ENTRIES = 8_000_000  # of a matrix of all directions at one point, up to which it is made
_CLEAR = 1e-3  # of unit columns; what is left of smaller ones is orthogonal to the rest only nearly


class Basis:
    """An orthonormal basis of a span of columns."""

    def __init__(self, rows: int) -> None:
        """Of nothing.

        Args:
            rows: of every column.
        """
        self._columns = torch.zeros(rows, 0, dtype=torch.float64)

    def add(self, block: Tensor) -> int:
        """By how much the dimension grows with more columns, each of unit norm or zero."""
        left = remainder(self._columns, block)
        q, r = torch.linalg.qr(left)
        if not (len(r) == block.shape[1] and independent_columns(r)):
            q, s, _ = svd(left)
            q, r = q[:, s > ABSENT], s[s > ABSENT].diag()
        if not q.shape[1]:
            return 0
        if float(r.diagonal().abs().min()) < _CLEAR:
            q = torch.linalg.qr(remainder(self._columns, q)).Q
        self._columns = torch.cat([self._columns, q], 1)
        return q.shape[1]


def affordable(families: Sequence[Family], point: Point) -> bool:
    """Whether all directions of some families are made at once."""
    names = {name for f in families for name in f.names}
    rows = sum(point.theta[name].numel() for name in names)
    return int(rows * sum(f.count(point.sizes) for f in families)) <= ENTRIES


def added(families: Sequence[Family], points: Sequence[Point]) -> list[int]:
    """What each of some families adds to those before it, at several points together."""
    found: list[dict[str, Tensor]] = []
    for family in families:
        blocks = [columns(point, family) for point in points]
        found.append({name: torch.cat([b[name] for b in blocks]) for name in blocks[0]})
    names = {name: block.shape[0] for part in found for name, block in part.items()}
    rows, width = sum(names.values()), sum(_width(part) for part in found)
    starts = dict(zip(names, itertools.accumulate(names.values(), initial=0), strict=False))
    sketch, result = press(rows, width), []
    basis = Basis(rows if sketch is None else sketch.shape[0])
    for part in found:
        if not _width(part):
            result.append(0)
            continue
        block = _units(torch.cat([*part.values()]))
        places = torch.cat([starts[name] + torch.arange(names[name]) for name in part])
        if sketch is None:
            whole = torch.zeros(rows, block.shape[1], dtype=torch.float64)
            whole[places] = block
        else:
            whole = torch.from_numpy(sketch[:, places.numpy()] @ block.numpy())
        result.append(basis.add(whole))
    return result


def _width(part: dict[str, Tensor]) -> int:
    return next(iter(part.values())).shape[1] if part else 0


def _units(block: Tensor) -> Tensor:
    """Columns at unit norm; those that are zero stay so."""
    norms = block.norm(dim=0)
    return block / torch.where(norms > 0, norms, torch.ones_like(norms))
