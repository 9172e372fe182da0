"""Families as records: what a family does, said of named tensors and index ranges alone.

A kind of family that is not known here is recorded by the calls that its field makes, so that
families which other searches find need no rule of their own; one that knows better has a method
`recorded(recorder)` that returns its record.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch

from symfind.action.capture import Names, capture
from symfind.action.program import Unrecordable
from symfind.action.record import Action, Block, Element, Gain, Index, Pairs, Record, Role, Value
from symfind.algebra.axes import positions
from symfind.algebra.generator import Generator
from symfind.graph import primitives as p
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family, followers
from symfind.solve.point.values import Environment
from symfind.trace.graph import Op

_RULES = {
    "general": ("is invertible", "has positive determinant"),
    "orthogonal": ("is orthogonal", "has determinant one"),
    "stabiliser": ("is orthogonal", "keeps the all-ones vector", "has determinant one"),
    "affine-stabiliser": (
        "is invertible", "keeps the all-ones vector from both sides", "has positive determinant",
    ),
    "columns": ("is the identity plus a matrix of equal rows, 1 k^T", "is invertible"),
    "complex": ("is invertible", "commutes with the rotations of {pairs}"),
    "rotations": ("is orthogonal", "commutes with the rotations of {pairs}", "has determinant one"),
}  # fmt: skip


class Recorder:
    """Makes the records of the families of one model."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], nodes: Sequence[p.Node] = ()) -> None:
        """Take the shapes of the parameters, and the wires of the graph."""
        self.names = Names(shapes)
        self._constants = _Constants(self.names, nodes)

    def record(self, family: Family) -> Record:
        """What a family does; a record that says why, where that cannot be written down."""
        with self._constants.named():
            return self._record(family)

    def of_generator(self, generator: Generator, dimension: int) -> Record:
        """What any other generator does to the parameters, by the calls that its field makes."""
        shapes = {name: tuple(self.names.parameters[name].shape) for name in generator.parameters}
        actions = tuple(Action(name, shape, "field") for name, shape in shapes.items())
        element = Element("field", dimension=dimension)
        theta = self.names.parameters
        try:
            change = capture(
                self.names, lambda c: generator.direction(theta, c), {"c": (dimension,)}
            )
        except Unrecordable as reason:
            return Record(element, actions, missing=str(reason))
        return Record(element, actions, change, motion="followed")

    def _record(self, family: Family) -> Record:
        own = getattr(family, "recorded", None)
        try:
            if own is not None:
                return own(self)
            if isinstance(family, MatrixFamily):
                return self._matrix(family)
            if isinstance(family, ScalingFamily):
                return self._scaling(family)
            return self._additive(family)
        except Unrecordable as reason:
            return self._unrecorded(family, str(reason))

    # by kind -----------------------------------------------------------------------------
    def _matrix(self, family: MatrixFamily) -> Record:
        n, copies = family.axis.size, tuple(a.size for a in family.indexed)
        pairs = tuple(family._pairs(None)) if family.bond.pairs else ()
        rules = tuple(s.format(pairs=spelled(pairs)) for s in _RULES[family.type])
        element = Element(
            "matrix", family.type, n, copies, family.count(), pairs, constraints=rules
        )
        actions = []
        for m in family.members:
            atoms = m.source.cells[m.cell].atoms
            roles: dict[int, tuple[Role, int]] = {m.atom: ("acted", -1)}
            for k, axis in enumerate(family.indexed):
                roles[atoms.index(axis)] = ("copy", k)
            dim = m.source.cells[m.cell].places[m.atom][0]
            side = ("left", "right")[dim] if len(m.source.axes) == 2 else ""
            actions.append(Action(
                m.source.key, tuple(m.source.shape), "multiply",
                block_of(m.source, m.cell, roles), side, m.dual,  # type: ignore[arg-type]
                gains=tuple(self._gain(family.nodes[i], cell, e) for (i, cell), e in m.potential),
                origin=self._origin(m.source),
            ))  # fmt: skip
        return Record(element, (*_last(family, actions), *self._following(family)))

    def _scaling(self, family: ScalingFamily) -> Record:
        scaling = family.scaling
        copies = tuple(a.size for a in scaling.indexed)
        ties = tuple(tuple(t or ()) for t in scaling.ties)
        rules = ["is positive"]
        rules += [f"is equal on {spelled(t)}" for t in ties if t]
        element = Element(
            "scale", "", 1, copies, family.count(), ties=ties, constraints=tuple(rules)
        )
        actions = []
        for m in scaling.members:
            roles: dict[int, tuple[Role, int]] = {
                place: ("copy", k) for k, place in enumerate(m.places)
            }
            actions.append(Action(
                m.source.key, tuple(m.source.shape), "scale", block_of(m.source, m.cell, roles),
                exponent=float(m.exponent), origin=self._origin(m.source),
            ))  # fmt: skip
        return Record(element, (*_last(family, actions), *self._following(family)))

    def _additive(self, family: Family) -> Record:
        """Something added, and what takes it back; or any other field."""
        seed = [_seed(family)] if isinstance(family, ShiftFamily) else []
        copies = tuple(
            i.size for i in (seed[0].block.indices if seed and seed[0].block else ())
            if i.role == "copy"
        )  # fmt: skip
        kind = "shift" if seed else "field"
        element = Element(kind, "", 1, copies, family.count())  # type: ignore[arg-type]
        wires = (*family.sources, *followers(family.sources))
        plain = all(s.offset is None for s in wires)
        if seed and len(wires) == 1 and plain:
            return Record(element, tuple(seed))
        moved = {s.key: tuple(s.shape) for s in wires}
        known = {a.tensor for a in seed}
        rest = [Action(k, shape, "field") for k, shape in moved.items() if k not in known]
        given = {"c": (element.dimension,)}
        field = capture(self.names, lambda c: self._point().direction(family, c), given)
        flow = None
        loose = bool(getattr(family, "loose", False))
        if getattr(family, "follow", None) is not None and not loose:
            flow = capture(self.names, lambda c: self._point().flow(family, c, 1.0), given)
        return Record(
            element, (*seed, *rest), field, flow, "followed" if loose or not plain else "exact"
        )

    def _unrecorded(self, family: Family, reason: str) -> Record:
        kind: Literal["shift", "field"] = "shift" if isinstance(family, ShiftFamily) else "field"
        wires = {s.key: tuple(s.shape) for s in (*family.sources, *followers(family.sources))}
        actions = tuple(Action(key, shape, "field") for key, shape in wires.items())
        return Record(Element(kind, dimension=family.count()), actions, missing=reason)

    # values ------------------------------------------------------------------------------
    def _point(self) -> Point:
        return Point(self.names.parameters, None, self._constants)  # type: ignore[arg-type]

    def value(self, compute: Any) -> Value:
        """What a function of an environment gives: a number where it reads nothing and is one."""
        program = capture(self.names, lambda: {"value": compute(self._point().environment())})
        if not program.reads:
            whole = program.run({})["value"]
            if whole.numel() and bool((whole == whole.reshape(-1)[0]).all()):
                return Value(f"{float(whole.reshape(-1)[0]):g}", float(whole.reshape(-1)[0]))
        return Value(", ".join(program.reads), None, program)

    def _gain(self, node: p.Node, cell: int, exponent: int) -> Gain:
        value = self.value(lambda env: env.take(node, cell, env.value(node)))
        if isinstance(node, p.Source) and node.role == "parameter":
            about = node.origin is not None or node.offset is not None
            text = f"about({node.key})" if about else node.key
            origin = self._origin(node)
            if origin is not None and origin.number is not None:
                text = f"{-origin.number:g} + {node.key}"
            value = Value(text, None, value.program) if value.program else value
        return Gain(value, exponent)

    def _origin(self, source: p.Source) -> Value | None:
        """What is taken off a tensor before anything acts on it, in the order of the tensor."""
        shifts = [s for s in (source.offset, source.origin) if s is not None]
        if not shifts:
            return None

        def compute(env: Environment) -> torch.Tensor:
            total = env.value(shifts[0])
            for shift in shifts[1:]:
                total = total + env.value(shift)
            return env.restored(source, total.expand(env.shape(source)))

        return self.value(compute)

    def _following(self, family: Family) -> list[Action]:
        return [
            Action(s.key, tuple(s.shape), "follow", origin=self._origin(s))
            for s in followers(family.sources)
        ]


class _Constants(Mapping[str, torch.Tensor]):
    """Constants that have a name, as tensors of the checkpoint."""

    def __init__(self, names: Names, nodes: Sequence[p.Node]) -> None:
        self.names = names
        self.ops: dict[str, Op] = {}
        self.above: list[Op] = []  # constants that are computed from those
        known: dict[int, bool] = {}
        for node in nodes:
            for op in (node.op, node.result_of):
                self._sort(op, known)

    def _sort(self, op: Op | None, known: dict[int, bool]) -> None:
        """Find the named constants below an operation, and what depends on them."""
        stack = [op] if isinstance(op, Op) else []
        while stack:
            top = stack[-1]
            waiting = [o for o in top.operands if id(o) not in known]
            if id(top) in known or not waiting:
                stack.pop()
            stack.extend(waiting if id(top) not in known else ())
            if not waiting and id(top) not in known:
                named = bool(top.key) and top.constant and top.data is not None
                if named:
                    self.ops[top.key] = top
                known[id(top)] = named or any(known[id(o)] for o in top.operands)
                if known[id(top)] and not named and top.constant:
                    self.above.append(top)

    @contextmanager
    def named(self) -> Iterator[None]:
        """While this lasts, the values of named constants are those of a checkpoint."""
        ops = [*self.ops.values(), *self.above]
        before = [(op._value, op._known) for op in ops]
        try:
            for op in ops:
                named = op.key in self.ops and self.ops[op.key] is op
                op._value, op._known = (self[op.key] if named else None), named
            yield
        finally:
            for op, (value, known) in zip(ops, before, strict=True):
                op._value, op._known = value, known

    def __getitem__(self, key: str) -> torch.Tensor:
        op = self.ops[key]
        if op.shape is None or op.dtype is None:
            raise KeyError(key)
        return self.names.buffer(key, tuple(op.shape), op.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ops)

    def __len__(self) -> int:
        return len(self.ops)


def distinct(
    records: Sequence[Record],
) -> tuple[tuple[Record, ...], list[tuple[int, tuple[str, ...]]]]:
    """Records that differ in more than names, and for every one which it is, with its names."""
    kept: list[Record] = []
    patterns: list[Record] = []
    shares = []
    for record in records:
        pattern = record.renamed({name: str(k) for k, name in enumerate(record.names)})
        if pattern not in patterns:
            patterns.append(pattern)
            kept.append(record)
        shares.append((patterns.index(pattern), record.names))
    return tuple(kept), shares


def block_of(source: p.Source, cell: int | None, roles: Mapping[int, tuple[Role, int]]) -> Block:
    """A block of a parameter as index ranges of its tensor.

    Args:
        source: the wire.
        cell: number of the block; None for all of them, with one index for each dimension.
        roles: by the position of an index in the block.
    """
    offsets, indices, orders = [], [], {}
    k = 0
    for dim, axis in enumerate(source.axes):
        if cell is None:
            places = np.arange(axis.size)
        else:
            places = np.asarray(positions(axis, source.cells[cell].choice[dim]))
        if dim in source.orders:
            places = np.asarray(source.orders[dim])[places]
        first = int(places.reshape(-1)[0])
        strides = [int(places.take(1, axis=d).reshape(-1)[0]) - first if n > 1 else 0
                   for d, n in enumerate(places.shape)]  # fmt: skip
        straight = np.full(places.shape, first)
        for stride, grid in zip(strides, np.indices(places.shape), strict=True):
            straight += stride * grid
        if not np.array_equal(straight, places):
            orders[str(dim)] = tuple(int(i) for i in places.reshape(-1))
        offsets.append(first)
        for n, stride in zip(places.shape, strides, strict=True):
            role, copy = roles.get(k, ("alike", -1))
            indices.append(Index(dim, n, stride, role, copy))
            k += 1
    return Block(tuple(offsets), tuple(indices), orders)


def _seed(family: ShiftFamily) -> Action:
    roles: dict[int, tuple[Role, int]] = {k: ("copy", d) for d, k in enumerate(family.free)}
    block = block_of(family.seed, family.cell, roles)
    return Action(family.seed.key, tuple(family.seed.shape), "add", block)


def _last(family: Family, actions: list[Action]) -> list[Action]:
    """Of a parameter that is several wires, what is done to the last: all are the same."""
    members = family.members if isinstance(family, MatrixFamily) else family.scaling.members  # type: ignore[attr-defined]
    last = {m.source.key: m.source for m in members}
    return [a for a, m in zip(actions, members, strict=True) if last[m.source.key] is m.source]


def spelled(pairs: Pairs) -> str:
    """Pairs of coordinates, by a rule where they have one: `the pairs (i, i+64)`."""
    gaps = {j - i for i, j in pairs}
    if len(gaps) == 1:
        (gap,) = gaps
        firsts = [i for i, _ in pairs]
        if gap == 1 and firsts == list(range(firsts[0], firsts[0] + 2 * len(firsts), 2)):
            return f"the pairs (2i, 2i+1), i < {len(pairs)}" if firsts[0] == 0 else _listed(pairs)
        if firsts == list(range(len(firsts))):
            return f"the pairs (i, i+{gap}), i < {len(pairs)}"
    return _listed(pairs)


def _listed(pairs: Pairs) -> str:
    shown = ", ".join(f"({i}, {j})" for i, j in pairs[:4])
    return f"the pairs {shown}" + (f", ... {len(pairs)} in all" if len(pairs) > 4 else "")
