"""Along which indices a perturbation of a wire varies, and how primitives carry that on.

A perturbation is known by its state: for each dimension, constant (`CONSTANT`), arbitrary
(`ARBITRARY`), or confined to one block and varying along some of its atoms. States only ever
overstate the variation, so that what is found to vanish does vanish.
"""

from collections.abc import Sequence
from typing import Any

from symfind.algebra.axes import Axis, branches
from symfind.graph import primitives as p
from symfind.graph.primitives import Node

CONSTANT = "constant"
ARBITRARY = "arbitrary"
Dim = Any  # CONSTANT, ARBITRARY or (choice, frozenset of atom positions)
State = tuple[Dim, ...]


def simplify(axis: Axis, dim: Dim) -> Dim:
    """The canonical spelling of the state of one dimension."""
    if axis.size == 1:
        return CONSTANT
    if isinstance(dim, tuple):
        options = branches(axis)
        if len(options) == 1:
            if not dim[1]:
                return CONSTANT
            if len(dim[1]) == len(options[0][1]):
                return ARBITRARY
    return dim


def canonical(node: Node, state: Sequence[Dim]) -> State:
    """The canonical spelling of a state."""
    return tuple(simplify(a, d) for a, d in zip(node.axes, state, strict=True))


def block(axis: Axis, dim: Dim) -> Dim:
    """The whole of a block that a state is confined to, else everything."""
    if isinstance(dim, tuple):
        return dim[0], frozenset(range(len(dict(branches(axis))[dim[0]])))
    return ARBITRARY


def blocks(node: Node, state: State) -> State:
    """What an entrywise function leaves of a state: the blocks outside of which nothing changes."""
    return tuple(block(a, d) for a, d in zip(node.axes, state, strict=True))


def _spread(axis: Axis, dim: Dim) -> tuple[tuple[int, ...], frozenset[int]] | None:
    """A state as (choice, atoms) where the dimension has one block or the state names it."""
    if isinstance(dim, tuple):
        return dim
    options = branches(axis)
    if len(options) != 1:
        return None
    choice, atoms = options[0]
    return choice, frozenset(range(len(atoms))) if dim == ARBITRARY else frozenset()


def regroup(ins: Sequence[Axis], states: Sequence[Dim], outs: Sequence[Axis]) -> list[Dim]:
    """The state of a run of dimensions under a reshape of that run."""
    if all(s == CONSTANT for s in states):
        return [CONSTANT] * len(outs)
    spread = [_spread(a, s) for a, s in zip(ins, states, strict=True)]
    if any(s is None for s in spread):
        return [ARBITRARY] * len(outs)
    known = [s for s in spread if s is not None]
    varying: list[bool] = []
    for axis, (choice, which) in zip(ins, known, strict=True):
        atoms = dict(branches(axis))[choice]
        varying.extend(i in which for i in range(len(atoms)))
    place = _ordinal(ins, [choice for choice, _ in known])
    result: list[Dim] = []
    for axis, branch in zip(outs, _nth(outs, place), strict=True):
        n = len(branch[1])
        here, varying = varying[:n], varying[n:]
        result.append((branch[0], frozenset(i for i, v in enumerate(here) if v)))
        result[-1] = simplify(axis, result[-1])
    return result


def _ordinal(axes: Sequence[Axis], choices: Sequence[tuple[int, ...]]) -> int:
    place = 0
    for axis, choice in zip(axes, choices, strict=True):
        options = [b[0] for b in branches(axis)]
        place = place * len(options) + options.index(choice)
    return place


def _nth(axes: Sequence[Axis], place: int) -> list[Any]:
    result = []
    for axis in reversed(axes):
        options = branches(axis)
        place, i = divmod(place, len(options))
        result.append(options[i])
    return result[::-1]


def groups(ins: Sequence[Axis], outs: Sequence[Axis]) -> list[tuple[list[int], list[int]]]:
    """Minimal runs of dimension numbers with equal products on both sides of a reshape."""
    a = [d for d, x in enumerate(ins) if x.size != 1]
    b = [d for d, x in enumerate(outs) if x.size != 1]
    found = []
    i = j = 0
    while i < len(a):
        one, two = [a[i]], [b[j]]
        m, n = ins[a[i]].size, outs[b[j]].size
        i, j = i + 1, j + 1
        while m != n:
            if m < n:
                one.append(a[i])
                m *= ins[a[i]].size
                i += 1
            else:
                two.append(b[j])
                n *= outs[b[j]].size
                j += 1
        found.append((one, two))
    return found


def through_view(x: Node, state: State, y: Node) -> State:
    """A state under a reshape from x to y."""
    result: list[Dim] = [CONSTANT] * len(y.axes)
    for ins, outs in groups(x.axes, y.axes):
        dims = regroup([x.axes[d] for d in ins], [state[d] for d in ins], [y.axes[d] for d in outs])
        for d, s in zip(outs, dims, strict=True):
            result[d] = s
    return tuple(result)


def through_narrow(node: p.Narrow, state: State) -> State | None:
    """A state under a range of one dimension; None where the block is outside."""
    dim = state[node.dim]
    if isinstance(dim, tuple):
        large = p.begins(node.inputs[0].axes[node.dim])
        inside = {o: c for c, o in p.begins(node.axes[node.dim]).items()}
        offset = large[dim[0]] - node.start
        if offset not in inside:
            return None
        dim = (inside[offset], dim[1])
    return canonical(node, [dim if d == node.dim else s for d, s in enumerate(state)])


def through_join(node: p.Join, at: int, state: State) -> State:
    """A state of one piece, seen in the concatenation."""
    start = sum(x.axes[node.dim].size for x in node.inputs[:at])
    piece = node.inputs[at].axes[node.dim]
    spread = _spread(piece, state[node.dim])
    if spread is None:
        dim: Dim = ARBITRARY
    else:
        offset = p.begins(piece)[spread[0]] + start
        whole = {o: c for c, o in p.begins(node.axes[node.dim]).items()}
        dim = (whole[offset], spread[1])
    return tuple(dim if d == node.dim else s for d, s in enumerate(state))


def join_piece(node: p.Join, at: int, state: State) -> State | None:
    """What a state of a concatenation asks of one piece; None where that is nothing."""
    dim = state[node.dim]
    if isinstance(dim, tuple):
        start = sum(x.axes[node.dim].size for x in node.inputs[:at])
        inside = {o + start: c for c, o in p.begins(node.inputs[at].axes[node.dim]).items()}
        offset = p.begins(node.axes[node.dim])[dim[0]]
        if offset not in inside:
            return None
        dim = (inside[offset], dim[1])
    piece = [dim if d == node.dim else s for d, s in enumerate(state)]
    return canonical(node.inputs[at], piece)


def through_broadcast(user: Node, x: Node, state: State) -> State:
    """The state of an operand, seen in the result that it is broadcast to."""
    offset = len(user.axes) - len(x.axes)
    result = [CONSTANT] * offset
    for d, s in enumerate(state):
        wide = user.axes[d + offset].size != x.axes[d].size
        result.append(CONSTANT if wide else s)
    return tuple(result)


def before_broadcast(user: Node, x: Node, state: State) -> State | None:
    """The state of an operand that is broadcast: it must be constant where the operand is."""
    offset = len(user.axes) - len(x.axes)
    result = []
    for d, s in enumerate(state):
        inside = d >= offset and x.axes[d - offset].size == user.axes[d].size
        if inside:
            result.append(s)
        elif s != CONSTANT:
            return None
        elif d >= offset:
            result.append(CONSTANT)
    return tuple(result)


def before_narrow(node: p.Narrow, state: State) -> State:
    """The state of the whole of which a range is perturbed."""
    dim = state[node.dim]
    large = {o: c for c, o in p.begins(node.inputs[0].axes[node.dim]).items()}
    small = p.begins(node.axes[node.dim])
    if isinstance(dim, tuple):
        new: object = (large[small[dim[0]] + node.start], dim[1])
    elif len(small) == 1:
        ((choice, offset),) = small.items()
        atoms = len(branches(node.axes[node.dim])[0][1])
        which = frozenset(range(atoms)) if dim == ARBITRARY else frozenset()
        new = (large[offset + node.start], which)
    else:
        new = ARBITRARY
    return canonical(node.inputs[0], [new if d == node.dim else s for d, s in enumerate(state)])
