"""Directions of families as the columns of a matrix that is never made: applied, and solved for.

The cost grows with the tensors that families move and not with how many directions they have, of
which there are as many as a matrix has entries. Equations are solved by conjugate gradients on the
normal equations (Hestenes, Stiefel, "Methods of conjugate gradients for solving linear systems",
1952).
"""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

_ROUNDS = 200
_EXACT = 1e-15  # of the gradient at the start, relative
_TOLD = 1e-12  # the same, where it is asked only whether something is left
_DENSE = 1_000_000_000  # products, up to which the matrix is made

Fields = dict[str, Tensor]


class Columns:
    """From coefficients of some families to changes of tensors, linearly, and back."""

    def __init__(
        self, point: Point, families: Sequence[Family], names: Collection[str] | None = None
    ) -> None:
        """At a point.

        Args:
            point: where.
            families: whose fields are linear in their coefficients.
            names: of the tensors that count; all that are moved without.
        """
        env = point.environment()  # values of wires are computed once
        sizes = [f.count() for f in families]
        made: Fields = {}
        with torch.enable_grad():
            self._free = torch.zeros(sum(sizes), dtype=torch.float64, requires_grad=True)
            for family, part in zip(families, self._free.split(sizes), strict=True):
                for name, change in point.direction(family, part, env).items():
                    if names is None or name in names:
                        made[name] = made[name] + change if name in made else change
            self._made = {k: d for k, d in made.items() if d.requires_grad}
            if self._made:
                self._along = [torch.zeros_like(d).requires_grad_() for d in self._made.values()]
                self._pulled = self._back(self._along, create_graph=True)
        self.moved = tuple(self._made)

    def __call__(self, c: Tensor) -> Fields:
        """The change of every tensor for coefficients of all families, one after the other.

        What takes changes back is linear in them, and its own transpose is this (Townsend, "A new
        trick for calculating Jacobian vector products", 2017).
        """
        changes = torch.autograd.grad(self._pulled, self._along, c, retain_graph=True)
        return dict(zip(self._made, changes, strict=True))

    def back(self, v: Mapping[str, Tensor]) -> Tensor:
        """Transposed."""
        return self._back([v[k] for k in self._made])

    def _back(self, v: Sequence[Tensor], create_graph: bool = False) -> Tensor:
        (g,) = torch.autograd.grad(
            list(self._made.values()), [self._free], v, retain_graph=True, create_graph=create_graph
        )
        return g

    def solved(
        self,
        gap: Mapping[str, Tensor],
        floor: float = 0.0,
        exact: float = _EXACT,
        near: float = 0.0,
    ) -> Tensor | None:
        """Coefficients whose change is as near as can be to a given one.

        Args:
            gap: the change, of all tensors that are moved.
            floor: of the gradient, below which it is taken for zero.
            exact: of the gradient, relative to the first, where it ends.
            near: of what is left, where it ends as well.

        Returns:
            The coefficients; None where nothing is gained.
        """
        c = torch.zeros_like(self._free.detach())
        residual = self.back(gap)
        along, size = residual.clone(), float(residual.dot(residual))
        start, left = size, sum(float(d.square().sum()) for d in gap.values())
        if size <= floor**2:
            return None
        for _ in range(_ROUNDS):
            moved = self(along)
            curve = sum(float(d.square().sum()) for d in moved.values())
            if curve <= 0.0:
                break
            step = size / curve
            c = c + step * along
            residual = residual - step * self.back(moved)
            new = float(residual.dot(residual))
            left -= step * size
            if new <= max(exact**2 * start, floor**2 * 1e-4) or left <= near**2:
                break
            along, size = residual + (new / size) * along, new
        return c

    def work(self) -> int:
        """Products that a decomposition of the matrix takes, about."""
        rows, columns = sum(d.numel() for d in self._made.values()), self._free.numel()
        return rows * columns * min(rows, columns)

    def decomposed(self, gap: Mapping[str, Tensor]) -> Tensor:
        """What `solved` gives, by a decomposition of the matrix."""
        unit = torch.eye(self._free.numel(), dtype=torch.float64)
        parts = torch.autograd.grad(
            self._pulled, self._along, unit, retain_graph=True, is_grads_batched=True
        )
        matrix = torch.cat([part.flatten(1) for part in parts], 1).T
        target = torch.cat([gap[k].flatten() for k in self._made])
        return torch.linalg.lstsq(matrix, target[:, None], driver="gelsd").solution[:, 0]


def beside(
    point: Point, families: Sequence[Family], field: Mapping[str, Tensor], enough: float = 0.0
) -> float:
    """The part of a field, relative, that is not in the span of families at a point.

    Where the matrix is too large to be decomposed it may be less than is given, and no less than
    `enough` is looked for.
    """
    size = sum(float(d.square().sum()) for d in field.values()) ** 0.5
    columns = Columns(point, families) if families else None
    if not size or columns is None or not columns.moved:
        return float(size > 0)
    gap = {k: field[k] if k in field else torch.zeros_like(point.theta[k]) for k in columns.moved}
    small = columns.work() <= _DENSE
    c = columns.decomposed(gap) if small else columns.solved(gap, exact=_TOLD, near=enough * size)
    if c is None:
        return 1.0
    made = columns(c)
    left = [*(d for k, d in field.items() if k not in made), *(gap[k] - made[k] for k in made)]
    return sum(float(d.square().sum()) for d in left) ** 0.5 / size
