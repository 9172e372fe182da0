"""Positive scalings: one unknown logarithm per block of every wire, indexed by its atoms.

Products add the logarithms of their factors, powers multiply, what is nonlinear fixes. The
equations are linear with constant coefficients; each unknown is a function of a set of atomic
indices, and an equation that holds for all values of an index makes a term that alone depends on
it constant along it.
"""

from collections import Counter
from dataclasses import dataclass, field

from symfind.algebra.axes import Axis
from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.rules.primitives import Instance, Node, Port

Ties = dict[Axis, tuple[tuple[int, int], ...]]


@dataclass
class Unknown:
    """The logarithm of a scale: a function of `indexed`, equal on tied pairs of coordinates."""

    indexed: set[Axis]
    zero: bool = False
    ties: Ties = field(default_factory=dict)
    still: bool = True  # lives on parameter-only wires alone


@dataclass
class Scaling:
    """A free function of some indices, and the exponent with which each parameter follows it."""

    indexed: tuple[Axis, ...]
    ties: Ties
    members: list[tuple[p.Source, int, float]]  # (parameter wire, cell, exponent)


class Scalings:
    """All equations between scales of a lowered graph; `relaxed` takes every eps for zero."""

    def __init__(self, lowered: Lowered, *, relaxed: bool = False) -> None:
        """Read every instance of every primitive once, then solve."""
        self.lowered = lowered
        self.relaxed = relaxed
        self._start = []
        self._unknowns: list[Unknown] = []
        for node in lowered.nodes:
            self._start.append(len(self._unknowns))
            for cell in node.cells:
                count = Counter(cell.atoms)
                once = {a for a in cell.atoms if count[a] == 1}
                self._unknowns.append(Unknown(once, still=not node.varies))
        self._parent = list(range(len(self._unknowns)))
        self._equations: list[list[tuple[float, int]]] = []
        self._solved: dict[int, dict[int, float]] = {}
        for node in lowered.nodes:
            if isinstance(node, p.Source) and node.role != "parameter" and not node.zero:
                for cell in range(len(node.cells)):
                    self._zero(Port(node, cell, ()))
            for instance in node.instances():
                self._read(node, instance)
        self._solve()

    # unknowns ----------------------------------------------------------------------------
    def _find(self, v: int) -> int:
        while self._parent[v] != v:
            self._parent[v] = self._parent[self._parent[v]]
            v = self._parent[v]
        return v

    def _of(self, port: Port) -> int:
        return self._find(self._start[port.node.index] + port.cell)

    def _zero(self, port: Port) -> None:
        self._unknowns[self._of(port)].zero = True

    def _equal(self, a: int, b: int) -> None:
        a, b = self._find(a), self._find(b)
        if a == b:
            return
        one, two = self._unknowns[a], self._unknowns[b]
        one.indexed &= two.indexed
        one.zero |= two.zero
        one.still &= two.still
        self._tie(one, two.ties)
        self._parent[b] = a

    def _tie(self, unknown: Unknown, ties: Ties) -> None:
        for axis, pairs in ties.items():
            if unknown.ties.setdefault(axis, pairs) != pairs:
                unknown.indexed.discard(axis)

    def _restrict(self, port: Port, axes: set[Axis]) -> None:
        self._unknowns[self._of(port)].indexed -= axes

    # equations ---------------------------------------------------------------------------
    def _loose(self, instance: Instance) -> None:
        """Forbid what is indexed under different labels on the two sides."""
        ports = [*instance.inputs, instance.output]
        labels: dict[Axis, set] = {}
        for port in ports:
            for name, axis in zip(port.labels, port.node.cells[port.cell].atoms, strict=True):
                labels.setdefault(axis, set()).add(name)
        twice = {axis for axis, names in labels.items() if len(names) > 1}
        for port in ports:
            self._restrict(port, twice)

    def _along(self, port: Port, dims: tuple[int, ...]) -> set[Axis]:
        atoms = port.node.cells[port.cell].atoms
        return {a for n, a in zip(port.labels, atoms, strict=True) if n[0] in dims}

    def _read(self, node: Node, instance: Instance) -> None:
        self._loose(instance)
        inputs, out = instance.inputs, instance.output
        match node:
            case p.Contract():
                terms = [(1.0, self._of(x)) for x in inputs]
                self._equations.append([*terms, (-1.0, self._of(out))])
            case p.Pointwise() if node.degree is not None:
                if node.degree == 1:
                    self._equal(self._of(inputs[0]), self._of(out))
                else:
                    self._equations.append(
                        [(node.degree, self._of(inputs[0])), (-1.0, self._of(out))]
                    )
            case p.Normalise():
                self._restrict(inputs[0], self._along(inputs[0], node.dims))
                if node.eps and not self.relaxed:
                    self._zero(inputs[0])
                self._zero(out)
            case p.Entrywise() if node.degree == 1:
                self._transparent(instance)
            case p.Softmax() | p.Rigid() | p.Output() | p.Pointwise() | p.Entrywise():
                for port in (*inputs, out):
                    self._zero(port)
            case p.Commute():
                self._transparent(instance)
                for axis in self._along(out, (node.dim,)):
                    self._tie(self._unknowns[self._of(out)], {axis: node.pairs})
            case p.Centre():
                self._transparent(instance)
                self._restrict(out, self._along(out, node.dims))
            case _:
                self._transparent(instance)

    def _transparent(self, instance: Instance) -> None:
        for port in instance.inputs:
            if not (isinstance(port.node, p.Source) and port.node.zero):
                self._equal(self._of(port), self._of(instance.output))

    # solution ----------------------------------------------------------------------------
    def _expand(self, terms: dict[int, float]) -> dict[int, float]:
        """Substitute what is solved, drop what is zero."""
        total: dict[int, float] = {}
        stack = list(terms.items())
        while stack:
            v, c = stack.pop()
            v = self._find(v)
            if self._unknowns[v].zero or c == 0:
                continue
            if v in self._solved:
                stack.extend((w, c * k) for w, k in self._solved[v].items())
            else:
                total[v] = total.get(v, 0.0) + c
        return {v: c for v, c in total.items() if abs(c) > 1e-12}

    def _lone(self, terms: dict[int, float]) -> bool:
        """Make constant along an index every term that alone depends on it."""
        changed = False
        count = Counter(a for v in terms for a in self._unknowns[v].indexed)
        for v in terms:
            alone = {a for a in self._unknowns[v].indexed if count[a] == 1}
            if alone:
                self._unknowns[v].indexed -= alone
                changed = True
        return changed

    def _solve(self) -> None:
        equations = []
        for equation in self._equations:
            terms: dict[int, float] = {}
            for c, v in equation:
                v = self._find(v)
                terms[v] = terms.get(v, 0.0) + c
            equations.append(terms)
        changed = True
        while changed:
            changed = False
            for terms in equations:
                left = self._expand(terms)
                if len(left) == 1:
                    (v,) = left
                    self._unknowns[v].zero = changed = True
                else:
                    changed |= self._lone(left)
        for terms in equations:
            self._eliminate(terms)

    def _eliminate(self, terms: dict[int, float]) -> None:
        left = self._expand(terms)
        while self._lone(left):
            pass
        if not left:
            return
        if len(left) == 1:
            self._unknowns[next(iter(left))].zero = True
            return
        everything = set().union(*(self._unknowns[v].indexed for v in left))
        full = [v for v in left if self._unknowns[v].indexed == everything]
        if not full:
            common = set.intersection(*(self._unknowns[v].indexed for v in left))
            for v in left:
                self._unknowns[v].indexed &= common
            full = list(left)
        pivot = min(full, key=lambda v: (bool(self._unknowns[v].ties), not self._unknowns[v].still))
        ties = self._unknowns[pivot].ties
        for v in left:
            if v != pivot:
                self._tie(self._unknowns[v], {a: t for a, t in ties.items()
                                              if a in self._unknowns[v].indexed})
        scale = left[pivot]
        self._solved[pivot] = {v: -c / scale for v, c in left.items() if v != pivot}

    def scalings(self) -> list[Scaling]:
        """The free unknowns that move any parameter."""
        free: dict[int, list[tuple[p.Source, int, float]]] = {}
        for node in self.lowered.nodes:
            if isinstance(node, p.Source) and node.role == "parameter":
                for cell in range(len(node.cells)):
                    v = self._find(self._start[node.index] + cell)
                    for w, c in self._expand({v: 1.0}).items():
                        free.setdefault(w, []).append((node, cell, c))
        result = []
        for v in sorted(free):
            unknown = self._unknowns[v]
            axes = tuple(sorted(unknown.indexed, key=lambda a: a.serial))
            ties = {a: t for a, t in unknown.ties.items() if a in unknown.indexed}
            result.append(Scaling(axes, ties, free[v]))
        return result
