"""The indices of a wire one by one: the atoms of its dimensions, across reshapes and products.

A *spot* is one index: (dimension, place within it). A dimension that is a concatenation is one spot
as a whole. Indices of one value are none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symfind.algebra.axes import Axis, branches
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.transport.state import groups

Spot = tuple[int, int]


def spots(node: Node) -> dict[Spot, Axis]:
    """The indices of a wire in row-major order."""
    return {(d, i): a for d, axis in enumerate(node.axes) for i, a in enumerate(parts(axis))}


def parts(axis: Axis) -> Sequence[Axis]:
    """The indices that one dimension is flattened from."""
    if axis.size == 1:
        return ()
    options = branches(axis)
    return options[0][1] if len(options) == 1 else (axis,)


def labelled(node: Node, labels: Sequence[Any]) -> dict[Any, Axis]:
    """The indices of a wire under the names of their dimensions."""
    return {(labels[d], i): a for (d, i), a in spots(node).items()}


def named(labels: Sequence[Any]) -> Callable[[Spot], Any]:
    """The label of a spot."""
    return lambda spot: (labels[spot[0]], spot[1])


def paired(x: Node, y: Node) -> tuple[dict[Spot, Spot], list[tuple[list[Spot], list[Spot]]]]:
    """Under a reshape: which index becomes which, and runs of which no more than that is known."""
    mine, theirs = spots(x), spots(y)
    same: dict[Spot, Spot] = {}
    joint = []
    for ins, outs in groups(x.axes, y.axes):
        one = [s for s in mine if s[0] in ins]
        two = [s for s in theirs if s[0] in outs]
        if [mine[s].root for s in one] == [theirs[s].root for s in two]:
            same.update(zip(one, two, strict=True))
        else:
            joint.append((one, two))
    return same, joint


class Still:
    """Indices along which a wire that no input reaches is a copy of one slice."""

    def __init__(self) -> None:
        """Nothing is computed until asked."""
        self._known: dict[int, frozenset[Spot]] = {}

    def along(self, node: Node) -> frozenset[Spot]:
        """These indices."""
        if node.index not in self._known:
            self._known[node.index] = frozenset(self._along(node)) & set(spots(node))
        return self._known[node.index]

    def _along(self, node: Node) -> set[Spot]:
        match node:
            case p.Expand():
                (x,) = node.inputs
                offset = len(node.axes) - len(x.axes)
                old = {(d + offset, i): (d, i) for d, i in spots(x)}
                below = self.along(x)
                return {s for s in spots(node) if s not in old or old[s] in below}
            case p.Permute():
                below = self.along(node.inputs[0])
                return {(node.order.index(d), i) for d, i in below}
            case p.View():
                same, _ = paired(node.inputs[0], node)
                return {same[s] for s in self.along(node.inputs[0]) if s in same}
            case p.Pointwise():
                return set(self.along(node.inputs[0]))
            case p.Narrow():
                return {s for s in self.along(node.inputs[0]) if s[0] != node.dim}
            case p.Contract() if not node.windows:
                moving = [self._moving(x, names) for x, names in
                          zip(node.inputs, node.labels, strict=True)]  # fmt: skip
                own = named(node.out)
                return {s for s in spots(node) if not any(own(s) in part for part in moving)}
            case p.Add():
                offsets = [len(node.axes) - len(x.axes) for x in node.inputs]
                labels = [range(k, k + len(x.axes)) for k, x in
                          zip(offsets, node.inputs, strict=True)]  # fmt: skip
                moving = [self._moving(x, own) for x, own in
                          zip(node.inputs, labels, strict=True)]  # fmt: skip
                return {s for s in spots(node) if not any(s in part for part in moving)}
        return set()

    def _moving(self, x: Node, labels: Sequence[Any]) -> Mapping[Any, Axis]:
        still = self.along(x)
        name = named(labels)
        return {name(s): a for s, a in spots(x).items() if s not in still}
