"""From a traced graph to families of generators and their count."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum, auto

from symfind.graph import primitives as p
from symfind.ops.lower import Lowered, lower
from symfind.solve.bonds.matrices import Matrices
from symfind.solve.bonds.scalings import Scaling, Scalings
from symfind.solve.charts.affine import affine_ops, unmade_families
from symfind.solve.charts.lifted import lifted_families
from symfind.solve.charts.made import made_up
from symfind.solve.charts.partial import (
    Partial,
    partial_families,
    partial_ops,
    with_weights,
)
from symfind.solve.charts.spectral import spectral_families
from symfind.solve.charts.substitute import substituted
from symfind.solve.charts.taps import tap_families
from symfind.solve.families.aside import aside_families
from symfind.solve.families.begun import begun_families
from symfind.solve.families.exponentials import anchored, find_anchors
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.families.inert import inert_families
from symfind.solve.families.kernels import Blind, Reach
from symfind.solve.families.late import late_families
from symfind.solve.families.looked import looked_families
from symfind.solve.families.mapped import mapped_families
from symfind.solve.families.paired import paired_families
from symfind.solve.families.parallel import parallel_families
from symfind.solve.families.products import product_families
from symfind.solve.families.quotients import quotient_families
from symfind.solve.families.renewed import renewed_families
from symfind.solve.families.sharing import joint, shared_wires
from symfind.solve.families.shifts import shift_families
from symfind.solve.families.singular import singular_families
from symfind.solve.families.skew import skew_families
from symfind.solve.families.softened import softened_families
from symfind.solve.families.together import together_families
from symfind.solve.limits import Limits
from symfind.solve.point.computed import without_unknown
from symfind.solve.point.family import Family
from symfind.solve.transport.averages import take_averages
from symfind.solve.transport.constants import take_up_constants
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.maps import take_up_maps
from symfind.trace import Graph, Op


@dataclass(frozen=True, repr=False)
class Derivation:
    """All families of a graph, exact ones first, in the order in which they are counted."""

    lowered: Lowered
    families: list[Family]
    approximate: list[Family]
    limits: Limits
    matrices: Matrices | None = None  # the equations of changes of basis, which say why not

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
        found = _derive(lowered)
        taps = tap_families(graph, found.parameters, found.families)
        spectral = spectral_families(graph, found.parameters, found.families)
        found = replace(found, families=[*found.families, *taps, *spectral])
        more = _in_part(graph, output, found)
        return replace(found, families=[*found.families, *more]) if more else found


def _in_part(graph: Graph, output: str, found: Derivation) -> list[Family]:
    """What acts where weights are made in part: held entries, masks, patterns."""
    affine = affine_ops(graph)
    unmade = unmade_families(affine, found.parameters, found.families)
    made = partial_ops(affine)
    if not made:
        return unmade
    other, names = with_weights(graph, made)
    lowered = lower(other, output)
    shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
    for op, (roots, slope) in made.items():
        wires = [found.parameters[x.key] for x in roots]
        for weight in lowered.parameters.get(names[op], []):
            weight.chart = Partial.of(op, weight, wires, slope)
    families, *_ = _families(take_up_constants(take_up_maps(lowered)), found.limits)
    return [*unmade, *partial_families(families, [*found.families, *unmade], shapes)]


def nothing(why: str) -> Derivation:
    """No family at all, and a gap that says why: the last resort."""
    gap = (Op("derivation", "derivation"), why)
    return Derivation(Lowered([], {}, [], [gap]), [], [], Limits())


@contextmanager
def _deep(nodes: int) -> Iterator[None]:
    """Room for recursions along the graph: a few frames for every node."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000 + 20 * nodes))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Credit(IntEnum):
    """In which order families are counted: what two have in common is credited to the first."""

    INERT = auto()
    BASIS = auto()
    SCALE = auto()
    END = auto()  # of a scaling in exponentials or logarithms
    SHIFT = auto()
    PARALLEL = auto()
    PATH = auto()
    REACH = auto()
    BLIND = auto()
    LEANING = auto()  # on a relation: mostly repeats what readers of that relation may do


def _derive(lowered: Lowered) -> Derivation:
    limits = Limits()
    lowered = take_averages(lowered)
    weights = substituted(lowered)
    lowered = take_up_constants(take_up_maps(lowered))
    families, scalings, equations = _families(lowered, limits)
    if weights is not None:
        made, *_ = _families(take_up_constants(take_up_maps(weights.graph)), limits)
        families += [*made_up(weights.made), *lifted_families(made, families, weights.made, limits)]
    return Derivation(lowered, families, _relaxed(lowered, scalings), limits, equations)


def _families(lowered: Lowered, limits: Limits) -> tuple[list[Family], list[Scaling], Matrices]:
    """All exact families of a graph, in the order in which they are counted.

    With them the scalings and the equations between matrices that they come from.
    """
    flows = Flows(lowered, limits)
    shifts = [*shift_families(lowered, flows, limits), *looked_families(lowered, flows)]
    inert = [f for f in shifts if f.kind == "inert"]
    dead = {(f.seed, f.cell) for f in inert if isinstance(f, ShiftFamily) and f.whole}
    equations = Matrices(lowered)
    matrices = [f for f in _matrices(equations) if not _within(f, dead)]
    anchors = find_anchors(lowered, flows, limits)
    scalings = Scalings(lowered, anchors=anchors).scalings()
    diagonal = {_diagonal(f) for f in matrices}
    ended = [anchored(s, flows) for s in scalings if s.anchors]
    if shared := list(shared_wires(lowered, flows)):
        more = {key: atoms for s in shared for key, atoms in s.anchors.items()}
        together = Scalings(lowered, anchors={**anchors, **more}).scalings()
        sums = [joint(together, one) for one in shared]
        ended += [anchored(s, flows, shared) for s in sums if s is not None]
    parallel = [f for f in shifts if f.kind == "parallel"]
    found: dict[Credit, Sequence[Family]] = {
        Credit.INERT: [*inert, *inert_families(lowered, limits)],
        Credit.BASIS: matrices,
        Credit.SCALE: [
            _scaling(s) for s in scalings if not s.anchors and _unplaced(s) not in diagonal
        ],
        Credit.END: [f for f in ended if f is not None],
        Credit.SHIFT: [f for f in shifts if f.kind == "shift"],
        Credit.PARALLEL: [f for f in parallel if not f.loose],
        Credit.PATH: [
            *parallel_families(lowered, flows, limits),
            *product_families(lowered, flows, limits),
            *quotient_families(lowered, flows),
            *paired_families(lowered, flows),
            *skew_families(lowered, flows, limits),
        ],
        Credit.REACH: [
            *Reach(lowered, flows).families(),
            *aside_families(lowered, flows),
            *late_families(lowered, flows, equations),
            *begun_families(lowered, flows),
            *renewed_families(lowered, flows.relations, equations),
            *softened_families(lowered, flows, scalings),
            *singular_families(lowered, flows, equations),
        ],
        Credit.BLIND: Blind(lowered, flows, shifts).families(),
        Credit.LEANING: [f for f in parallel if f.loose],
    }
    families = [f for credit in sorted(found) for f in found[credit] if f.count() > 0]
    families += mapped_families(lowered, families, limits)
    families += together_families(lowered, flows, families, limits)
    families = without_unknown(families, lowered.nodes, lowered.shapes, limits)
    return families, scalings, equations


def _relaxed(lowered: Lowered, exact: Sequence[Scaling]) -> list[Family]:
    """Scalings that there are only where every eps is zero."""
    if not any(isinstance(n, p.Normalise) and n.eps for n in lowered.nodes):
        return []
    known = {_followers(s) for s in exact}
    return [
        _scaling(s, approximate=True)
        for s in Scalings(lowered, relaxed=set(lowered.nodes)).scalings()
        if _followers(s) not in known
    ]


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


def _matrices(equations: Matrices) -> list[MatrixFamily]:
    result: list[MatrixFamily] = []
    bonds = equations.bonds()
    if any(node.blind for node in equations.lowered.nodes):
        bonds += Matrices(equations.lowered, blind=True).bonds()
    for bond, members in bonds:
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
                nodes=equations.lowered.nodes,
            )
        )
    return [f for f in result if f.count() > 0]


def _scaling(scaling: Scaling, approximate: bool = False) -> Family:
    sources = tuple(dict.fromkeys(m.source for m in scaling.members))
    return ScalingFamily(kind="scaling", sources=sources, scaling=scaling, approximate=approximate)
