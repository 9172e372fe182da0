"""Constant permutations of an index: new coordinates in which nothing is permuted.

Where y = x[σ] along some dimension, and y's index is met nowhere by x's, the coordinates of y's
index can be numbered anew: in these the permutation is the identity, and every other wire that
carries the index is a reordered copy of the traced tensor. `Node.orders` says how.
"""

from collections.abc import Sequence

from symfind.algebra.axes import Axis, Tangled, merge
from symfind.graph import primitives as p
from symfind.graph.primitives import Node

Places = list[int]


def straighten(nodes: list[Node]) -> None:
    """Replace permutations by identities where the coordinates of an index can be chosen."""
    for i, node in enumerate(nodes):
        if isinstance(node, p.Take):
            moved = _permutation(node)
            if moved is not None and _renumber(node, moved, nodes):
                nodes[i] = _identity(node)


def _permutation(node: p.Take) -> Places | None:
    """Which coordinate of the input every coordinate of the output is, where that is all of it."""
    value = node.picks.value() if isinstance(node.picks, p.Source) else None
    n = node.axes[node.dim].size
    if value is None or value.shape != (n,):
        return None
    flat = (value % n).tolist()
    return flat if sorted(flat) == list(range(n)) else None


def _renumber(node: p.Take, moved: Places, nodes: Sequence[Node]) -> bool:
    """Number one of the two indices anew, so that the permutation is the identity."""
    x = node.inputs[0]
    one, two = x.axes[node.dim].root, node.axes[node.dim].root
    if one is two or one.size != x.axes[node.dim].size or one.size != len(moved):
        return False
    # In the coordinates chosen so far: which new coordinate of x is each new one of y?
    inside, outside = _order(x, node.dim), _order(node, node.dim)
    back = _inverse(inside)
    effective = [back[moved[i]] for i in outside]
    for index, change in ((two, _inverse(effective)), (one, effective)):
        found = _carriers(index, nodes, node)
        if index.kind != "atom" or found is None:
            continue
        moves = [(other, dim, _places(other.axes[dim], index, change)) for other, dim in found]
        try:
            merge(one, two)
        except Tangled:
            return False
        for other, dim, places in moves:
            order = _order(other, dim)
            other.orders[dim] = tuple(order[i] for i in places)
        return True
    return False


def _order(node: Node, dim: int) -> Places:
    return list(node.orders.get(dim, range(node.axes[dim].size)))


def _inverse(order: Sequence[int]) -> Places:
    result = [0] * len(order)
    for i, j in enumerate(order):
        result[j] = i
    return result


def _carriers(atom: Axis, nodes: Sequence[Node], own: p.Take) -> list[tuple[Node, int]] | None:
    """Dimensions that carry an index; None if one of them must keep its coordinates."""
    found = []
    for node in nodes:
        for dim, axis in enumerate(node.axes):
            if _carries(axis, atom):
                found.append((node, dim))
        if node is not own and _fixed(node, atom):
            return None
    return found


def _carries(axis: Axis, atom: Axis) -> bool:
    root = axis.root
    return root is atom or any(_carries(part, atom) for part in root.parts)


def _fixed(node: Node, atom: Axis) -> bool:
    """Whether a primitive knows single coordinates of an index."""
    if isinstance(node, p.Commute):
        return _carries(node.axes[node.dim], atom)
    if isinstance(node, p.Take) and _permutation(node) is None:
        picked = [node.inputs[0].axes[node.dim], *node.picks.axes]
        return any(_carries(axis, atom) for axis in picked)
    if isinstance(node, p.Contract) and node.windows:
        sliding = [
            axis
            for wire, names in zip((*node.inputs, node), (*node.labels, node.out), strict=True)
            for name, axis in zip(names, wire.axes, strict=True)
            if isinstance(name, tuple)
        ]
        return any(_carries(axis, atom) for axis in sliding)
    return False


def _places(axis: Axis, atom: Axis, change: Sequence[int]) -> Places:
    """Where the new numbering of an atom takes the positions of a dimension made of it."""
    root = axis.root
    if root is atom:
        return list(change)
    if root.kind == "atom":
        return list(range(root.size))
    result: Places = []
    if root.kind == "sum":
        for part in root.parts:
            start = len(result)
            result.extend(start + i for i in _places(part, atom, change))
        return result
    result = [0]
    for part in root.parts:
        inner = _places(part, atom, change)
        result = [i * len(inner) + j for i in result for j in inner]
    return result


def _identity(node: p.Take) -> Node:
    """A node that hands its input on, in the place of a permutation."""
    x = node.inputs[0]
    same = p.View((x,), node.axes, op=node.op, index=node.index, result_of=node.result_of)
    same.orders = node.orders
    same.users = node.users
    x.users = [u for u in x.users if u is not node]
    for user in same.users:
        user.inputs = tuple(same if z is node else z for z in user.inputs)
    return same
