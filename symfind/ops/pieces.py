"""Pieces of a packed wire: queries, keys and values that one layer writes.

Where a wire is viewed under more dimensions only so that ranges of one of them are taken apart,
the dimensions behind that one are an index of each piece by itself: what cuts the queries' (a
rotation of their first entries) does not cut that of the values. So where something is cut, a piece
is a range of the dimensions taken together, which is viewed under more dimensions afterwards.
"""

import math
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from symfind.algebra.runs import runs
from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.trace import Graph, Op

_VIEWS = ("view", "_unsafe_view")
_ORDERS = ("permute", "transpose")
Range = tuple[int, int]  # first place and length


@dataclass
class Packed:
    """A view of which nothing but ranges of one dimension is read.

    Attributes:
        view: the operation.
        dim: the dimension of the view that is taken apart.
        last: the last dimension that is viewed together with it.
        order: of the dimensions of the view, as they stand where the pieces are taken.
        inside: the view and what reorders its dimensions: nothing else reads these.
        whole: the wire with `dim` to `last` as one dimension, once it is built.
    """

    view: Op
    dim: int
    last: int
    order: tuple[int, ...]
    inside: list[Op]
    whole: Node | None = field(default=None, repr=False)

    def cut(self, view: Node) -> bool:
        """Whether an index of the pieces is a concatenation, where all have it in common."""
        behind = view.axes[self.dim + 1 : self.last + 1] if view.shape == self._shape else []
        return any(axis.root.kind == "sum" for axis in behind)

    def pieces(self, builder: Builder, x: Node, op: Op) -> Node | tuple[Node, ...]:
        """What an operation takes of the packed wire.

        Args:
            builder: of the primitives.
            x: the operand of the view.
            op: the operation.

        Raises:
            Tangled: where a range has no index of its own.
        """
        ranges = _ranges(op, len(self.order))
        assert ranges is not None
        found = tuple(self._piece(builder, x, *one) for one in ranges[1])
        shapes = [op.shape] if op.shape is not None else [s for s, _ in op.outputs]
        made = tuple(builder.view(y, s or ()) for y, s in zip(found, shapes, strict=True))
        return made if op.shape is None else made[0]

    @property
    def _shape(self) -> tuple[int, ...]:
        assert self.view.shape is not None
        return self.view.shape

    def _piece(self, builder: Builder, x: Node, start: int, length: int) -> Node:
        lead, behind = self._shape[: self.dim], self._shape[self.dim + 1 : self.last + 1]
        tail, width = self._shape[self.last + 1 :], math.prod(behind)
        if self.whole is None:
            self.whole = builder.view(x, [*lead, self._shape[self.dim] * width, *tail])
        part = builder.narrow(self.whole, self.dim, start * width, length * width)
        return builder.permute(builder.view(part, [*lead, length, *behind, *tail]), self.order)


def find_packed(graph: Graph, but: set[int]) -> dict[int, Packed]:
    """Packed wires by the identities of the operations that take pieces of them.

    Args:
        graph: what is lowered.
        but: identities of operations that others swallow.
    """
    found: dict[int, Packed] = {}
    for op in graph.ops:
        if op.trainable and op.base in _VIEWS and op.target != "aten.view.dtype":
            packed, readers = _packed(op)
            if packed and not but & {id(one) for one in (*packed.inside, *readers)}:
                found.update(dict.fromkeys(map(id, readers), packed))
    return found


def _packed(view: Op) -> tuple[Packed | None, list[Op]]:
    x, shape = view.args[0], view.shape
    if not isinstance(x, Op) or x.shape is None or shape is None or 0 in shape:
        return None, []
    inside, order = [view], tuple(range(len(shape)))
    while len(inside[-1].users) == 1 and inside[-1].users[0].base in _ORDERS:
        inside.append(inside[-1].users[0])
        order = tuple(order[d] for d in _reordered(inside[-1], len(order)))
    readers = list(dict.fromkeys(inside[-1].users))
    ranges = [_ranges(op, len(order)) for op in readers]
    dims = {one[0] for one in ranges if one is not None}
    if len(dims) != 1 or None in ranges:
        return None, []
    dim = order[dims.pop()]
    for _, outs in runs(x.shape, shape):
        if dim in outs and dim != outs[-1] and shape[dim] > 1:
            return Packed(view, dim, outs[-1], order, inside), readers
    return None, []


def _reordered(op: Op, rank: int) -> list[int]:
    if op.base == "permute":
        return [d % rank for d in op.args[1]]
    order = list(range(rank))
    a, b = (d % rank for d in op.args[1:3])
    order[a], order[b] = order[b], order[a]
    return order


def _ranges(op: Op, rank: int) -> tuple[int, list[Range]] | None:
    """The dimension of which an operation takes ranges, and which; None where it does another."""
    size = (op.args[0].shape or ()) if op.args and isinstance(op.args[0], Op) else ()
    if len(size) != rank or op.kwargs:
        return None
    match op.base, op.args[1:]:
        case "select", (int(dim), int(place)):
            return dim % rank, [(place % size[dim], 1)]
        case "unbind", at:
            dim = at[0] if at else 0
            return dim % rank, [(i, 1) for i in range(size[dim])]
        case "slice", (int(dim), first, end, *step):
            if step not in ([], [1]) or not isinstance(first, int | None):
                return None
            start, stop, _ = slice(first, end).indices(size[dim])
            return (dim % rank, [(start, stop - start)]) if stop > start else None
        case "split" | "split_with_sizes", (_, *at) if op.outputs:
            dim = at[0] if at else 0
            axis = dim % rank
            ends = accumulate((s or ())[axis] for s, _ in op.outputs)
            return axis, [(a, b - a) for a, b in pairwise((0, *ends))]
    return None
