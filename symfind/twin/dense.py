"""Layers that append what they compute to all that came before, and graphs with fewer of them.

Such layers are not repetitions that could be taken out as they are: each is wider than the one
before. But what one appends can be made of size zero, wherever it is read; then nothing is left of
that layer, and what is left is a network of the same kind. They are found without names: as
concatenations of which each is the one before and one wire more, computed from the one before by
operations that spell the same but for the width of what is concatenated.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from symfind.algebra.axes import Axis
from symfind.graph.extents import Relations
from symfind.trace import Graph, Op
from symfind.twin.build import resized
from symfind.twin.depth import KEPT, rebuilt
from symfind.twin.sizes import Sizes

_LONGEST = 60  # operations of one layer


@dataclass(frozen=True)
class Dense:
    """What every layer appends, in order."""

    layers: tuple[Op, ...]

    @property
    def degree(self) -> int:
        """Widths grow by the layer, and with them what there is of each: counts are quadratic."""
        return 2


@dataclass(frozen=True)
class _Joined:
    """A concatenation as the wires that are joined, those of concatenations inside it in place."""

    op: Op
    parts: tuple[Op, ...]


def appended(relations: Relations) -> list[Dense]:
    """Layers that append, where there are more than `KEPT` in a row, in order."""
    joined = [_Joined(op, _parts(op)) for op in relations.graph.ops if _joins(op)]
    whole: dict[tuple[Op, ...], set[int]] = {}
    for one in joined:
        whole.setdefault(one.parts, set()).add(id(one.op))
    chains: dict[tuple[Op, ...], tuple[Hashable, list[Op]]] = {}
    for one in sorted(joined, key=lambda j: len(j.parts)):
        *before, new = one.parts
        sources = whole.get(tuple(before), set()) | ({id(before[0])} if len(before) == 1 else set())
        if one.parts in chains or not before or not _only_joined(new, relations):
            continue
        spelled = _spelling(new, sources, _width(before, one.op, relations), relations)
        if spelled is None:
            continue
        known, layers = chains.get(tuple(before), (None, []))
        chains[one.parts] = (spelled, [*layers, new] if known == spelled else [new])
    found: dict[int, list[Op]] = {}  # the longest of those that begin with the same layer
    for _, layers in chains.values():
        if len(layers) > len(found.get(id(layers[0]), [])):
            found[id(layers[0])] = layers
    return [Dense(tuple(layers)) for layers in found.values() if len(layers) > KEPT]


def thinned(relations: Relations, found: Sequence[Dense], kept: Mapping[int, int]) -> Graph:
    """The graph with all but the first layers of every chain taken out.

    Args:
        relations: of the graph with all layers.
        found: its chains.
        kept: how many layers stay, by number of the chain.
    """
    gone = {
        _new_axis(op, relations): 0
        for number, chain in enumerate(found)
        for op in chain.layers[kept[number] :]
    }
    graph = resized(relations, Sizes(gone))
    for op in graph.ops:
        if _joins(op):
            some = type(op.args[0])(x for x in op.args[0] if 0 not in (x.shape or ()))
            op.args = (some, *op.args[1:])
    return rebuilt(graph, graph.ops, lambda op: op)


def _joins(op: Op) -> bool:
    return op.target.startswith("aten.cat.") and op.varies and op.trainable


def _dim(op: Op) -> int:
    return (op.args[1] if len(op.args) > 1 else 0) % len(op.shape or (1,))


def _parts(op: Op) -> tuple[Op, ...]:
    found: list[Op] = []
    for x in op.args[0]:
        inside = _joins(x) and _dim(x) == _dim(op)
        found += _parts(x) if inside else [x]
    return tuple(found)


def _new_axis(op: Op, relations: Relations) -> Axis:
    (user, *_) = op.users
    return relations.of(op)[_dim(user)].root


def _only_joined(op: Op, relations: Relations) -> bool:
    """Whether a wire is read by concatenations alone, along an index of its own."""
    if not op.users or not all(map(_joins, op.users)) or len({_dim(u) for u in op.users}) > 1:
        return False
    axis = _new_axis(op, relations)
    pinned = any(axis is a.root for a, _ in relations.pinned)
    return axis.kind == "atom" and axis.size > 1 and not pinned


def _width(before: Sequence[Op], op: Op, relations: Relations) -> set[int]:
    """The indices (by identity) that are as long as what a layer reads."""
    found = {id(relations.of(x)[_dim(op)].root) for x in before if len(before) == 1}
    for x in before:
        for user in x.users:
            if _joins(user) and _parts(user) == tuple(before):
                found.add(id(relations.of(user)[_dim(user)].root))
    return found


def _spelling(
    new: Op, sources: set[int], width: set[int], relations: Relations
) -> tuple[Hashable, ...] | None:
    """What a layer does, None where it reads more than what it appends to."""
    words: list[Hashable] = []
    seen: set[int] = set()
    stack = [new]
    while stack:
        op = stack.pop()
        if id(op) in seen or id(op) in sources:
            continue
        seen.add(id(op))
        if op.target == "input" or len(seen) > _LONGEST:
            return None
        axes = [a.root for result in relations.axes[id(op)] for a in result]
        words.append((op.target, tuple("width" if id(a) in width else a.size for a in axes)))
        stack.extend(op.operands)
    return tuple(words)
