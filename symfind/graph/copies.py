"""Copies of what parameters alone make: made where they meet data, and not before.

Learned queries are often repeated for every example of a batch and then normed and mapped. The norm
of a copy is a copy of the norm: all is computed for one of them, and that one is repeated where it
meets data. So nothing has to look through copies, and no algebra knows how many there are.
"""

import copy
from collections.abc import Iterator

from symfind.algebra.axes import Axis
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node

_ALIKE = (
    p.Add, p.Contract, p.Pointwise, p.Entrywise, p.Normalise, p.Centre, p.Softmax, p.Permute,
    p.View, p.Narrow,
)  # fmt: skip
_BROADCAST = (p.Add, p.Contract)


def sink_copies(nodes: list[Node]) -> None:
    """Compute what no input reaches for one of several copies.

    Args:
        nodes: in topological order; gains what is new, and keeps what nothing reads any more.
    """
    one: dict[Node, Node] = {}  # of a wire with copies, the same wire with one of each
    done: list[Node] = []
    for node in nodes:
        done.append(node)
        if node.varies:
            done[-1:] = [*_met(node, one), node]
        elif not node.fixed:
            made = list(_single(node, one))
            if made:
                one[node] = made[-1]
                done += [x for x in made if x not in done]
            elif any(x in one and not isinstance(x, p.Expand) for x in node.inputs):
                done[-1:] = [*_met(node, one), node]  # which mixes copies with others
    nodes[:] = done


def _single(node: Node, one: dict[Node, Node]) -> Iterator[Node]:
    """A wire without its copies, and what that is made of; nothing where it has none."""
    if isinstance(node, p.Expand):
        (x,) = (one.get(x, x) for x in node.inputs)
        lead = len(node.axes) - len(x.axes)
        if lead:
            x = p.View((x,), [*(Axis(1) for _ in range(lead)), *x.axes], op=node.op)
        yield x
    elif isinstance(node, _ALIKE) and any(x in one for x in node.inputs):
        axes = _axes(node, one)
        if axes is not None:
            yield again(node, [one.get(x, x) for x in node.inputs], axes)


def _axes(node: Node, one: dict[Node, Node]) -> list[Axis] | None:
    """Dimensions of a wire for one of its copies; None where it mixes copies, or has none."""
    if isinstance(node, p.Contract) and node.windows:
        return None
    rows, still = set(range(len(node.axes))), set()
    for at, x in enumerate(node.inputs):
        mine = x if x not in one else one[x]
        copies = {d for d, a in enumerate(x.axes) if mine.axes[d].size < a.size}
        for run in node.index_map(at):
            if run.way is Way.SAME and run.ins[0] in copies:
                still.add(run.outs[0])
                copies.discard(run.ins[0])
            elif run.way is Way.SAME and x.axes[run.ins[0]].size > 1:
                rows -= set(run.outs)
            elif run.way not in (Way.SAME, Way.COPIED) and not isinstance(node, p.Contract):
                rows -= set(run.outs)
        if copies:
            return None
    still &= rows
    if not still:
        return None
    if getattr(node, "dims", ()) and still & set(node.dims):  # type: ignore[attr-defined]
        return None
    return [Axis(1) if d in still else a for d, a in enumerate(node.axes)]


def again(node: Node, inputs: list[Node], axes: list[Axis]) -> Node:
    """The same primitive of other operands, with other indices."""
    new = copy.copy(node)
    for known in ("shape", "cells", "cell_of", "_starts"):
        new.__dict__.pop(known, None)
    new.inputs, new.axes, new.users = tuple(inputs), axes, []
    for x in dict.fromkeys(new.inputs):
        x.users.append(new)
    return new


def _met(node: Node, one: dict[Node, Node]) -> Iterator[Node]:
    """Give a wire of data one of the copies, or copies of that one."""
    for at, x in enumerate(node.inputs):
        if x not in one:
            continue
        new = one[x]
        if not _repeats(node, at, new):
            new = p.Expand((new,), list(x.axes), op=x.op)
            one[x].users = list(dict.fromkeys(one[x].users))
            yield new
        x.users = [u for u in x.users if u is not node]
        node.inputs = tuple(new if i == at else z for i, z in enumerate(node.inputs))
        if node not in new.users:
            new.users.append(node)


def _repeats(node: Node, at: int, new: Node) -> bool:
    """Whether a sum or product repeats an operand of size one itself, for another has all."""
    if not isinstance(node, _BROADCAST) or (isinstance(node, p.Contract) and node.windows):
        return False
    x = node.inputs[at]
    names = node.labelled()[0]
    gone = {names[at][d] for d, a in enumerate(x.axes) if new.axes[d].size < a.size}
    for i, other in enumerate(node.inputs):
        if i != at:
            gone -= {n for n, a in zip(names[i], other.axes, strict=True) if a.size > 1}
    return not gone
