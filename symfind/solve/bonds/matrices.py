"""Changes of basis by matrices: one unknown X per atomic index of every block of every wire.

Each operation says which unknowns are the same, dual (X ↦ −Xᵀ, from a contraction), conjugate by
a gain, skew (a norm is kept), or nothing at all. A weighted union-find closes these relations;
what survives in a class is its Lie algebra.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from symfind.algebra.axes import Axis, branches
from symfind.graph import primitives as p
from symfind.graph.primitives import Instance, Node, Port
from symfind.ops.lower import Lowered
from symfind.solve.bonds.classes import Classes
from symfind.solve.bonds.cuts import Cut, Cuts, Kind
from symfind.solve.bonds.potentials import NONE, Gain, Image, Potential, combine, compose
from symfind.solve.point.regular import vanishes


@dataclass
class Bond:
    """A class of unknowns that are one matrix; constraints carry the potential where they hold."""

    size: int
    rigid: bool = False
    indexed: frozenset[Axis] = frozenset()
    skew: set[Potential] = field(default_factory=set)
    ones: set[Potential] = field(default_factory=set)
    pairs: dict[tuple[tuple[int, int], ...], Potential] = field(default_factory=dict)
    needs: set[Axis] = field(default_factory=set)  # must be indexed by these, for a gain is
    columns: set[Image] = field(default_factory=set)  # where X, or its dual, is 1 κᵀ
    cuts: Cuts = field(default_factory=Cuts)

    def cut(self, kind: Kind, node: Node | None, gains: Potential = NONE) -> None:
        """Note what lets less through."""
        self.rigid |= kind in ("rigid", "gain", "tie", "differ")
        self.cuts.own.append(Cut(kind, node, tuple(index for (index, _), _ in gains)))


@dataclass(frozen=True)
class Member:
    """An unknown of a bond on a parameter: X acts as Γ^e X Γ^-e, or as its dual."""

    source: p.Source
    cell: int
    atom: int
    dual: bool
    potential: Potential


class Matrices:
    """The relations among all unknown matrices of a lowered graph."""

    def __init__(
        self,
        lowered: Lowered,
        *,
        blind: bool = False,
        apart: Collection[tuple[Node, int]] = (),
    ) -> None:
        """Read every instance of every primitive once.

        `blind`: only what is not seen at all where constants are not, X = 1 κᵀ. `apart`: sums, each
        with one of its operands, which stays as it is while the others change; or a product with a
        gain, which is whatever the matrices on either side ask for; or a factor that stays; or
        what is blind, whose result changes by a matrix that makes nothing of it.
        """
        self.lowered = lowered
        self.blind = blind
        self.apart = apart
        self._start: list[list[int]] = []
        self._owner: list[tuple[Node, int, int]] = []
        for node in lowered.nodes:
            starts = []
            for c, cell in enumerate(node.cells):
                starts.append(len(self._owner))
                self._owner.extend((node, c, a) for a in range(len(cell.atoms)))
            self._start.append(starts)
        n = len(self._owner)
        self._classes: Classes[Image] = Classes(n, lambda v: (False, NONE), compose)
        self._bonds: list[Bond] = []
        self._at: Node | None = None  # the node that is read
        for node in lowered.nodes:
            for cell in node.cells:
                once = frozenset(x for x, times in Counter(cell.atoms).items() if times == 1)
                self._bonds.extend(Bond(x.size, indexed=once - {x}) for x in cell.atoms)
        for node in lowered.nodes:
            self._at = node
            if isinstance(node, p.Source) and node.role != "parameter" and not node.zero:
                for c, cell in enumerate(node.cells):
                    for a in range(len(cell.atoms)):
                        self._kill(self._start[node.index][c] + a)
            for instance in lowered.instances(node):
                self._read(node, instance)
            if isinstance(node, p.Centre) and not self.blind:
                self._level(node)

    # union-find --------------------------------------------------------------------------
    def _find(self, v: int) -> tuple[int, bool, Potential]:
        root, (dual, potential) = self._classes.find(v)
        return root, dual, potential

    def _kill(self, v: int) -> None:
        self._bonds[self._find(v)[0]].cut("rigid", self._at)

    def _link(self, v: int, w: int, dual: bool, pot: Potential, indexed: frozenset[Axis]) -> None:
        """Declare X_w = Γ^pot D_dual(X_v)."""
        a, da, ea = self._find(v)
        b, db, eb = self._find(w)
        # X_w in terms of root a.
        d1 = da ^ dual
        e1 = combine(pot, ea, -1 if dual else 1)
        if a == b:
            bond = self._bonds[a]
            bond.indexed &= indexed
            # Γ^e1 D_d1(X) = Γ^eb D_db(X)
            if d1 == db:
                if e1 != eb:
                    bond.cut("gain", self._at, combine(e1, eb, -1))
            else:
                # One side is dual: X = −Xᵀ up to the gains between; half a gain is not followed.
                first, second = (e1, eb) if not d1 else (eb, e1)
                total = combine(first, second, -1)
                if any(e % 2 for _, e in total):
                    bond.cut("tie", self._at, tuple((g, e) for g, e in total if e % 2))
                else:
                    bond.skew.add(tuple((g, -(e // 2)) for g, e in total))
                    bond.cut("skew", self._at, total)
            return
        # X_b = D_db(Γ^(e1−eb) D_d1(X_a)) = Γ^(±(e1−eb)) D_(db^d1)(X_a)
        e = combine(e1, eb, -1)
        if db:
            e = tuple((g, -k) for g, k in e)
        self._classes.join(a, b, (db ^ d1, e))
        one, two = self._bonds[a], self._bonds[b]
        one.rigid |= two.rigid or one.size != two.size
        one.indexed &= two.indexed & indexed
        one.needs |= two.needs
        for flipped, q in two.columns:
            one.columns.add((flipped ^ db ^ d1, self._transport(q, db ^ d1, e)))
        one.cuts.joined.append(two.cuts)
        for pots, target in ((two.skew, one.skew), (two.ones, one.ones)):
            target.update(self._transport(q, db ^ d1, e) for q in pots)
        for pairs, q in two.pairs.items():
            self._pair(one, pairs, self._transport(q, db ^ d1, e))

    @staticmethod
    def _transport(q: Potential, dual: bool, e: Potential) -> Potential:
        """A constraint on Γ^q X_b, with X_b = Γ^e D(X_a), as one on Γ^q' X_a."""
        total = combine(q, e)
        return tuple((g, -k) for g, k in total) if dual else total

    def _pair(self, bond: Bond, pairs: tuple[tuple[int, int], ...], q: Potential) -> None:
        known = bond.pairs.setdefault(pairs, q)
        if known != q:
            bond.cut("differ", self._at, combine(known, q, -1))

    def _constrain(self, v: int) -> tuple[Bond, Potential]:
        root, dual, e = self._find(v)
        return self._bonds[root], tuple((g, -k) for g, k in e) if dual else e

    # relations ---------------------------------------------------------------------------
    def _var(self, port: Port, atom: int) -> int:
        return self._start[port.node.index][port.cell] + atom

    def _shared(self, a: Port, b: Port, but: set[Any]) -> frozenset[Axis]:
        """Axes that index both ports under one label."""
        theirs = b.atoms
        return frozenset([x for n, x in a.atoms.items() if theirs.get(n) is x and n not in but])

    def _same(
        self, a: Port, b: Port, label: Any, dual: bool = False, pot: Potential = NONE
    ) -> None:
        v, w = a.labels.index(label), b.labels.index(label)
        self._link(self._var(a, v), self._var(b, w), dual, pot, self._shared(a, b, {label}))

    def _rigid(self, *ports: Port, label: Any = None) -> None:
        for port in ports:
            for i, name in enumerate(port.labels):
                if label is None or name == label:
                    self._kill(self._var(port, i))

    def _read(self, node: Node, instance: Instance) -> None:
        match node:
            case _ if self.blind and node.blind:
                self._unseen(node, instance)
            case p.Contract():
                self._contract(node, instance)
            case p.Normalise() | p.Centre() | p.Commute():
                self._special(node, instance)
            case p.Softmax() | p.Peak() | p.Order() | p.Entrywise() | p.Rigid() | p.Output():
                self._rigid(*instance.inputs, instance.output)
            case p.Pointwise() if node.slope is None:
                self._rigid(*instance.inputs, instance.output)
            case _:
                self._transparent(instance)
                if isinstance(node, p.Mix | p.Choice) and node.stiff:
                    for name in instance.output.labels:
                        if name[0] in node.stiff:
                            self._rigid(instance.output, label=name)

    def _transparent(self, instance: Instance) -> None:
        out = instance.output
        for at, port in enumerate(instance.inputs):
            if isinstance(port.node, p.Source) and port.node.zero:
                continue
            if (out.node, at) in self.apart:
                continue
            for name in port.labels:
                if name in out.labels:
                    self._same(port, out, name)
                else:
                    self._rigid(port, label=name)
            for name in out.labels:
                if name not in port.labels:
                    self._rigid(out, label=name)

    def _special(self, node: Node, instance: Instance) -> None:
        (x,), y = instance.inputs, instance.output
        dims = (node.dim,) if isinstance(node, p.Commute) else node.dims  # type: ignore[attr-defined]
        for name in x.labels:
            if name[0] not in dims:
                if isinstance(node, p.Centre):
                    self._same(x, y, name)
                else:
                    self._rigid(x, y, label=name)
                continue
            self._same(x, y, name)
            bond, pot = self._constrain(self._var(x, x.labels.index(name)))
            if isinstance(node, p.Commute):
                pairs = node.inside(y.cell)
                if pairs is None:
                    bond.cut("differ", node)
                elif pairs:
                    self._pair(bond, pairs, pot)
                    bond.cut("pairs", node, pot)
                continue
            if isinstance(node, p.Normalise):
                bond.skew.add(pot)
                bond.cut("skew", node, pot)
            if isinstance(node, p.Centre) or node.centred:  # type: ignore[attr-defined]
                bond.ones.add(pot)
                bond.cut("ones", node, pot)

    def _unseen(self, node: Node, instance: Instance) -> None:
        """What adds the same to all entries changes nothing: X = 1 κᵀ, and then the result stays.

        Where entries lie in several blocks or indices, one matrix adds to some of them only.
        """
        (x,) = instance.inputs
        along = [name for name in x.labels if name[0] in node.blind]
        whole = all(len(branches(x.node.axes[d])) == 1 for d in node.blind)
        if len(along) != 1 or not whole:
            self._rigid(x, instance.output)
            return
        for i, name in enumerate(x.labels):
            if name == along[0]:
                root, dual, e = self._find(self._var(x, i))
                q = tuple((g, -k) for g, k in e) if dual else e
                self._bonds[root].columns.add((dual, q))
            else:
                self._kill(self._var(x, i))
        for name in set(instance.output.labels) - set(along if (node, 0) in self.apart else ()):
            self._rigid(instance.output, label=name)

    def _level(self, node: p.Centre) -> None:
        """Beside a mean, one change of basis for all values of what it runs over."""
        for cells in p.alongside(node, node.dims):
            ports = [node.port(cell, range(len(node.axes))) for cell in cells]
            along = {name for port in ports for name in port.labels if name[0] in node.dims}
            for port in ports:
                for name in set(port.labels) - along:
                    v, w = (self._var(q, q.labels.index(name)) for q in (ports[0], port))
                    self._link(v, w, False, NONE, self._shared(ports[0], port, {name, *along}))

    def _contract(self, node: p.Contract, instance: Instance) -> None:
        out = instance.output
        where: dict[Any, list[Port]] = {}
        for port in instance.inputs:
            for name in port.labels:
                where.setdefault(name, []).append(port)
        for name, ports in where.items():
            inside = name in out.labels
            if len(ports) == 2 and not inside:
                if all((node, instance.inputs.index(x)) not in self.apart for x in ports):
                    self._same(ports[0], ports[1], name, dual=True)
            elif len(ports) == 1 and inside:
                self._same(ports[0], out, name)
            elif len(ports) == 2 and inside and (gain := self._gain(ports)) is not None:
                wire = ports[0] if ports[1].node.index == gain[0] else ports[1]
                scale = ports[1] if wire is ports[0] else ports[0]
                if (out.node, instance.inputs.index(wire)) not in self.apart:
                    self._same(wire, out, name, pot=((gain, 1),))
                bond, _ = self._constrain(self._var(out, out.labels.index(name)))
                atoms = scale.node.cells[scale.cell].atoms
                bond.needs |= {a for n, a in zip(scale.labels, atoms, strict=True) if n != name}
                self._rigid(scale, label=name)  # no matrix acts on the gain: it is a diagonal
            else:
                self._rigid(*ports, label=name)
                if inside:
                    self._rigid(out, label=name)
        for name in out.labels:
            if name not in where:
                self._rigid(out, label=name)

    @staticmethod
    def _gain(ports: list[Port]) -> Gain | None:
        """A factor that no input reaches, of no more indices: a diagonal change of basis.

        Of two that are alike in this, a parameter is the gain of what is computed.
        """

        def place(port: Port) -> tuple[bool, int, bool]:
            return port.node.varies, len(port.labels), not isinstance(port.node, p.Source)

        one, two = sorted(ports, key=place)
        if one.node.varies or one.node is two.node or place(one) == place(two):
            return None
        if vanishes(one.node) or any(name not in two.labels for name in one.labels):
            return None
        return one.node.index, one.cell

    # result ------------------------------------------------------------------------------
    def classes(self) -> dict[int, list[tuple[Node, int, int, bool, Potential]]]:
        """All unknowns by the root of their class, with their images of it."""
        found: dict[int, list[tuple[Node, int, int, bool, Potential]]] = {}
        for v, (node, c, a) in enumerate(self._owner):
            root, dual, pot = self._find(v)
            found.setdefault(root, []).append((node, c, a, dual, pot))
        return found

    def along(self, node: Node, dim: int) -> tuple[int, bool, Potential] | None:
        """The class of a wire along one dimension; None where that is not one index."""
        places = node.cells[0].places if len(node.cells) == 1 else ()
        found = [i for i, (d, _) in enumerate(places) if d == dim]
        return self._find(self._start[node.index][0] + found[0]) if len(found) == 1 else None

    def bond(self, root: int) -> Bond:
        """The class with a given root."""
        return self._bonds[root]

    def bonds(self) -> list[tuple[Bond, list[Member]]]:
        """The classes that act on parameters, each with its constraint brought to one potential."""
        result = []
        for root, members in self._parameters().items():
            frame = self._frame(self._bonds[root])
            if frame is not None:
                acts = [self._member(m, frame) for m in members]
                # Where all that moves is written, each writer may do as much by itself.
                if not self.blind or any(m.dual for m in acts):
                    result.append((self._bonds[root], acts))
        return result

    def frame(self, node: Node, dim: int) -> tuple[Bond, list[Member]] | None:
        """What acts on a wire along one dimension by the very matrix, and where it acts besides."""
        found = self.along(node, dim)
        if found is None or self._bonds[found[0]].rigid:
            return None
        root, dual, pot = found
        bond = self._bonds[root]
        frame = self._frame(bond)
        if frame is None or pot != frame[0] or (dual ^ frame[1] and not bond.skew):
            return None
        return bond, [self._member(m, frame) for m in self._parameters().get(root, [])]

    def _parameters(self) -> dict[int, list[tuple[p.Source, int, int, bool, Potential]]]:
        """The unknowns of parameters by the root of their class, unless that is rigid."""
        members: dict[int, list[tuple[p.Source, int, int, bool, Potential]]] = {}
        for v, (node, c, a) in enumerate(self._owner):
            if isinstance(node, p.Source) and node.role == "parameter":
                root, dual, pot = self._find(v)
                if not self._bonds[root].rigid:
                    members.setdefault(root, []).append((node, c, a, dual, pot))
        return members

    def _frame(self, bond: Bond) -> tuple[Potential, bool] | None:
        """The one potential at which all constraints hold, and whether X is the dual there."""
        here = bond.skew | bond.ones | set(bond.pairs.values())
        flipped = False
        if self.blind:
            if here or len(bond.columns) != 1:
                return None
            ((flipped, q),) = bond.columns
            here = {q}
        if len(here) > 1 or len(bond.pairs) > 1 or not bond.needs <= bond.indexed:
            return None
        return (here.pop() if here else NONE), flipped

    @staticmethod
    def _member(
        found: tuple[p.Source, int, int, bool, Potential], frame: tuple[Potential, bool]
    ) -> Member:
        source, c, a, dual, pot = found
        base, flipped = frame
        # X_root = Γ^-base X' Γ^base
        moved = combine(pot, base) if dual else combine(pot, base, -1)
        return Member(source, c, a, dual ^ flipped, moved)
