"""Changes of basis 1 κᵀ of streams that are normalised between weights that are used again.

Beside a centred norm nothing sees what is the same for all entries of a wire, so that what writes
and what reads a stream may change it by X = 1 κᵀ, for any κ. Where the same weights read the result
of a norm too, that result must change alike, and it cannot: norms turn nothing. But if κ·a = 0 for
all that the norm gives, X a = 0, and it need not. So in stacks of a layer that is used again behind
a norm of its own (Lan et al. 2020, parameters shared across layers), with κ = 1 / gain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.bonds.matrices import Bond, Matrices, Member
from symfind.solve.families.family import MatrixFamily, NullFamily
from symfind.solve.point.drawn import Drawn
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


def renewed_families(lowered: Lowered, relations: AffineRelations) -> Iterator[Family]:
    """For every stream that a norm is blind to along what it was given by another norm.

    Args:
        lowered: the graph.
        relations: what its wires satisfy.
    """
    if not any(node.blind for node in lowered.nodes):
        return
    places = [place for node in lowered.nodes for place in _places(node, relations)]
    equations = Matrices(lowered, blind=True, apart={(x.node, x.at) for x in places})
    streams: dict[int, list[_Place]] = {}
    for place in places:
        found = equations.along(place.node, place.dim)
        if found is not None:
            streams.setdefault(found[0], []).append(place)
    env = Environment(Drawn(lowered.shapes))
    for some in streams.values():
        frames = [equations.frame(place.node, place.dim) for place in some]
        if frames[0] is not None and None not in frames and _agree(some, env):
            family = _family(some[0], *frames[0], lowered)
            if any(m.dual and len(m.source.users) > 1 for m in frames[0][1]) and family.count() > 0:
                yield family  # of what is read once each reader does as much by itself


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


def _agree(places: Sequence[_Place], env: Environment) -> bool:
    """Whether all that stays has the same κ, at parameters drawn at random."""
    if len({place.node.axes[place.dim].root for place in places}) > 1:
        return False
    try:
        first, *rest = (place.relation.vector(env) for place in places)
    except LookupError:
        return False  # a constant of unknown value
    return all(k.shape == first.shape and torch.allclose(k, first) for k in rest)


def _family(place: _Place, bond: Bond, members: Sequence[Member], lowered: Lowered) -> NullFamily:
    sources = tuple(dict.fromkeys(m.source for m in members))
    base = MatrixFamily(
        kind="gauge", sources=sources, bond=bond, axis=place.node.axes[place.dim], indexed=(),
        members=list(members), nodes=lowered.nodes,
    )  # fmt: skip
    relation = place.relation

    def build(env: Environment, c: Tensor) -> Moves:
        return base.direction(env, c @ relation.vector(env).reshape(len(c), -1))

    return NullFamily(
        kind="reach", sources=sources, width=relation.count, build=build, loose=True,
        piecewise=True, steps=None,
    )  # fmt: skip
