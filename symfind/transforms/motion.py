"""How an element of a group moves a tensor: along a grid, and by matrices along other axes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.errors import InputError


@dataclass(frozen=True)
class Motion:
    """The action of a group on tensors of one shape.

    Attributes:
        elements: signed permutations of grid axes, [count, d, d], or None.
        levels: dimensions of the tensor by the grid axis that they run along: one mapping where
            each grid axis is one dimension, several where it is split.
        matrices: by dimension, how elements act along it, [count, n, n].
    """

    elements: Tensor | None
    levels: tuple[Mapping[int, int], ...] = ()
    matrices: Mapping[int, Tensor] = field(default_factory=dict)

    def later(self, count: int) -> "Motion":
        """The same on tensors with so many dimensions more in front."""
        levels = tuple({i: d + count for i, d in level.items()} for level in self.levels)
        matrices = {d + count: matrix for d, matrix in self.matrices.items()}
        return Motion(self.elements, levels, matrices)

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not self.levels and not self.matrices

    def apply(self, value: Tensor, g: int) -> Tensor:
        """The tensor moved by an element: x'(p) = R(g) x(g⁻¹ p)."""
        for level in self.levels:
            value = self._along_grid(value, level, g)
        for dim, matrices in self.matrices.items():
            moved = torch.tensordot(matrices[g].to(value), value, ([1], [dim]))
            value = moved.movedim(0, dim)
        return value

    def _along_grid(self, value: Tensor, level: Mapping[int, int], g: int) -> Tensor:
        assert self.elements is not None
        order, flips = list(range(value.ndim)), []
        for i, j, sign in self._images(g):
            if i in level and j in level:
                order[level[i]] = level[j]
                if sign < 0:
                    flips.append(level[i])
            elif i in level or j in level:
                raise InputError("a grid axis is exchanged with one that a tensor lacks")
        return value.permute(order).flip(flips)

    def _images(self, g: int) -> list[tuple[int, int, int]]:
        """New axis i runs along old axis j, with a sign."""
        assert self.elements is not None
        rows = self.elements[g]
        return [(i, int(row.abs().argmax()), int(row.sum().sign())) for i, row in enumerate(rows)]

    def trace(self, shape: tuple[int, ...], g: int) -> float:
        """The trace of the element on tensors of a shape."""
        result = 1.0
        for level in self.levels:
            result *= self._fixed(shape, level, g)
        moved = {d for level in self.levels for d in level.values()} | set(self.matrices)
        for dim, size in enumerate(shape):
            if dim in self.matrices:
                result *= float(self.matrices[dim][g].diagonal().sum())
            elif dim not in moved:
                result *= size
        return result

    def _fixed(self, shape: tuple[int, ...], level: Mapping[int, int], g: int) -> int:
        """Grid points that stay: of each cycle of axes, all along it, or its middle."""
        images = {i: (j, sign) for i, j, sign in self._images(g) if i in level}
        count, seen = 1, set[int]()
        for start in images:
            if start in seen:
                continue
            sign, i = 1, start
            while i not in seen:
                seen.add(i)
                i, step = images[i]
                sign *= step
            size = shape[level[start]]
            count *= size if sign > 0 else size % 2
        return count


def fits(motion: Motion, shape: tuple[int, ...], what: str, name: str) -> None:
    """Make sure that a tensor of a shape can be moved.

    Raises:
        InputError: axes of different sizes are exchanged.
    """
    if motion.elements is None:
        return
    exchanged = bool((motion.elements.abs().sum(0) > 0).sum() > motion.elements.shape[1])
    for level in motion.levels:
        sizes = {shape[d] for d in level.values()}
        if exchanged and len(sizes) > 1:
            raise InputError(
                f"{name} exchanges axes of {what}, whose sizes differ: "
                f"{', '.join(map(str, sorted(sizes)))}; give a square grid"
            )
