"""Indices that number matrices: experts of a mixture, groups of a convolution."""

from collections.abc import Iterator, Sequence

from symfind.algebra.axes import Axis, atoms
from symfind.graph import primitives as p
from symfind.graph.primitives import Node


def stacks(nodes: Sequence[Node]) -> dict[Axis, str]:
    """Indices for every value of which a parameter holds a matrix of its own, with their role.

    `experts`, where what the matrices give is summed in the end (by a gate, or plainly); else
    `groups`.

    Args:
        nodes: of the graph.
    """
    found = {axis for node in nodes if isinstance(node, p.Contract) for axis in _numbering(node)}
    if not found:
        return {}
    summed = {axis for node in nodes for axis in _summed(node)}
    return {axis: "experts" if axis in summed else "groups" for axis in found}


def _numbering(node: p.Contract) -> Iterator[Axis]:
    """Indices along which a parameter is multiplied matrix by matrix."""
    if len(node.inputs) != 2:
        return
    for at, x in enumerate(node.inputs):
        mine, other = node.labels[at], set(node.labels[1 - at])
        new = [n for n in mine if n in node.out and n not in other]
        gone = [n for n in mine if n not in node.out and n in other]
        if x.varies or not (new and gone):
            continue
        for d, n in enumerate(mine):
            if n in node.out and n in other:
                yield from (a.root for a in atoms(x.axes[d]) if a.size > 1)


def _summed(node: Node) -> Iterator[Axis]:
    """Indices that end at a node."""
    if isinstance(node, (p.Contract, p.Mix)) and all(x.varies for x in node.inputs):
        left = {a.root for axis in node.axes for a in atoms(axis)}
        for x in node.inputs:
            yield from (a.root for axis in x.axes for a in atoms(axis) if a.root not in left)
