"""Averages of what does not vary: they are it, whatever the weights.

Where a softmax weights values that are all equal, its weights sum to one and nothing is seen of
them: of queries and keys where the values do not depend on the position (the first layer of a
decoder whose target is zero, as in DETR).
"""

from collections.abc import Sequence
from dataclasses import replace

from symfind.algebra.axes import Axis
from symfind.graph import primitives as p
from symfind.graph.copies import sink_copies
from symfind.graph.indices import Still, indices
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.transport.maps import read


def take_averages(lowered: Lowered) -> Lowered:
    """Replace averages of equal values, and drop what nothing reads any more."""
    relations, still = AffineRelations(), Still()
    found = [
        (node, at)
        for node in lowered.nodes
        if isinstance(node, p.Contract) and len(node.inputs) == 2 and node.users
        for at in (0, 1)
        if _equal(node, at, relations, still)
    ]
    nodes = list(lowered.nodes)
    for node, at in dict(found).items():
        _replace(node, at, nodes)
    if not found:
        return lowered
    sink_copies(nodes)
    return replace(lowered, nodes=read(nodes))


def _equal(node: p.Contract, at: int, relations: AffineRelations, still: Still) -> bool:
    """Whether one factor is the same along all that is summed over, and the other sums to one."""
    x, names = node.inputs[at], node.labels[at]
    if x.varies or x is node.inputs[1 - at]:
        return False
    summed = {d for d, n in enumerate(names) if n not in node.out and x.axes[d].size > 1}
    same = still.along(x)
    flat = all(s in same for s in indices(x) if s[0] in summed)
    return bool(summed) and flat and relations.averaged(node, at, set(names))


def _replace(node: p.Contract, at: int, nodes: list[Node]) -> None:
    """The one factor without what was summed over, in the place of a product."""
    x, names = node.inputs[at], node.labels[at]
    gone = tuple(d for d, n in enumerate(names) if n not in node.out)
    kept = [d for d in range(len(names)) if d not in gone]
    y = _one(x, gone)
    axes = [y.axes[d] for d in kept]
    if all(y.axes[d].size == 1 for d in gone):
        y = p.View((y,), axes, op=node.op)
    else:
        y = p.Mix((y,), axes, op=node.op, dims=gone, drop=True, unit=1.0, mean=True)
    labels = [names[d] for d in kept]
    order = tuple(labels.index(n) for n in node.out if n in labels)
    made: list[Node] = [y]
    if order != tuple(range(len(order))):
        y = p.Permute((y,), [y.axes[d] for d in order], op=node.op, order=order)
        made.append(y)
    known = dict(zip(labels, axes, strict=True))
    whole = [known[n] if n in known else Axis(1) for n in node.out]
    if len(whole) > len(order):
        y = p.View((y,), whole, op=node.op)
        made.append(y)
    y = p.Expand((y,), list(node.axes), op=node.op)
    made.append(y)
    for z in dict.fromkeys(node.inputs):
        z.users = [u for u in z.users if u is not node]
    y.users, node.users = node.users, []
    for user in y.users:
        user.inputs = tuple(y if z is node else z for z in user.inputs)
    place = nodes.index(node)
    nodes[place : place + 1] = made


def _one(x: Node, dims: Sequence[int]) -> Node:
    """A wire, or one of its copies along some dimensions."""
    copied = isinstance(x, p.Expand) and len(x.inputs[0].axes) == len(x.axes)
    one = x.inputs[0] if copied else x
    return one if all(one.axes[d].size == 1 for d in dims) else x
