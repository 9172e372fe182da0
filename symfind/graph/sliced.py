"""Ranges taken of what is computed, computed of ranges: each alone, of what it depends on.

Where only the class token is read at the end, its query is one that no input reaches, and nothing
is seen of the queries of all other places; queries, keys and values of one packed weight are each
made by rows of it. A range is one block of a dimension (see `algebra.axes`), and is followed to
where it is joined or begins.
"""

from collections.abc import Sequence

import numpy as np

from symfind.algebra.axes import Axis, begins, branches, positions, product
from symfind.graph import primitives as p
from symfind.graph.copies import again
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node

Cut = dict[int, tuple[int, ...]]  # dimensions, and the block of each that is kept
_ALIKE = (
    p.Add, p.Centre, p.Contract, p.Normalise, p.Permute, p.Pointwise, p.Softmax,
)  # fmt: skip
MOST = 10_000  # new wires


def joined(nodes: Sequence[Node]) -> bool:
    """Whether what parameters alone make stands beside data, and a range is taken of anything."""
    beside = any(isinstance(n, p.Join) and n.varies and any(not x.varies for x in n.inputs)
                 for n in nodes)  # fmt: skip
    return beside and any(isinstance(n, p.Narrow) and n.varies for n in nodes)


def slice_early(nodes: list[Node]) -> bool:
    """Compute of ranges what ranges are taken of, where parameters alone make one of these.

    Args:
        nodes: in topological order; gains what is new, and keeps what nothing reads any more.

    Returns:
        Whether there was any such wire.
    """
    slices = _Slices()
    done: list[Node] = []
    for node in nodes:
        if isinstance(node, p.Narrow) and node.varies:
            (x,) = node.inputs
            block = _block(x, node)
            new = None if block is None else slices.of(x, {node.dim: block})
            done += slices.taken()
            if new is not None:
                _replace(node, new)
        done.append(node)
    nodes[:] = done
    return slices.still


def _block(x: Node, node: p.Narrow) -> tuple[int, ...] | None:
    """The one block that a range is, None where it is part of one, or several."""
    found = {first: choice for choice, first in begins(x.axes[node.dim]).items()}
    axis, choice = x.axes[node.dim], found.get(node.start)
    if choice is None or _whole(axis, choice).size != node.axes[node.dim].size:
        return None
    return choice if _contiguous(axis, choice) else None


def _whole(axis: Axis, choice: tuple[int, ...]) -> Axis:
    """One block of a dimension as a dimension."""
    return product(dict(branches(axis))[choice])


def _contiguous(axis: Axis, choice: tuple[int, ...]) -> bool:
    flat = positions(axis, choice).reshape(-1)
    return bool((np.diff(flat) == 1).all())


def _replace(node: Node, new: Node) -> None:
    for x in dict.fromkeys(node.inputs):
        x.users = [u for u in x.users if u is not node]
    for user in node.users:
        user.inputs = tuple(new if x is node else x for x in user.inputs)
    new.users = list(dict.fromkeys([*new.users, *node.users]))
    node.users = []


class _Slices:
    """Blocks of wires, each computed once."""

    def __init__(self) -> None:
        self.still = False  # whether parameters alone make one of a wire that varies
        self._known: dict[tuple[int, frozenset], Node | None] = {}
        self._new: list[Node] = []
        self._count = 0

    def taken(self) -> list[Node]:
        """New wires, in topological order, that were not handed out before."""
        new, self._new = self._new, []
        return new

    def of(self, z: Node, cut: Cut) -> Node | None:
        """Some blocks of a wire; None where they are no ranges."""
        cut = {d: c for d, c in cut.items() if len(branches(z.axes[d])) > 1}
        if not cut:
            return z
        key = id(z), frozenset(cut.items())
        if key not in self._known:
            new = self._made(z, cut)
            self.still |= z.varies and new is not None and not new.varies
            self._known[key] = new
        return self._known[key]

    def _put(self, new: Node) -> Node:
        self._new.append(new)
        self._count += 1
        return new

    def _made(self, z: Node, cut: Cut) -> Node | None:
        if isinstance(z, p.Narrow):
            axis = z.inputs[0].axes[z.dim]
            known = _shifted(z.axes[z.dim], axis, cut.get(z.dim), z.start)
            if known is not None:
                return self.of(z.inputs[0], {**cut, z.dim: known})
        if isinstance(z, p.Join) and z.dim in cut:
            first = begins(z.axes[z.dim])[cut[z.dim]]
            at = max(i for i in range(len(z.inputs)) if z.begin(i) <= first)
            piece = z.inputs[at].axes[z.dim]
            known = _shifted(z.axes[z.dim], piece, cut[z.dim], -z.begin(at))
            return None if known is None else self.of(z.inputs[at], {**cut, z.dim: known})
        below = None if self._count > MOST else _below(z, cut)
        if below is None:
            return self._ranges(z, cut)
        inputs = [self.of(x, own) for x, own in zip(z.inputs, below, strict=True)]
        if any(x is None for x in inputs):
            return self._ranges(z, cut)
        axes = [_whole(a, cut[d]) if d in cut else a for d, a in enumerate(z.axes)]
        new = again(z, [x for x in inputs if x is not None], axes)
        new.varies = any(x.varies for x in new.inputs)
        new.fixed = all(x.fixed for x in new.inputs)
        new.result_of = None
        return self._put(new)

    def _ranges(self, z: Node, cut: Cut) -> Node | None:
        """Blocks of a wire, taken of it."""
        if not all(_contiguous(z.axes[d], c) for d, c in cut.items()):
            return None
        for d, choice in cut.items():
            start, axes = begins(z.axes[d])[choice], list(z.axes)
            axes[d] = _whole(z.axes[d], choice)
            z = self._put(p.Narrow((z,), axes, op=z.op, dim=d, start=start))
        return z


def _shifted(
    one: Axis, other: Axis, choice: tuple[int, ...] | None, shift: int
) -> tuple[int, ...] | None:
    """The block of another dimension that begins where one does, and is as long."""
    blocks = branches(one)
    if choice is None:
        if len(blocks) > 1:
            return None
        choice = blocks[0][0]
    first = begins(one)[choice] + shift
    found = next((c for c, at in begins(other).items() if at == first), None)
    if found is None or _whole(one, choice).size != _whole(other, found).size:
        return None
    return found


def _below(z: Node, cut: Cut) -> Sequence[Cut] | None:
    """What of the operands makes some blocks of a wire; None where more is needed."""
    if isinstance(z, p.View):
        found = _viewed(z, cut)
        return None if found is None else [found]
    if isinstance(z, p.Expand):
        return [_carried(z, 0, cut)]
    plain = isinstance(z, _ALIKE) and not z.orders and not getattr(z, "windows", ())
    if not plain or any(d in getattr(z, "dims", ()) for d in cut):
        return None
    if isinstance(z, p.Contract) and any(d in z.shares for d in cut):
        return None
    return [_carried(z, at, cut) for at in range(len(z.inputs))]


def _carried(z: Node, at: int, cut: Cut) -> Cut:
    x = z.inputs[at]
    return {
        r.ins[0]: cut[r.outs[0]]
        for r in z.index_map(at)
        if r.way is Way.SAME and r.outs[0] in cut and x.axes[r.ins[0]].size > 1
    }


def _viewed(z: p.View, cut: Cut) -> Cut | None:
    """Blocks of what a wire is a view of: they come in the same order."""
    x = z.inputs[0]
    kept = [i for i, cell in enumerate(z.cells) if all(cell.choice[d] == c for d, c in cut.items())]
    if len(x.cells) != len(z.cells):
        return None
    found: Cut = {}
    count = 1
    for d, axis in enumerate(x.axes):
        choices = {x.cells[i].choice[d] for i in kept}
        count *= len(choices)
        if len(choices) == 1:
            found[d] = choices.pop()
        elif len(choices) < len(branches(axis)):
            return None
    return found if count == len(kept) else None
