"""How many directions the families really span at generic points.

Whether a family is independent of those before it is nearly always visible on a single tensor:
restricting to some coordinates can only lose rank. Whether it depends on them is nearly always
visible from those that share a tensor with it: leaving others out can only add rank. Where the two
bounds meet, the count is exact, and its cost is that of a neighbourhood; where they do not, more
families are taken in.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from symfind.count.rank_increment import increment, sparse_increment
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

if TYPE_CHECKING:  # slow to import, and small models have no need of it
    from scipy.sparse import coo_array, csc_array

SPARSE = 300_000  # entries, from which on matrices are taken as sparse
NARROW = 12  # a family of at most so many tensors belongs to one layer


def columns(point: Point, family: Family) -> dict[str, Tensor]:
    """The basis directions of a family, one matrix [size of the tensor, count] per tensor."""
    env = point.environment()
    basis = torch.eye(family.count(point.sizes), **env.like)
    if not len(basis):
        return {}
    # what is drawn on the way are values at the point, the same for every direction
    each = torch.func.vmap(lambda c: point.direction(family, c, env), randomness="same")
    moves = each(basis)
    return {name: change.reshape(len(basis), -1).T for name, change in moves.items()}


def rank(matrix: Tensor) -> int:
    """Numerical rank, columns taken at unit norm."""
    return increment(matrix[:, :0], matrix)


def directions(point: Point, families: Sequence[Family], names: dict[str, int]) -> Tensor:
    """All basis directions as columns [P, N], over tensors of the given sizes, in order."""
    return stacked([columns(point, f) for f in families], names)


def stacked(parts: Sequence[dict[str, Tensor]], names: dict[str, int]) -> Tensor:
    """Blocks of columns by the name of a tensor, one part beside the other: [P, N]."""
    widths = [next(iter(p.values())).shape[1] if p else 0 for p in parts]
    total = torch.zeros(sum(names.values()), sum(widths), dtype=torch.float64)
    offset, row = {}, 0
    for name, n in names.items():
        offset[name] = row
        row += n
    at = 0
    for part, width in zip(parts, widths, strict=True):
        for name, block in part.items():
            if name in offset:
                total[offset[name] : offset[name] + names[name], at : at + width] = block
        at += width
    return total


def _scattered(
    parts: Sequence[dict[str, "coo_array"]], names: dict[str, int], widths: Sequence[int]
) -> "csc_array":
    """The same as a sparse matrix, from entries."""
    from scipy.sparse import csc_array

    starts = dict(zip(names, np.cumsum([0, *names.values()]), strict=False))
    rows, columns, values = [], [], []
    for part, at in zip(parts, np.cumsum([0, *widths]), strict=False):
        for name, block in part.items():
            if name in names:
                rows.append(starts[name] + block.row)
                columns.append(at + block.col)
                values.append(block.data)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csc_array(entries, shape=(sum(names.values()), sum(widths)))


class Span:
    """The span of an ordered list of families at one point, or at several points together."""

    def __init__(self, families: Sequence[Family], points: Sequence[Point]) -> None:
        """Directions are computed when first needed."""
        self.families = families
        self.points = points
        self._columns: dict[int, dict[str, Tensor]] = {}
        self._entries: dict[int, dict[str, coo_array]] = {}
        self._known: dict[int, int] = {}
        self._touching: dict[str, list[int]] = {}
        for i, family in enumerate(families):
            for name in family.names:
                self._touching.setdefault(name, []).append(i)

    def _of(self, i: int) -> dict[str, Tensor]:
        """All directions of a family; no more than it is known to add, once that is known."""
        if i not in self._columns:
            blocks = [columns(point, self.families[i]) for point in self.points]
            self._columns[i] = {name: torch.cat([b[name] for b in blocks]) for name in blocks[0]}
        return self._columns[i]

    def _touch(self, names: set[str], i: int) -> list[int]:
        """The families before i that move any of the tensors, and add anything."""
        near = sorted({j for name in names for j in self._touching[name] if j < i})
        return [j for j in near if self._known.get(j, 1)]

    def increment(self, i: int) -> int:
        """Dimensions that family i adds to the span of those before it."""
        found = self._known[i] = self._increment(i)
        count = self.families[i].count(self.points[0].sizes)
        if 0 < found < count:
            # Together with those before it, so many generic combinations span what all do.
            generator = torch.Generator().manual_seed(i)
            mix = torch.randn(count, found, generator=generator, dtype=torch.float64)
            self._columns[i] = {name: block @ mix for name, block in self._of(i).items()}
            self._entries.pop(i, None)
        return found

    def _increment(self, i: int) -> int:
        count = self.families[i].count(self.points[0].sizes)
        if count == 0:
            return 0  # on a twin, where the index is too short
        names = set(self.families[i].names)
        while True:
            before = self._touch(names, i)
            lower = self._gain(before, i, names)
            if lower == count:
                return count
            # Families that lie wholly within these tensors bound the gain from above.
            within = [j for j in before if set(self.families[j].names) <= names]
            if within == before or self._gain(within, i, names) == lower:
                return lower
            narrow = [j for j in before if len(self.families[j].names) <= NARROW]
            wide = names | {name for j in narrow for name in self.families[j].names}
            if wide == names:
                wide = names | {name for j in before for name in self.families[j].names}
            names = wide

    def _gain(self, before: list[int], i: int, names: set[str]) -> int:
        """Rank that family i adds to some families on some tensors."""
        order = (*before, i)
        parts = [self._of(j) for j in order]
        rows = {n: block.shape[0] for part in parts for n, block in part.items() if n in names}
        widths = [next(iter(p.values())).shape[1] if p else 0 for p in parts]
        first = sum(widths[:-1])
        if sum(rows.values()) * sum(widths) > SPARSE:
            return sparse_increment(_scattered([self._thin(j) for j in order], rows, widths), first)
        whole = stacked(parts, rows)
        return increment(whole[:, :first], whole[:, first:])

    def _thin(self, i: int) -> dict[str, "coo_array"]:
        """The entries that are not zero of what a family does."""
        from scipy.sparse import coo_array

        if i not in self._entries:
            self._entries[i] = {n: coo_array(b.numpy()) for n, b in self._of(i).items()}
        return self._entries[i]
