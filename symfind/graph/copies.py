"""Copies of what parameters alone make: made where they meet data, and not before.

Learned queries are often repeated for every example of a batch and then normed and mapped. The norm
of a copy is a copy of the norm: all is computed for one of them, and that one is repeated where it
meets data. So nothing has to look through copies, and no algebra knows how many there are.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from symfind.algebra.axes import Axis, product
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.indices import Index, indices, passage
from symfind.graph.primitives import Node

_ALIKE = (
    p.Add, p.Contract, p.Pointwise, p.Entrywise, p.Normalise, p.Centre, p.Softmax, p.Permute,
    p.View, p.Narrow,
)  # fmt: skip
_EVALUATED = (p.Add, p.Contract, p.Permute, p.View, p.Narrow)
_BROADCAST = (p.Add, p.Contract)


@dataclass(frozen=True)
class _One:
    """A wire for one of its copies, and the indices along which there are several."""

    node: Node
    still: frozenset[Index]


def sink_copies(nodes: list[Node]) -> None:
    """Compute what no input reaches for one of several copies.

    Args:
        nodes: in topological order; gains what is new, and keeps what nothing reads any more.
    """
    one: dict[Node, _One] = {}
    done: list[Node] = []
    for node in nodes:
        done.append(node)
        if node.varies:
            done[-1:] = [*_met(node, one), node]
        elif not node.fixed:
            made = list(_single(node, one))
            if made:
                done += [x for x in made if x not in done]
            elif any(x in one and not isinstance(x, p.Expand) for x in node.inputs):
                done[-1:] = [*_met(node, one), node]  # which mixes copies with others
    nodes[:] = done


def _single(node: Node, one: dict[Node, _One]) -> Iterator[Node]:
    """A wire without its copies, and what that is made of; nothing where it has none."""
    if isinstance(node, p.Expand):
        (x,) = (one[x].node if x in one else x for x in node.inputs)
        lead = len(node.axes) - len(x.axes)
        if lead:
            x = p.View((x,), [*(Axis(1) for _ in range(lead)), *x.axes], op=node.op)
        copied = {d for d, a in enumerate(node.axes) if x.axes[d].size < a.size}
        whole = frozenset(s for s in indices(node) if s[0] in copied)
        if all(x.axes[d].size == 1 for d in copied):
            one[node] = _One(x, whole)
            yield x
    elif isinstance(node, _ALIKE) and any(x in one for x in node.inputs):
        still = _still(node, one)
        if still:
            inputs = [one[x].node if x in one else x for x in node.inputs]
            new = again(node, inputs, _without(node, still))
            if not _leading(node, still):
                new.result_of = None
            one[node] = _One(new, still)
            yield new


def _still(node: Node, one: dict[Node, _One]) -> frozenset[Index]:
    """Indices along which a wire consists of copies; none where it mixes them with others."""
    if isinstance(node, p.Contract) and node.windows:
        return frozenset()
    moving, still, parted = set[Index](), set[Index](), set[Index]()
    for at, x in enumerate(node.inputs):
        copies = one[x].still if x in one else frozenset()
        way = passage(node, at)
        if not copies <= way.same.keys():
            return frozenset()
        rest = {d for d, _ in indices(x).keys() - copies}
        still |= {way.same[s] for s in copies}
        parted |= {way.same[s] for s in copies if s[0] in rest}
        moving |= {two for s, two in way.same.items() if s not in copies}
        if not isinstance(node, p.Contract):
            moving |= {s for j in way.joint if j.way is not Way.COPIED for s in j.outs}
    found = frozenset(still - moving)
    known = isinstance(node, _EVALUATED) or _leading(node, found)
    inside = any(d in getattr(node, "dims", ()) for d, _ in found)
    return found if known and not inside and parted <= found else frozenset()


def _leading(node: Node, still: frozenset[Index]) -> bool:
    """Whether one of the copies comes first, along every dimension."""
    rest = {s for s in indices(node) if s not in still}
    return not any(d == e and i < j for d, i in rest for e, j in still)


def _without(node: Node, still: frozenset[Index]) -> list[Axis]:
    """Dimensions of a wire for one of its copies."""
    known, copied = indices(node), {d for d, _ in still}
    return [
        product([known[s] for s in known if s[0] == d and s not in still]) if d in copied else a
        for d, a in enumerate(node.axes)
    ]


def again(node: Node, inputs: list[Node], axes: list[Axis]) -> Node:
    """The same primitive of other operands, with other indices."""
    new = copy.copy(node)
    for known in ("shape", "cells", "cell_of", "_starts"):
        new.__dict__.pop(known, None)
    new.inputs, new.axes, new.users = tuple(inputs), axes, []
    for x in dict.fromkeys(new.inputs):
        x.users.append(new)
    return new


def _met(node: Node, one: dict[Node, _One]) -> Iterator[Node]:
    """Give a wire of data one of the copies, or copies of that one."""
    for at, x in enumerate(node.inputs):
        if x not in one:
            continue
        new = one[x].node
        if not _repeats(node, at, new):
            made = list(_copies(x, one[x]))
            new = made[-1]
            yield from made
        x.users = [u for u in x.users if u is not node]
        node.inputs = tuple(new if i == at else z for i, z in enumerate(node.inputs))
        if node not in new.users:
            new.users.append(node)


def _copies(x: Node, one: _One) -> Iterator[Node]:
    """A wire as copies of one, index by index where only a part of a dimension is repeated."""
    new = one.node
    new.users = list(dict.fromkeys(new.users))
    if all(a.size in (1, n) for a, n in zip(new.axes, x.shape, strict=True)):
        yield p.Expand((new,), list(x.axes), op=x.op)
        return
    known = indices(x)
    rest = [Axis(1) if s in one.still else a for s, a in known.items()]
    view = p.View((new,), rest, op=x.op)
    whole = p.Expand((view,), list(known.values()), op=x.op)
    yield from (view, whole, p.View((whole,), list(x.axes), op=x.op))


def _repeats(node: Node, at: int, new: Node) -> bool:
    """Whether a sum or product repeats an operand of size one itself, for another has all."""
    if not isinstance(node, _BROADCAST) or (isinstance(node, p.Contract) and node.windows):
        return False
    x = node.inputs[at]
    names = node.labelled()[0]
    if any(1 < new.axes[d].size < a.size for d, a in enumerate(x.axes)):
        return False
    gone = {names[at][d] for d, a in enumerate(x.axes) if new.axes[d].size < a.size}
    for i, other in enumerate(node.inputs):
        if i != at:
            gone -= {n for n, a in zip(names[i], other.axes, strict=True) if a.size > 1}
    return not gone
