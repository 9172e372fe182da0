"""Primitives that carry entries elsewhere: their index maps say all there is to say of them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, begins, extent
from symfind.graph.index_map import IndexMap, Run, Way, along, reshaped
from symfind.graph.wires import Instance, Node, Port


@dataclass(eq=False)
class Movement(Node):
    """Entries go elsewhere, as the index map says, and nothing happens to them.

    `once` where each entry of the operand stands in the result, and stands there once.
    """

    once: ClassVar[bool] = False


@dataclass(eq=False)
class View(Movement):
    """The same entries in the same row-major order under another shape."""

    once: ClassVar[bool] = True

    def index_map(self, at: int = 0) -> IndexMap:
        """Runs of equal volume."""
        return reshaped(self.inputs[0].shape, self.shape)

    def instances(self) -> Iterator[Instance]:
        """Blocks correspond in order, and so do the atoms inside them."""
        x = self.inputs[0]
        for i in range(len(self.cells)):
            names = [("atom", k) for k in range(len(self.cells[i].atoms))]
            yield Instance((Port(x, i, tuple(names)),), Port(self, i, tuple(names)))

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Reshape."""
        return values[0].reshape([extent(a, sizes) for a in self.axes])


@dataclass(eq=False)
class Permute(Movement):
    """Dimensions in another order; `order[d]` is the input dimension of output dimension d."""

    once: ClassVar[bool] = True
    order: tuple[int, ...] = ()

    def index_map(self, at: int = 0) -> IndexMap:
        """All dimensions, each elsewhere."""
        return tuple(Run((d,), (i,)) for i, d in enumerate(self.order))

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Permute."""
        return values[0].permute(self.order)


@dataclass(eq=False)
class Expand(Movement):
    """Repetition along new dimensions, or along dimensions of size one."""

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Expand."""
        return values[0].expand([extent(a, sizes) for a in self.axes])


@dataclass(eq=False)
class Narrow(Movement):
    """A contiguous range of one dimension."""

    dim: int = 0
    start: int = 0

    def index_map(self, at: int = 0) -> IndexMap:
        """A part of one dimension."""
        return along(len(self.axes), self.dim, Way.PART)

    def begin(self, at: int = 0, sizes: Sizes | None = None) -> int:
        """Where the range begins.

        Raises:
            LookupError: where it begins inside a block, at other sizes than the model's.
        """
        if sizes is None:
            return self.start
        large = self.inputs[0].axes[self.dim]
        for choice, first in begins(large).items():
            if first == self.start:
                return begins(large, sizes)[choice]
        raise LookupError("a range that begins inside a block")

    def instances(self) -> Iterator[Instance]:
        """Blocks are found by where they begin."""
        yield from _windows(self, self, self.inputs[0], self.dim, self.start)

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Narrow."""
        return values[0].narrow(self.dim, self.begin(0, sizes), extent(self.axes[self.dim], sizes))


@dataclass(eq=False)
class Join(Movement):
    """Concatenation along one dimension."""

    dim: int = 0

    def index_map(self, at: int = 0) -> IndexMap:
        """A piece of one dimension."""
        return along(len(self.axes), self.dim, Way.PIECE)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *itertools.accumulate(x.axes[self.dim].size for x in self.inputs)]

    def begin(self, at: int, sizes: Sizes | None = None) -> int:
        """Where a piece begins."""
        if sizes is None:
            return self._starts[at]
        return sum(extent(x.axes[self.dim], sizes) for x in self.inputs[:at])

    def instances(self) -> Iterator[Instance]:
        """Blocks are found by where they begin."""
        for at, x in enumerate(self.inputs):
            yield from _windows(self, x, self, self.dim, self.begin(at))

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Concatenate."""
        return torch.cat(list(values), self.dim)


def _windows(owner: Node, small: Node, large: Node, dim: int, start: int) -> Iterator[Instance]:
    where = {offset: choice for choice, offset in begins(large.axes[dim]).items()}
    first = begins(small.axes[dim])
    labels = list(range(len(small.axes)))
    for i, cell in enumerate(small.cells):
        choice = list(cell.choice)
        choice[dim] = where[first[cell.choice[dim]] + start]
        ports = small.port(i, labels), large.port(large.cell_of[tuple(choice)], labels)
        if owner is small:
            yield Instance((ports[1],), ports[0])
        else:
            yield Instance((ports[0],), ports[1])


@dataclass(eq=False)
class Take(Movement):
    """Entries of one dimension picked by a constant integer tensor (a table look-up)."""

    dim: int = 0
    picks: Any = None  # constant Source of any shape, replacing the dimension

    def index_map(self, at: int = 0) -> IndexMap:
        """One dimension becomes those of the picks."""
        rank = len(self.inputs[0].axes)
        new = len(self.axes) - rank + 1
        before = [Run((d,), (d,)) for d in range(self.dim)]
        picked = Run((self.dim,), tuple(range(self.dim, self.dim + new)), Way.PICKED)
        after = [Run((d,), (d + new - 1,)) for d in range(self.dim + 1, rank)]
        return (*before, picked, *after)
