"""Along which indices a perturbation of a wire varies, and how primitives carry that on.

A perturbation is known by its state: for each dimension, constant (`CONSTANT`), arbitrary
(`ARBITRARY`), or confined to one block and varying along some of its atoms. States only ever
overstate the variation, so that what is found to vanish does vanish.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from symfind.algebra.axes import Axis, begins, branches
from symfind.graph.index_map import Way
from symfind.graph.wires import Node

CONSTANT = "constant"
ARBITRARY = "arbitrary"
MOST_BLOCKS = 64  # of a run of dimensions, that are carried one by one
Dim = Any  # CONSTANT, ARBITRARY or (choice, frozenset of atom positions)
State = tuple[Dim, ...]


def simplify(axis: Axis, dim: Dim) -> Dim:
    """The canonical spelling of the state of one dimension."""
    if axis.size == 1:
        return CONSTANT
    if isinstance(dim, tuple):  # a block
        options = branches(axis)
        if len(options) == 1:
            if not dim[1]:
                return CONSTANT
            if len(dim[1]) == len(options[0][1]):
                return ARBITRARY
    return dim


def canonical(node: Node, state: Sequence[Dim]) -> State:
    """The canonical spelling of a state."""
    sized = zip(node.shape, node.axes, state, strict=True)
    return tuple([d if n != 1 and d.__class__ is str else simplify(a, d) for n, a, d in sized])


def block(axis: Axis, dim: Dim) -> Dim:
    """The whole of a block that a state is confined to, else everything."""
    if isinstance(dim, tuple):
        return dim[0], frozenset(range(len(dict(branches(axis))[dim[0]])))
    return ARBITRARY


def blocks(node: Node, state: State) -> State:
    """What an entrywise function leaves of a state: the blocks outside of which nothing changes."""
    return tuple(block(a, d) for a, d in zip(node.axes, state, strict=True))


def _spread(axis: Axis, dim: Dim) -> list[tuple[tuple[int, ...], frozenset[int]]]:
    """A state as blocks, with the atoms along which it varies; none where it cannot be said so."""
    if isinstance(dim, tuple):
        return [dim]
    options = branches(axis)
    if dim == CONSTANT:
        return [(choice, frozenset()) for choice, _ in options]
    return [(c, frozenset(range(len(atoms)))) for c, atoms in options] if len(options) == 1 else []


def reshaped(ins: Sequence[Axis], states: Sequence[Dim], outs: Sequence[Axis]) -> list[Dim]:
    """The state of a run of dimensions under a reshape of that run."""
    if all(s == CONSTANT for s in states):
        return [CONSTANT] * len(outs)
    spread = [_spread(a, s) for a, s in zip(ins, states, strict=True)]
    if not 0 < math.prod(map(len, spread)) <= MOST_BLOCKS:
        return [ARBITRARY] * len(outs)
    found: list[set[Dim]] = [set() for _ in outs]
    for known in itertools.product(*spread):
        varying: list[bool] = []
        for axis, (choice, which) in zip(ins, known, strict=True):
            atoms = dict(branches(axis))[choice]
            varying.extend(i in which for i in range(len(atoms)))
        place = _ordinal(ins, [choice for choice, _ in known])
        for own, branch in zip(found, _nth(outs, place), strict=True):
            n = len(branch[1])
            here, varying = varying[:n], varying[n:]
            own.add((branch[0], frozenset(i for i, v in enumerate(here) if v)))
    return [simplify(axis, _together(axis, own)) for axis, own in zip(outs, found, strict=True)]


def _together(axis: Axis, states: set[Dim]) -> Dim:
    """One state for what is the same in several blocks."""
    if len(states) == 1:
        return next(iter(states))
    constant = len(states) == len(branches(axis)) and not any(which for _, which in states)
    return CONSTANT if constant else ARBITRARY


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


def forth(user: Node, at: int, state: State) -> State | None:
    """A state of an operand, in the result; None where the result has nothing of it."""
    x = user.inputs[at]
    result: list[Dim] = [CONSTANT] * len(user.axes)
    for run in user.index_map(at):
        dims = [state[d] for d in run.ins]
        ins, outs = [x.axes[d] for d in run.ins], [user.axes[d] for d in run.outs]
        match run.way:
            case Way.RESHAPED:
                dims = reshaped(ins, dims, outs)
            case Way.SAME if _cut_apart(ins, outs):
                dims = reshaped(ins, dims, outs)
            case Way.COPIED:
                dims = [CONSTANT]
            case Way.PART:
                dims = _within(ins[0], outs[0], user.begin(at), dims[0])
            case Way.PIECE:
                dims = _into(ins[0], outs[0], user.begin(at), dims[0])
            case Way.PICKED | Way.MIXED:
                constant = run.way is Way.PICKED and dims[0] == CONSTANT
                dims = [CONSTANT if constant else ARBITRARY] * len(outs)
        if not dims and run.outs:
            return None
        for d, s in zip(run.outs, dims, strict=False):
            result[d] = s
    return canonical(user, result)


def back(user: Node, at: int, state: State) -> State | None:
    """The state of an operand that a state of the result asks for; None where none would do."""
    x = user.inputs[at]
    result: list[Dim] = [CONSTANT] * len(x.axes)
    for run in user.index_map(at):
        dims = [state[d] for d in run.outs]
        ins, outs = [x.axes[d] for d in run.ins], [user.axes[d] for d in run.outs]
        match run.way:
            case Way.RESHAPED:
                dims = reshaped(outs, dims, ins)
            case Way.SAME if _cut_apart(ins, outs):
                dims = reshaped(outs, dims, ins)
            case Way.COPIED if dims == [CONSTANT]:
                dims = [CONSTANT] * len(ins)
            case Way.PART:
                dims = _into(outs[0], ins[0], user.begin(at), dims[0])
            case Way.PIECE:
                dims = _within(outs[0], ins[0], user.begin(at), dims[0])
            case Way.PICKED | Way.MIXED | Way.COPIED:
                return None
        if not dims and run.ins:
            return None
        for d, s in zip(run.ins, dims, strict=True):
            result[d] = s
    return canonical(x, result)


def _cut_apart(ins: Sequence[Axis], outs: Sequence[Axis]) -> bool:
    """Whether one index is cut into the same blocks in two ways, of sums and of products."""
    return ins[0].root is not outs[0].root and len(branches(ins[0])) > 1


def scattered(user: Node, at: int, state: State) -> bool:
    """Whether what varies is picked entry by entry."""
    picked = [r for r in user.index_map(at) if r.way is Way.PICKED]
    return any(state[d] != CONSTANT for run in picked for d in run.ins)


def _within(large: Axis, small: Axis, start: int, dim: Dim) -> list[Dim]:
    """The state of a range of a dimension; nothing where a block lies outside of it."""
    if isinstance(dim, tuple):
        inside = {o: c for c, o in begins(small).items()}
        offset = begins(large)[dim[0]] - start
        return [(inside[offset], dim[1])] if offset in inside else []
    return [dim]


def _into(small: Axis, large: Axis, start: int, dim: Dim) -> list[Dim]:
    """The state of a dimension of which a range varies."""
    spread = _spread(small, dim)
    if len(spread) != 1:
        return [ARBITRARY]
    ((choice, which),) = spread
    whole = {o: c for c, o in begins(large).items()}
    return [(whole[begins(small)[choice] + start], which)]
