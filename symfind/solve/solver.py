"""From a traced graph to families of generators and their count."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from symfind.graph import primitives as p
from symfind.ops.lower import Lowered, lower
from symfind.solve.bonds.matrices import Matrices
from symfind.solve.bonds.scalings import Scaling, Scalings
from symfind.solve.families.blind import Blind
from symfind.solve.families.exponentials import anchored, find_anchors
from symfind.solve.families.family import Family, MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.families.inert import inert_families
from symfind.solve.families.reach import Reach
from symfind.solve.families.readers import Readers
from symfind.solve.families.shifts import shift_families
from symfind.solve.transport.constants import take_up_constants
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.parallel import parallel_families
from symfind.trace import Graph, Op


@dataclass
class Derivation:
    """All families of a graph, exact ones first, in the order in which they are counted."""

    lowered: Lowered
    families: list[Family]
    approximate: list[Family]

    @property
    def parameters(self) -> dict[str, p.Source]:
        """The wires of all parameters, by name."""
        return {name: wires[0] for name, wires in self.lowered.parameters.items()}


def derive(graph: Graph, output: str = "raw") -> Derivation:
    """Derive every family of generators from a traced graph.

    Args:
        graph: what `symfind.trace.trace` returns.
        output: "raw" or "softmax".
    """
    lowered = lower(graph, output)
    with _deep(len(lowered.nodes)):
        return _derive(lowered)


def nothing(why: str) -> Derivation:
    """No family at all, and a gap that says why: the last resort."""
    gap = (Op("derivation", "derivation"), why)
    return Derivation(Lowered([], {}, [], [gap]), [], [])


@contextmanager
def _deep(nodes: int) -> Iterator[None]:
    """Room for recursions along the graph: a few frames for every node."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000 + 20 * nodes))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _derive(lowered: Lowered) -> Derivation:
    take_up_constants(lowered)
    flows = Flows(lowered)
    shifts = shift_families(lowered, flows)
    inert = [f for f in shifts if f.kind == "inert"]
    dead = {(f.seed, f.cell) for f in inert if isinstance(f, ShiftFamily) and f.whole}
    families: list[Family] = [*inert, *inert_families(lowered)]
    matrices = [f for f in _matrices(lowered) if not _within(f, dead)]
    families += matrices
    anchors = find_anchors(lowered, flows)
    scalings = Scalings(lowered, anchors=anchors).scalings()
    diagonal = {_diagonal(f) for f in matrices}
    plain = [s for s in scalings if not s.anchors]
    families += [_scaling(s) for s in plain if _unplaced(s) not in diagonal]
    ended = [anchored(s, flows) for s in scalings if s.anchors]
    families += [f for f in ended if f is not None]
    families += [f for f in shifts if f.kind == "shift"]
    families += [f for f in shifts if f.kind == "parallel" and not f.loose]
    families += parallel_families(lowered, flows)
    families += Readers(lowered, flows).families()
    families += Reach(lowered, flows).families()
    families += Blind(lowered, flows, shifts).families()
    # What leans on a relation mostly repeats what readers of that relation may do: it comes last.
    families += [f for f in shifts if f.kind == "parallel" and f.loose]
    known = {_followers(s) for s in scalings}
    relaxed = [
        _scaling(s, approximate=True)
        for s in Scalings(lowered, relaxed=True).scalings()
        if _followers(s) not in known
    ]
    return Derivation(lowered, [f for f in families if f.count() > 0], relaxed)


def _within(family: MatrixFamily, dead: set[tuple[p.Source, int | None]]) -> bool:
    """Whether all that an algebra acts on is free to change anyway."""
    return all((m.source, m.cell) in dead for m in family.members)


def _diagonal(family: MatrixFamily) -> frozenset:
    """The diagonal matrices of a family, spelled as a scaling."""
    if family.type not in ("general", "complex"):
        return frozenset()
    found = []
    for m in family.members:
        atoms = m.source.cells[m.cell].atoms
        places = frozenset([m.atom, *(atoms.index(a) for a in family.indexed)])
        found.append((id(m.source), m.cell, -1.0 if m.dual else 1.0, places))
    return frozenset(found)


def _unplaced(scaling: Scaling) -> frozenset:
    return frozenset(
        (id(m.source), m.cell, m.exponent, frozenset(m.places)) for m in scaling.members
    )


def _followers(scaling: Scaling) -> frozenset:
    """What identifies a scaling: who follows it, how, along which indices."""
    return frozenset((id(m.source), m.cell, m.exponent, m.places) for m in scaling.members)


def _matrices(lowered: Lowered) -> list[MatrixFamily]:
    result: list[MatrixFamily] = []
    for bond, members in Matrices(lowered).bonds():
        first = members[0]
        axis = first.source.cells[first.cell].atoms[first.atom]
        kind = "rotation" if bond.skew else "gauge"
        result.append(
            MatrixFamily(
                kind=kind,
                sources=tuple(dict.fromkeys(m.source for m in members)),
                bond=bond,
                axis=axis,
                indexed=tuple(sorted(bond.indexed, key=lambda a: a.serial)),
                members=members,
                nodes=lowered.nodes,
            )
        )
    return [f for f in result if f.count() > 0]


def _scaling(scaling: Scaling, approximate: bool = False) -> Family:
    sources = tuple(dict.fromkeys(m.source for m in scaling.members))
    return ScalingFamily(kind="scaling", sources=sources, scaling=scaling, approximate=approximate)
