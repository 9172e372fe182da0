"""Layers that repeat, found without names, and graphs with fewer of them.

Between two operations of the trace few wires pass. A stretch through which all but one of them
pass unchanged, and which turns that one into another of its shape, is a layer (or a part of one):
it can be taken out, and what is left is a network of the same kind. Stretches that spell the same
operations on parameters of the same shapes, one after the other, are repetitions.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symfind.trace import Graph, Op, replace

KEPT = 2  # repetitions that stay
_LONGEST = 600  # operations in one stretch
_PERIOD = 6  # stretches that may form one layer


@dataclass(frozen=True)
class Stretch:
    """Operations `first` to `last` (positions), which turn the wire `before` into `after`."""

    first: int
    last: int
    before: Op
    after: Op


@dataclass(frozen=True)
class Run:
    """The same layer several times: each repetition is one stretch."""

    layers: tuple[Stretch, ...]

    @property
    def degree(self) -> int:
        """Each adds the same."""
        return 1


def runs(graph: Graph) -> list[Run]:
    """Layers that repeat more often than `KEPT` times, in order."""
    stretches = _stretches(graph)
    spelled: dict[int, Hashable] = {}

    def spelling(s: Stretch) -> Hashable:
        if s.first not in spelled:
            spelled[s.first] = _spelling(graph, s)
        return spelled[s.first]

    found = []
    free = 0
    for start in sorted(stretches):
        if start < free:
            continue
        best: tuple[int, list[Stretch]] = (0, [])
        for period in range(1, _PERIOD + 1):
            layers = _layers(stretches, spelling, start, period)
            gained = sum(s.last - s.first + 1 for s in layers[KEPT:])
            if gained > best[0]:
                best = gained, layers
        if best[0]:
            found.append(Run(tuple(best[1])))
            free = best[1][-1].last
    return found


def _layers(
    stretches: Mapping[int, Stretch], spelling: Any, start: int, period: int
) -> list[Stretch]:
    """Consecutive layers of `period` stretches each that spell the same."""
    layers: list[Stretch] = []
    model: list[Hashable] = []
    while True:
        parts: list[Stretch] = []
        at = start
        while len(parts) < period and at in stretches:
            parts.append(stretches[at])
            at = parts[-1].last
        if len(parts) < period:
            return layers
        words = [spelling(s) for s in parts]
        if layers and words != model:
            return layers
        model = words
        layers.append(Stretch(parts[0].first, parts[-1].last, parts[0].before, parts[-1].after))
        start = at


def shortened(graph: Graph, runs: Sequence[Run], kept: Mapping[int, int] | None = None) -> Graph:
    """The graph with all but the first repetitions of every run taken out.

    Args:
        graph: with all layers.
        runs: of the graph.
        kept: how many repetitions stay, by number of the run, where it is not `KEPT`.
    """
    gone: set[int] = set()
    instead: dict[int, Op] = {}
    for number, run in enumerate(runs):
        stay = (kept or {}).get(number, KEPT)
        if stay < len(run.layers):
            gone.update(range(run.layers[stay].first, run.layers[-1].last + 1))
            instead[id(run.layers[-1].after)] = run.layers[stay - 1].after
    ops = [op for i, op in enumerate(graph.ops) if i not in gone or op.constant]

    def current(op: Op) -> Op:
        while id(op) in instead:
            op = instead[id(op)]
        return op

    return rebuilt(graph, ops, current)


def rebuilt(graph: Graph, ops: Sequence[Op], current: Callable[[Op], Op]) -> Graph:
    """A copy of what the outputs need.

    Args:
        graph: the graph.
        ops: those of its operations that may stay.
        current: which operation is read in the place of another.
    """
    needed: set[int] = {id(op) for op in graph.inputs}
    stack = list(graph.outputs)
    while stack:
        op = stack.pop()
        if id(op) not in needed:
            needed.add(id(op))
            stack.extend(current(x) for x in op.operands)
    made: dict[int, Op] = {}
    for op in ops:
        if id(op) in needed:
            made[id(op)] = _copied(op, lambda x: made[id(current(x))])
    for op in made.values():
        for operand in dict.fromkeys(op.operands):
            operand.users.append(op)
    unread = set(graph.unread)
    parameters = {
        name: made.get(id(op), op)
        for name, op in graph.parameters.items()
        if id(op) in made or name in unread
    }
    return Graph(
        list(made.values()),
        [made[id(op)] for op in graph.inputs],
        parameters,
        [made[id(op)] for op in graph.outputs],
        list(graph.unread),
    )


def _copied(op: Op, read: Any) -> Op:
    return Op(
        op.name,
        op.target,
        replace(op.args, read),
        replace(op.kwargs, read),
        shape=op.shape,
        dtype=op.dtype,
        outputs=list(op.outputs),
        where=op.where,
        module=op.module,
        key=op.key,
        varies=op.varies,
        trainable=op.trainable,
        data=op.data,
    )


def _stretches(graph: Graph) -> dict[int, Stretch]:
    """The shortest stretch after every operation that begins one, by the position of that one."""
    ops = graph.ops
    place = {id(op): i for i, op in enumerate(ops)}
    last = [max((place[id(u)] for u in op.users), default=-1) for op in ops]
    passing: list[frozenset[int]] = []
    alive: set[int] = set()
    for i, op in enumerate(ops):
        alive = {j for j in alive if last[j] > i}
        if op.trainable and op.varies and last[i] > i:
            alive.add(i)
        passing.append(frozenset(alive))
    found = {}
    for i, op in enumerate(ops):
        end = _end(ops, passing, i)
        if end is not None:
            found[i] = Stretch(i + 1, end, op, ops[end])
    return found


def _end(ops: Sequence[Op], passing: Sequence[frozenset[int]], start: int) -> int | None:
    """Where a stretch that begins after operation `start` is over."""
    if start not in passing[start]:
        return None
    beside = passing[start] - {start}
    for end in range(start + 1, min(start + _LONGEST, len(ops))):
        same = ops[end].shape == ops[start].shape and ops[end].dtype == ops[start].dtype
        if same and passing[end] == beside | {end}:
            return end
    return None


def _spelling(graph: Graph, stretch: Stretch) -> Hashable:
    """What a stretch does: equal for stretches that differ only in the values of their leaves.

    What is computed of nothing and read by others, too, is none of its operations: it stands where
    it is read first.
    """
    own = _own(graph, stretch)
    inside = {id(op): i for i, op in enumerate(own)}
    leaves: dict[int, int] = {}

    def word(x: Op) -> Hashable:
        if x is stretch.before:
            return "before"
        if id(x) in inside:
            return "inside", inside[id(x)]
        if x.target in ("parameter", "constant") and all(id(u) in inside for u in x.users):
            number = leaves.setdefault(id(x), len(leaves))
            return "leaf", number, x.target, x.shape, str(x.dtype), x.trainable
        return "beside", id(x)

    def spell(tree: Any) -> Hashable:
        if isinstance(tree, Op):
            return word(tree)
        if isinstance(tree, (tuple, list)):
            return tuple(spell(item) for item in tree)
        return repr(tree)

    return tuple(
        (op.target, op.shape, spell(op.args), spell(sorted(op.kwargs.items()))) for op in own
    )


def _own(graph: Graph, stretch: Stretch) -> list[Op]:
    """The operations of a stretch, but constants that are read elsewhere."""
    found: dict[int, Op] = {}
    for op in reversed(graph.ops[stretch.first : stretch.last + 1]):
        if not op.constant or all(id(u) in found for u in op.users):
            found[id(op)] = op
    return [*reversed(found.values())]
