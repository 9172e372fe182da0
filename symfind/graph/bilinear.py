"""Products of two wires that one number is read from: a bilinear form.

In Σ_k o_k u_k v_k, taken step by step, each entry of the product u v stands for itself. Taken as
Σ_k (o_k u_k) v_k it pairs two vectors, one of which has a gain: a change of basis of the one is
undone by the other. So matrix factorisation with weights, and its part in neural collaborative
filtering (He et al. 2017), where the product is joined to other features.
"""

from typing import Any

from symfind.graph import primitives as p
from symfind.graph.primitives import Node


def pair_up(nodes: list[Node]) -> None:
    """Sum at once what is multiplied, wherever one number alone is read from a product.

    Args:
        nodes: in topological order; some are replaced.
    """
    done: list[Node] = []
    for node in nodes:
        found = _reading(node)
        if found is None:
            done.append(node)
            continue
        wire, weight, names, own = found
        if isinstance(wire, p.Join):
            done += _in_pieces(node, wire, weight, names, own)
        else:
            done += _pairing(node, wire, weight, names, own)
    nodes[:] = done


Labels = tuple[Any, ...]


def _reading(node: Node) -> tuple[Node, Node, Labels, Labels] | None:
    """A product, alone or joined to others, and the weight that sums it; and their labels."""
    if not isinstance(node, p.Contract) or len(node.inputs) != 2 or node.windows:
        return None
    for wire, weight, names, own in zip(
        node.inputs, node.inputs[::-1], node.labels, node.labels[::-1], strict=True
    ):
        wide = [n for n, a in zip(own, weight.axes, strict=True) if a.size > 1]
        still = wire.varies and not weight.varies and not weight.fixed and len(wire.users) == 1
        if not still or len(wide) != 1 or wide[0] in node.out or wide[0] not in names:
            continue
        joined = isinstance(wire, p.Join) and names[wire.dim] == wide[0]
        pieces = wire.inputs if joined else (wire,)
        if any(_product(x) and len(x.users) == 1 for x in pieces):
            return wire, weight, names, own
    return None


def _pairing(node: Node, wire: Node, weight: Node, names: Labels, own: Labels) -> tuple[Node, ...]:
    """A node as a pairing of the factors of a product, one of them times the weight."""
    if not isinstance(wire, p.Contract) or not isinstance(node, p.Contract):
        raise TypeError("no product")
    place = dict(zip(wire.out, names, strict=True))
    (u, v), (left, right) = wire.inputs, ([place[n] for n in own] for own in wire.labels)
    wide = {n for n, a in zip(own, weight.axes, strict=True) if a.size > 1}
    if not wide <= set(left):
        (u, left), (v, right) = (v, right), (u, left)
    for x in (wire, weight):
        x.users = [z for z in x.users if z is not node]
    for x in (u, v):
        x.users = [z for z in x.users if z is not wire]
    scaled = p.Contract((u, weight), list(u.axes), labels=(tuple(left), own), out=tuple(left),
                        op=node.op)  # fmt: skip
    node.inputs, node.labels = (scaled, v), (tuple(left), tuple(right))
    v.users.append(node)
    scaled.users.append(node)
    return scaled, node


def _in_pieces(node: Node, wire: p.Join, weight: Node, names: Labels, own: Labels) -> list[Node]:
    """A node as a sum over the pieces of what it reads."""
    if not isinstance(node, p.Contract):
        raise TypeError("no product")
    dim = own.index(names[wire.dim])
    made: list[Node] = []
    parts: list[Node] = []
    for at, x in enumerate(wire.inputs):
        axes = [x.axes[wire.dim] if d == dim else a for d, a in enumerate(weight.axes)]
        piece = p.Narrow((weight,), axes, dim=dim, start=wire.begin(at), op=node.op)
        part = p.Contract((x, piece), list(node.axes), labels=(names, own), out=node.out,
                          op=node.op)  # fmt: skip
        x.users = [z for z in x.users if z is not wire]
        parts.append(part)
        made.append(piece)
        paired = _product(x) and len(x.users) == 1
        made += _pairing(part, x, piece, names, own) if paired else (part,)
    total = p.Add(tuple(parts), list(node.axes), signs=(1.0,) * len(parts), op=node.op,
                  result_of=node.result_of)  # fmt: skip
    weight.users = [z for z in weight.users if z is not node]
    total.users = node.users
    for user in total.users:
        user.inputs = tuple(total if z is node else z for z in user.inputs)
    return [*made, total]


def _product(wire: Node) -> bool:
    """Whether a wire multiplies, entry by entry, two wires that parameters write at once."""
    if not isinstance(wire, p.Contract) or len(wire.inputs) != 2 or wire.windows:
        return False
    u, v = wire.inputs
    entrywise = all(n in wire.out for names in wire.labels for n in names)
    return entrywise and u is not v and _written(u) and _written(v)


def _written(wire: Node) -> bool:
    """Whether a weight makes a wire, apart from what is added and moved."""
    while isinstance(wire, p.Movement) and len(wire.inputs) == 1:
        (wire,) = wire.inputs
    if isinstance(wire, p.Add):
        return any(_written(x) for x in wire.inputs if x.varies)
    return isinstance(wire, p.Contract) and wire.varies and any(not x.varies for x in wire.inputs)
