"""Positive scalings: one unknown logarithm per block of every wire, indexed by its atoms.

Products add the logarithms of their factors, powers multiply, what is nonlinear fixes. The
equations are linear with constant coefficients; each unknown is a function of a set of atomic
indices, and an equation that holds for all values of an index makes a term that alone depends on
it constant along it.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from symfind.algebra.axes import Axis
from symfind.graph import primitives as p
from symfind.graph.primitives import Instance, Node, Port
from symfind.ops.lower import Lowered
from symfind.solve.bonds.classes import Classes

Pairs = tuple[tuple[int, int], ...]
Anchored = dict[tuple[int, int], frozenset[int]]  # by node and block: atoms that index a scale
Slots = dict[int, int]  # from the slots of a class to the atoms of a member
Term = tuple[float, int, dict[int, Any]]  # coefficient, class, labels of its slots


@dataclass
class Unknown:
    """The logarithm of a scale: a function of its slots, equal on tied pairs of coordinates."""

    slots: dict[int, Axis]
    zero: bool = False
    ties: dict[int, Pairs] = field(default_factory=dict)
    still: bool = True  # lives on parameter-only wires alone


@dataclass(frozen=True)
class Follower:
    """A block of a parameter that follows a scaling: its exponent, and which atoms index it."""

    source: p.Source
    cell: int
    exponent: float
    places: tuple[int, ...]  # one atom of the block for every index of the scaling


@dataclass(frozen=True)
class Anchor:
    """A block of an exponential or a logarithm at which a scaling ends: see `exponentials`."""

    node: p.Pointwise
    cell: int
    exponent: float
    places: tuple[int, ...]


@dataclass
class Scaling:
    """A free function of some indices, and the parameters that follow it."""

    indexed: tuple[Axis, ...]
    ties: tuple[Pairs | None, ...]
    members: list[Follower]
    anchors: list[Anchor] = field(default_factory=list)


def _renamed(own: Slots, above: Slots) -> Slots:
    """From the slots of a root to the atoms of a member, through those of its parent."""
    return {slot: own[mid] for slot, mid in above.items() if mid in own}


class Scalings:
    """All equations between scales of a lowered graph; `relaxed`: norms without their eps."""

    def __init__(
        self,
        lowered: Lowered,
        *,
        relaxed: Container[Node] = (),
        anchors: Anchored | None = None,
    ) -> None:
        """Read every instance of every primitive once, then solve.

        `anchors`: for the blocks of nodes at which a scaling may end, the atoms that index it.
        """
        self.lowered = lowered
        self.relaxed = relaxed
        self.anchors = anchors or {}
        self._start: list[int] = []
        self._unknowns: list[Unknown] = []
        for node in lowered.nodes:
            self._start.append(len(self._unknowns))
            for cell in node.cells:
                slots = dict(enumerate(cell.atoms))
                self._unknowns.append(Unknown(slots, still=not node.varies))
        self._classes: Classes[Slots] = Classes(len(self._unknowns), self._unit, _renamed)
        self._equations: list[list[tuple[float, Port]]] = []
        self._solved: dict[int, list[tuple[float, int, Slots]]] = {}
        for node in lowered.nodes:
            if isinstance(node, p.Source) and node.role != "parameter" and not node.zero:
                for k in range(len(node.cells)):
                    self._zero(Port(node, k, ()))
            for instance in lowered.instances(node):
                self._read(node, instance)
            self._level(node, self._joined(node))
        self._solve()

    # classes -----------------------------------------------------------------------------
    def _unit(self, v: int) -> Slots:
        return {i: i for i in self._unknowns[v].slots}

    def _find(self, v: int) -> tuple[int, Slots]:
        """The class of an unknown, and which of its atoms every slot of the class is."""
        return self._classes.find(v)

    def _of(self, port: Port) -> tuple[int, dict[int, Any]]:
        """The class of a port, and the labels of its live slots."""
        root, places = self._find(self._start[port.node.index] + port.cell)
        live = self._unknowns[root].slots
        if not port.labels:
            return root, {}
        return root, {slot: port.labels[i] for slot, i in places.items() if slot in live}

    def _zero(self, port: Port) -> None:
        self._unknowns[self._find(self._start[port.node.index] + port.cell)[0]].zero = True

    def _drop(self, root: int, slots: Iterable[int]) -> None:
        for slot in list(slots):
            self._unknowns[root].slots.pop(slot, None)
            self._unknowns[root].ties.pop(slot, None)

    def _restrict(self, port: Port, dims: tuple[int, ...]) -> None:
        """Make an unknown constant along some dimensions."""
        root, labels = self._of(port)
        self._drop(root, [s for s, name in labels.items() if name[0] in dims])

    @staticmethod
    def _joined(node: Node) -> tuple[int, ...]:
        """Dimensions of its operand along which a primitive bears none but equal scales."""
        return node.dims if isinstance(node, p.Normalise | p.Centre | p.Order) else ()

    def _level(self, node: Node, dims: tuple[int, ...]) -> None:
        """Make the scale of an operand constant along dimensions, across all their blocks."""
        if not dims:
            return
        (x,) = node.inputs
        for cells in p.alongside(x, dims):
            ports = [x.port(cell, range(len(x.axes))) for cell in cells]
            for port in ports:
                self._restrict(port, dims)
            for port in ports[1:]:
                self._equal(ports[0], port)

    def _tie(self, root: int, slot: int, pairs: Pairs) -> None:
        if self._unknowns[root].ties.setdefault(slot, pairs) != pairs:
            self._drop(root, [slot])

    def _equal(self, one: Port, two: Port) -> None:
        a, labels_a = self._of(one)
        b, labels_b = self._of(two)
        if a == b:
            self._drop(a, [s for s, n in labels_a.items() if labels_b.get(s) != n])
            return
        by_label = {n: s for s, n in labels_b.items()}
        shared = {s: by_label[n] for s, n in labels_a.items() if n in by_label}
        self._drop(a, [s for s in labels_a if s not in shared])
        keep, gone = self._unknowns[a], self._unknowns[b]
        keep.zero |= gone.zero
        keep.still &= gone.still
        self._classes.join(a, b, shared)
        for mine, theirs in shared.items():
            if theirs in gone.ties:
                self._tie(a, mine, gone.ties[theirs])

    # equations ---------------------------------------------------------------------------
    def _read(self, node: Node, instance: Instance) -> None:
        inputs, out = instance.inputs, instance.output
        match node:
            case p.Contract():
                self._equations.append([*((1.0, x) for x in inputs), (-1.0, out)])
            case p.Pointwise() if node.degree is not None:
                if node.degree == 1:
                    self._equal(inputs[0], out)
                else:
                    self._equations.append([(node.degree, inputs[0]), (-1.0, out)])
            case p.Pointwise() if (node.index, out.cell) in self.anchors:
                shut, open_ = (inputs[0], out) if node.growth is not None else (out, inputs[0])
                self._zero(shut)
                root, labels = self._of(open_)
                where = dict(zip(open_.labels, range(len(open_.labels)), strict=True))
                kept = self.anchors[node.index, out.cell]
                self._drop(root, [s for s, name in labels.items() if where[name] not in kept])
            case p.Normalise():
                if node.eps and node not in self.relaxed:
                    self._zero(inputs[0])
                self._zero(out)
            case p.Order():
                self._zero(out)
            case p.Entrywise() if node.degree == 1:
                self._transparent(instance)
            case p.Entrywise() if node.degree == 0:
                self._zero(out)
                for port in inputs[1:]:
                    self._equal(inputs[0], port)
            case p.Softmax() | p.Rigid() | p.Output() | p.Pointwise() | p.Entrywise():
                for port in (*inputs, out):
                    self._zero(port)
            case p.Commute():
                self._transparent(instance)
                self._turn(node, out)
            case _:
                self._transparent(instance)

    def _turn(self, node: p.Commute, out: Port) -> None:
        """Coordinates that turn into each other are scaled alike."""
        pairs = node.inside(out.cell)
        if pairs is None:
            self._zero(out)
            return
        root, labels = self._of(out)
        for slot, name in list(labels.items()):
            if pairs and name[0] == node.dim:
                self._tie(root, slot, pairs)

    def _transparent(self, instance: Instance) -> None:
        for port in instance.inputs:
            if not (isinstance(port.node, p.Source) and port.node.zero):
                self._equal(port, instance.output)

    # solution ----------------------------------------------------------------------------
    def _expand(self, terms: Iterable[Term]) -> list[Term]:
        """Substitute what is solved, drop what is zero, collect what is the same."""
        total: dict[tuple[int, frozenset], float] = {}
        stack = list(terms)
        while stack:
            c, v, labels = stack.pop()
            unknown = self._unknowns[v]
            if unknown.zero or c == 0:
                continue
            if v in self._solved:
                for k, w, slots in self._solved[v]:
                    moved = {s: labels[t] for s, t in slots.items() if t in labels}
                    stack.append((c * k, w, moved))
            else:
                key = v, frozenset((s, n) for s, n in labels.items() if s in unknown.slots)
                total[key] = total.get(key, 0.0) + c
        return [(c, v, dict(labels)) for (v, labels), c in total.items() if abs(c) > 1e-12]

    def _terms(self, equation: list[Term]) -> list[Term]:
        return self._expand([(c, v, self._live(v, labels)) for c, v, labels in equation])

    def _live(self, v: int, labels: dict[int, Any]) -> dict[int, Any]:
        slots = self._unknowns[v].slots
        if labels.keys() <= slots.keys():
            return labels
        return {slot: name for slot, name in labels.items() if slot in slots}

    def _lone(self, terms: list[Term]) -> bool:
        """Make constant along an index every term that alone depends on it."""
        count = Counter(name for _, _, labels in terms for name in set(labels.values()))
        changed = False
        for _, v, labels in terms:
            alone = [s for s, name in labels.items() if count[name] == 1]
            if alone:
                self._drop(v, alone)
                changed = True
        return changed

    def _settle(self, equation: list[Term]) -> tuple[list[Term], bool]:
        terms, changed = self._terms(equation), False
        while self._lone(terms):
            terms, changed = self._terms(equation), True
        if len(terms) == 1:
            self._unknowns[terms[0][1]].zero = changed = True
            terms = []
        return terms, changed

    def _solve(self) -> None:
        left = [[(c, *self._of(port)) for c, port in equation] for equation in self._equations]
        changed = True
        while changed:
            settled = [(equation, *self._settle(equation)) for equation in left]
            changed = any(moved for _, _, moved in settled)
            left = [equation for equation, terms, _ in settled if terms]
        for equation in left:
            self._eliminate(equation)

    def _eliminate(self, equation: list[Term]) -> None:
        terms, _ = self._settle(equation)
        if not terms:
            return
        names = {name for _, _, labels in terms for name in labels.values()}
        often = Counter(v for _, v, _ in terms)

        def full(term: Term) -> bool:
            values = list(term[2].values())
            return often[term[1]] == 1 and set(values) == names and len(values) == len(names)

        pivots = [t for t in terms if full(t)]
        if not pivots:
            common = set.intersection(*(set(labels.values()) for _, _, labels in terms))
            for _, v, labels in terms:
                self._drop(v, [s for s, n in labels.items() if n not in common])
            terms, _ = self._settle(equation)
            names = common
            often = Counter(v for _, v, _ in terms)
            pivots = [t for t in terms if full(t)]
            if not pivots:
                for _, v, _ in terms:
                    self._unknowns[v].zero = True
                return
        pivot = min(
            pivots, key=lambda t: (bool(self._unknowns[t[1]].ties), not self._unknowns[t[1]].still)
        )
        c, root, labels = pivot
        place = {name: slot for slot, name in labels.items()}
        others = [t for t in terms if t is not pivot]
        for _, v, theirs in others:
            for slot, name in theirs.items():
                if place[name] in self._unknowns[root].ties:
                    self._tie(v, slot, self._unknowns[root].ties[place[name]])
        self._solved[root] = [
            (-k / c, v, {s: place[n] for s, n in theirs.items()}) for k, v, theirs in others
        ]

    def scalings(self) -> list[Scaling]:
        """The free unknowns that move any parameter."""
        free: dict[int, list[tuple[Node, int, float, Mapping[int, Any]]]] = {}
        for node in self.lowered.nodes:
            if isinstance(node, p.Source) and node.role == "parameter":
                for cell in range(len(node.cells)):
                    for c, v, places in self._followed(node, cell):
                        free.setdefault(v, []).append((node, cell, c, places))
        ends: dict[int, list[Anchor]] = {}
        for index, cell in sorted(self.anchors):
            node = self.lowered.nodes[index]
            assert isinstance(node, p.Pointwise)
            open_ = node if node.growth is not None else node.inputs[0]
            for c, v, places in self._followed(open_, cell):
                slots = sorted(self._unknowns[v].slots)
                found = tuple(places[s] for s in slots if s in places)
                ends.setdefault(v, []).append(Anchor(node, cell, c, found))
        result = []
        for v in sorted({*free, *ends}):
            unknown = self._unknowns[v]
            slots = sorted(unknown.slots)
            result.append(
                Scaling(
                    tuple(unknown.slots[s].root for s in slots),
                    tuple(unknown.ties.get(s) for s in slots),
                    [
                        Follower(node, cell, c, tuple(places[s] for s in slots))
                        for node, cell, c, places in free.get(v, [])
                        if isinstance(node, p.Source) and all(s in places for s in slots)
                    ],
                    ends.get(v, []),
                )
            )
        return result

    def _followed(self, node: Node, cell: int) -> list[Term]:
        """The scale of a block in free unknowns, and which of its atoms index them."""
        atoms = tuple(range(len(node.cells[cell].atoms)))
        return self._expand([(1.0, *self._of(Port(node, cell, atoms)))])  # type: ignore[arg-type]
