"""Changes of basis r κᵀ of wires that share weights with what a norm makes, which stays.

Where the same weights read a wire and the result of a norm, both must change alike, and the latter
cannot: norms turn nothing. But if κ·a = 0 for all that the norm gives, X a = 0 for X = r κᵀ, and it
need not. With a gain behind the norm κ is 1 / gain. So of a table that is looked up for a linear
map and read by a head behind a norm, with any r. Beside a centred norm nothing sees what is the
same for all entries, so that with r = 1 a stream may change that such norms read: in stacks of a
layer that is used again behind a norm of its own (Lan et al. 2020, shared parameters).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.numerics.alike import all_alike
from symfind.ops.lower import Lowered
from symfind.solve.bonds.matrices import Bond, Matrices, Member
from symfind.solve.families.family import MatrixFamily, NullFamily
from symfind.solve.point.drawn import near_and_far
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.spans.relation import Relation
from symfind.solve.spans.relations import AffineRelations


@dataclass(frozen=True)
class _Place:
    """A sum of which one operand stays as it is, or a product with a gain or a norm that does.

    Attributes:
        node: which of them.
        at: which operand; of a norm its only one.
        dim: along which dimension of the node the wires change.
        relation: κ·a = 0 of what stays: the operand of a sum, else the node.
    """

    node: Node
    at: int
    dim: int
    relation: Relation


def renewed_families(
    lowered: Lowered, relations: AffineRelations, known: Matrices
) -> Iterator[Family]:
    """For every wire that changes along what a norm gives, by weights that are read again.

    Args:
        lowered: the graph.
        relations: what its wires satisfy.
        known: the equations of all changes of basis, in which nothing stays.
    """
    if not any(_again(w) for wires in lowered.parameters.values() for w in wires):
        return
    places = [place for node in lowered.nodes for place in _places(node, relations)]
    for blind in {False, any(node.blind for node in lowered.nodes)} if places else ():
        equations = Matrices(lowered, blind=blind, apart={(x.node, x.at) for x in places})
        streams: dict[int, list[_Place]] = {}
        for place in places:
            found = equations.along(place.node, place.dim)
            if found is not None:
                streams.setdefault(found[0], []).append(place)
        for some in streams.values():
            frames = [equations.frame(place.node, place.dim) for place in some]
            if frames[0] is None or None in frames or not any(map(_shared, frames[0][1])):
                continue
            if (blind or _cut(known, some, frames[0][0])) and _agree(some, lowered):
                family = _family(some[0], *frames[0], lowered)
                if family.count() > 0:
                    yield family


def _again(weight: p.Source) -> bool:
    return weight.role == "parameter" and len(weight.users) > 1


def _shared(member: Member) -> bool:
    """Whether a member is read more than once: of others each reader does as much by itself."""
    return member.dual and _again(member.source)


def _cut(known: Matrices, places: Sequence[_Place], bond: Bond) -> bool:
    """Whether any matrix acts here, and not where nothing stays."""
    found = known.along(places[0].node, places[0].dim)
    return found is not None and _held(known.bond(found[0])) and not _held(bond)


def _held(bond: Bond) -> bool:
    some = bond.skew or bond.ones or bond.pairs or bond.indexed or bond.needs
    return bond.rigid or bool(some)


def _places(node: Node, relations: AffineRelations) -> Iterator[_Place]:
    """Where an operand may stay, along each dimension."""
    if isinstance(node, p.Add):
        for at, x in enumerate(node.inputs):
            if x.varies and x.shape == node.shape:
                yield from (_Place(node, at, r.dims[0], r) for r in _zero(x, relations))
        return
    factor = _scaled(node) if isinstance(node, p.Contract) else 0 if node.blind else None
    if factor is not None:
        yield from (_Place(node, factor, r.dims[0], r) for r in _zero(node, relations))


def _zero(x: Node, relations: AffineRelations) -> list[Relation]:
    return [r for r in relations.of(x) if r.zero and len(r.dims) == 1]


def _scaled(node: p.Contract) -> int | None:
    """Which factor of a product is multiplied entry by entry with a gain."""
    for at, x in enumerate(node.inputs):
        gain = len(node.inputs) == 2 and x.varies and not node.inputs[1 - at].varies
        if gain and not node.windows and node.labels[at] == node.out and x.shape == node.shape:
            return at
    return None


def _agree(places: Sequence[_Place], lowered: Lowered) -> bool:
    """Whether all that stays has the same κ, at parameters drawn at random."""
    if len({place.node.axes[place.dim].root for place in places}) > 1:
        return False

    def pairs(env: Environment) -> list[tuple[Tensor, Tensor]]:
        first, *rest = (place.relation.vector(env) for place in places)
        return [(k, first) for k in rest]

    try:
        return all_alike(pairs(Environment(at)) for at in near_and_far(lowered.shapes))
    except LookupError:
        return False  # a constant of unknown value


def _family(place: _Place, bond: Bond, members: Sequence[Member], lowered: Lowered) -> NullFamily:
    sources = tuple(dict.fromkeys(m.source for m in members))
    base = MatrixFamily(
        kind="gauge", sources=sources, bond=bond, axis=place.node.axes[place.dim], indexed=(),
        members=list(members), nodes=lowered.nodes,
    )  # fmt: skip
    relation = place.relation

    def width(sizes: Sizes | None) -> int:
        return relation.count(sizes) * (1 if bond.columns else extent(base.axis, sizes))

    def build(env: Environment, c: Tensor) -> Moves:
        kappa = relation.vector(env)
        return base.direction(env, (c.reshape(-1, len(kappa)) @ kappa.flatten(1)).reshape(-1))

    return NullFamily(
        kind="reach", sources=sources, width=width, build=build, loose=True,
        piecewise=True, steps=None,
    )  # fmt: skip
