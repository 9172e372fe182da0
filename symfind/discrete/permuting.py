"""Permutations of hidden indices: one unknown per atomic index of every block of every wire.

A permutation of an index passes an operation that treats all its values alike: whatever acts
entry by entry, contracts, normalises or copies. So the unknowns that meet in an operation under one
label are equal, those that meet something of its own along that index (inputs, outputs, masks,
tables, positions) are the identity, and a union-find closes these relations. An unknown may be
another permutation for every value of the indices beside it (one per head, per group, per expert)
where every operation that it meets carries those indices along.

The permutation group of a hidden layer is known since Hecht-Nielsen 1990 (On the algebraic
structure of feedforward network weight spaces); Ainsworth et al. 2023 (Git Re-Basin) tabulate it
by hand for each architecture.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from symfind.algebra.axes import Axis
from symfind.discrete.fixed import masked, statistics_of
from symfind.graph import primitives as p
from symfind.graph.primitives import Instance, Node, Port
from symfind.ops.lower import Lowered
from symfind.solve.bonds.classes import Classes
from symfind.solve.point.values import Environment

LARGEST = 4_000_000  # a constant with more entries is not looked into


@dataclass(frozen=True)
class Spot:
    """One atomic index of one block of a tensor."""

    source: p.Source
    cell: int
    atom: int

    @property
    def axis(self) -> Axis:
        """The index."""
        return self.source.cells[self.cell].atoms[self.atom].root

    def beside(self, axis: Axis) -> int:
        """The place of another index in the same block."""
        return self.source.cells[self.cell].atoms.index(axis)


@dataclass(eq=False)
class Shuffle:
    """One index that may be permuted, once for every value of the indices `by`.

    Attributes:
        size: how many values are permuted.
        by: indices that choose among independent permutations.
        spots: where it acts: on parameters, and on batch statistics.
    """

    size: int
    by: tuple[Axis, ...]
    spots: list[Spot]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Trainable tensors that it moves, in the order of the graph."""
        return tuple(
            dict.fromkeys(s.source.key for s in self.spots if s.source.role == "parameter")
        )


@dataclass
class _Unknown:
    by: frozenset[Axis]
    still: bool = False  # the identity


@dataclass
class Permutations:
    """The relations among all permutations of a lowered graph."""

    lowered: Lowered
    _owner: list[tuple[Node, int, int]] = field(default_factory=list)
    _start: dict[int, list[int]] = field(default_factory=dict)
    _classes: Classes[None] = field(
        default_factory=lambda: Classes(0, lambda v: None, lambda own, above: None)
    )
    _unknowns: list[_Unknown] = field(default_factory=list)
    read: set[tuple[int, int]] = field(default_factory=set)  # wires and blocks that meet something

    def __post_init__(self) -> None:
        """Read every instance of every primitive once."""
        for node in self.lowered.nodes:
            self._enter(node)
        for node in self.lowered.nodes:
            for instance in node.instances():
                self._read(node, instance)
            self._level(node)
            for d in masked(node):
                self._fix_dimension(node, d)
        self.states = statistics_of(self.lowered)
        for state, nodes in self.states:
            self._enter(state)
            for node in nodes:
                self._channels(state, node)
        self._sources()

    def _enter(self, node: Node) -> None:
        starts = []
        for c, cell in enumerate(node.cells):
            starts.append(len(self._owner))
            count = Counter(cell.atoms)
            for a, atom in enumerate(cell.atoms):
                self._owner.append((node, c, a))
                self._classes.add()
                beside = frozenset(x for x in cell.atoms if count[x] == 1 and x is not atom)
                self._unknowns.append(_Unknown(beside))
        self._start[id(node)] = starts

    # union-find --------------------------------------------------------------------------
    def _find(self, v: int) -> int:
        return self._classes.find(v)[0]

    def _link(self, v: int, w: int, by: frozenset[Axis] | None = None) -> None:
        a, b = self._find(v), self._find(w)
        one, two = self._unknowns[a], self._unknowns[b]
        if a != b:
            self._classes.join(a, b, None)
            one.still |= two.still
            one.by &= two.by
        if by is not None:
            one.by &= by

    def _fix(self, v: int) -> None:
        self._unknowns[self._find(v)].still = True

    def _var(self, port: Port, atom: int) -> int:
        return self._start[id(port.node)][port.cell] + atom

    # relations ---------------------------------------------------------------------------
    def _read(self, node: Node, instance: Instance) -> None:
        ports = (*instance.inputs, instance.output)
        self.read.update((id(port.node), port.cell) for port in ports)
        if isinstance(node, p.Rigid | p.Output):
            self._still(ports)
            return
        meeting: dict[Any, list[Port]] = {}
        for port in ports:
            if not (isinstance(port.node, p.Source) and port.node.zero):
                for name in port.labels:
                    meeting.setdefault(name, []).append(port)
        stiff, apart = self._along(node)
        for name, here in meeting.items():
            if name[0] in stiff or (len(here) == 1 and not self._alone(node, instance, here[0])):
                self._still(here, name)
            else:
                barred = set() if name[0] in apart else apart
                self._equal(here, name, barred)

    def _level(self, node: Node) -> None:
        """What is joined along a dimension is permuted alike, in whatever block of it."""
        _, apart = self._along(node)
        for cells in p.alongside(node, apart) if apart else ():
            ports = [node.port(cell, range(len(node.axes))) for cell in cells]
            for name in ports[0].labels if len(ports) > 1 else ():
                if name[0] not in apart:
                    self._equal(ports, name, apart)

    @staticmethod
    def _along(node: Node) -> tuple[set[Any], set[Any]]:
        """Dimensions along which a node treats no two entries alike, and those that it joins."""
        match node:
            case p.Commute():
                rank = len(node.axes)
                return {d for d in range(rank) if d not in node.even}, set()
            case p.Normalise() | p.Centre() | p.Softmax():
                return set(), set(node.dims)
            case p.Mix() | p.Choice():
                return set(node.stiff), set()
        return set(), set()

    @staticmethod
    def _alone(node: Node, instance: Instance, port: Port) -> bool:
        """Whether an index that one participant has, and no other, may be permuted.

        It may where it is summed over, or where all its values are copies.
        """
        match node:
            case p.Contract():
                return port is not instance.output and not node.windows
            case p.Order():
                return False  # places are what it returns
            case p.Mix():
                return port is not instance.output and node.drop and not node.uneven
            case p.Expand():
                return port is instance.output
        return False

    def _still(self, ports: Iterable[Port], label: Any = None) -> None:
        for port in ports:
            for i, name in enumerate(port.labels):
                if label is None or name == label:
                    self._fix(self._var(port, i))

    def _equal(self, ports: list[Port], name: Any, barred: set[Any]) -> None:
        """One permutation for all that carry a label, for each value of the labels all carry."""
        first = ports[0]
        v = self._var(first, first.labels.index(name))
        for port in ports:
            shared = frozenset(
                axis
                for label, axis in self._axes(first)
                if label != name and label[0] not in barred and (label, axis) in self._axes(port)
            )
            if port is not first or barred:
                self._link(v, self._var(port, port.labels.index(name)), shared)

    @staticmethod
    def _axes(port: Port) -> list[tuple[Any, Axis]]:
        return list(zip(port.labels, port.node.cells[port.cell].atoms, strict=True))

    def _fix_dimension(self, node: Node, dim: int) -> None:
        for c, cell in enumerate(node.cells):
            for a, (d, _) in enumerate(cell.places):
                if d == dim:
                    self._fix(self._start[id(node)][c] + a)

    # sources -----------------------------------------------------------------------------
    def _sources(self) -> None:
        known = {state.key for state, _ in self.states}
        for node in self.lowered.nodes:
            if not isinstance(node, p.Source):
                continue
            for shift in (node.offset, node.origin):
                if shift is not None:
                    self._alike(node, shift)
            if node.role == "input":
                self._each(node, lambda c, a: True)
        for copies in self.lowered.parameters.values():
            for other in copies[1:]:
                self._alike(copies[0], other, reordered(copies[0], other))
            for node in copies:
                self._unread(node)
        for node in self.lowered.nodes:
            if isinstance(node, p.Source) and node.role == "constant" and not node.zero:
                if node.key not in known and not _spread(node):
                    self._constant(node)

    def _each(self, node: Node, fixed: Any) -> None:
        for c, cell in enumerate(node.cells):
            for a in range(len(cell.atoms)):
                if fixed(c, a):
                    self._fix(self._start[id(node)][c] + a)

    def _alike(self, one: Node, two: Node, apart: Collection[int] = ()) -> None:
        """Two wires of one shape are permuted alike; where blocks differ, not at all.

        Nor are they along dimensions that they number otherwise (`apart`).
        """
        if [c.choice for c in one.cells] != [c.choice for c in two.cells]:
            self._each(one, lambda c, a: True)
            self._each(two, lambda c, a: True)
            return
        for c, (x, y) in enumerate(zip(one.cells, two.cells, strict=True)):
            pair = one.port(c, range(len(one.axes))), two.port(c, range(len(two.axes)))
            if x.places != y.places or [a.size for a in x.atoms] != [a.size for a in y.atoms]:
                self._still(pair)
                continue
            for name in pair[0].labels:
                if name[0] in apart:
                    self._still(pair, name)
                else:
                    self._equal(list(pair), name, set(apart))

    def _unread(self, node: p.Source) -> None:
        """Blocks that nothing reads go with those that something does."""
        leader: dict[tuple[int, Axis], int] = {}
        for c, cell in enumerate(node.cells):
            for a, (atom, (dim, _)) in enumerate(zip(cell.atoms, cell.places, strict=True)):
                if (id(node), c) in self.read:
                    leader.setdefault((dim, atom), self._start[id(node)][c] + a)
        for c, cell in enumerate(node.cells):
            for a, (atom, (dim, _)) in enumerate(zip(cell.atoms, cell.places, strict=True)):
                if (id(node), c) not in self.read:
                    v = self._start[id(node)][c] + a
                    found = leader.get((dim, atom))
                    self._fix(v) if found is None else self._link(v, found)

    def _constant(self, node: p.Source) -> None:
        """A constant may be permuted along what it is constant along."""
        live = [
            (c, a)
            for c, cell in enumerate(node.cells)
            for a in range(len(cell.atoms))
            if not self._unknowns[self._find(self._start[id(node)][c] + a)].still
        ]
        if not live:
            return
        value = node.value() if torch.Size(node.shape).numel() <= LARGEST else None
        env = Environment({})
        for c, a in live:
            block = None if value is None else env.take(node, c, env.arranged(node, value))
            if block is not None and not block.numel():
                continue
            if block is None or not bool((block == block.narrow(a, 0, 1)).all()):
                self._fix(self._start[id(node)][c] + a)

    def _channels(self, state: p.Source, node: Node) -> None:
        """Batch statistics are permuted as the channels of what they normalise."""
        other = state.orders.get(0) != node.orders.get(1)
        if other or node.axes[1].root is not state.axes[0].root:
            for channels in (state, node):
                self._each(channels, lambda c, a: True)
            return
        at = {cell.choice[0]: c for c, cell in enumerate(state.cells)}
        for c, cell in enumerate(node.cells):
            mine = at[cell.choice[1]]
            for a, (dim, place) in enumerate(cell.places):
                if dim == 1:
                    v, w = self._start[id(state)][mine] + place, self._start[id(node)][c] + a
                    self._link(w, v, self._unknowns[self._find(v)].by)

    # result ------------------------------------------------------------------------------
    def shuffles(self) -> list[Shuffle]:
        """The free permutations that move any parameter, in the order of the graph."""
        found: dict[int, list[Spot]] = {}
        for v, (node, c, a) in enumerate(self._owner):
            if not isinstance(node, p.Source) or node.zero:
                continue
            if node.role == "parameter" or any(node is state for state, _ in self.states):
                root = self._find(v)
                unknown = self._unknowns[root]
                if not unknown.still:
                    found.setdefault(root, []).append(Spot(node, c, a))
        return [
            Shuffle(
                spots[0].axis.size,
                tuple(sorted(self._unknowns[root].by, key=lambda axis: axis.serial)),
                spots,
            )
            for root, spots in found.items()
            if any(s.source.role == "parameter" for s in spots)
        ]


def reordered(one: Node, two: Node) -> set[int]:
    """Dimensions of one tensor that two wires number in different orders."""
    return {d for d in {*one.orders, *two.orders} if one.orders.get(d) != two.orders.get(d)}


def _spread(node: p.Source) -> bool:
    """Whether a constant was made by a rule from batch statistics."""
    return node.op is not None and "_norm" in node.op.target and node.compute is not None
