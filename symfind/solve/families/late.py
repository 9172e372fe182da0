"""Changes of basis of a stream behind a sum, of which what came before sees nothing.

Where a wire a with κ·a = c is the beginning of a sum w = a + b, and w is read by linear maps alone,
X = r κᵀ changes of a the constant r c only: what writes b moves by X b, what reads w by −V X, and
the constant is taken up. So in residual streams that are wider than what is written into them
before the last block, where no norm comes after it.
"""

from collections.abc import Iterator

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.bonds.acting import gains_of
from symfind.solve.bonds.matrices import Bond, Matrices, Potential
from symfind.solve.families.family import MatrixFamily, NullFamily, carry_out
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.spans.reached import Spans
from symfind.solve.spans.relation import Relation
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical


def late_families(lowered: Lowered, flows: Flows, equations: Matrices) -> Iterator[Family]:
    """For every sum with a beginning that spans less than its width, and linear readers alone.

    Args:
        lowered: the graph.
        flows: of it.
        equations: of all changes of basis; where any acts on a wire, there is nothing to add.
    """
    spans, linear = Spans(flows.relations), _Linear()
    for node in lowered.nodes:
        if isinstance(node, p.Add) and sum(x.varies for x in node.inputs) > 1:
            for dim, axis in enumerate(node.axes):
                if axis.size == 1 or not linear(node, dim):
                    continue
                found = equations.along(node, dim)
                if found is not None and not _free(equations.bond(found[0])):
                    yield from _of(node, dim, spans, lowered, flows)


def _free(bond: Bond) -> bool:
    """Whether any matrix acts, and one only."""
    held = bond.rigid or bond.skew or bond.ones or bond.pairs or bond.indexed or bond.needs
    return not held


class _Linear:
    """Whether nothing but weights reads a wire along a dimension, apart from sums and movements."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}

    def __call__(self, wire: Node, dim: int) -> bool:
        """Whether none does: asked once of every wire, however many ways lead there."""
        key = wire.index, dim
        if key not in self._known:
            self._known[key] = bool(wire.users) and all(self._by(u, wire, dim) for u in wire.users)
        return self._known[key]

    def _by(self, user: Node, wire: Node, dim: int) -> bool:
        match user:
            case p.Add() if wire.shape == user.shape:
                return self(user, dim)
            case p.Pointwise() if user.slope:
                return self(user, dim)
            case p.Peak() | p.Order():
                return False
            case p.Movement() | p.Mix():
                at = user.inputs.index(wire)
                outs = [r.outs[0] for r in user.index_map(at)
                        if r.way is Way.SAME and r.ins == (dim,)]  # fmt: skip
                return bool(outs) and self(user, outs[0])
            case p.Contract():
                return sum(x.varies for x in user.inputs) == 1 and not user.windows
        return False


def _of(node: p.Add, dim: int, spans: Spans, lowered: Lowered, flows: Flows) -> Iterator[Family]:
    for at, x in enumerate(node.inputs):
        if not x.varies or x.shape != node.shape:
            continue
        known = [*flows.relations.of(x), *spans.missed(x, dim)]
        relation = next((r for r in known if r.dims == (dim,)), None)
        if relation is None or relation.count(None) <= 0:
            continue
        state = canonical(
            node, [ARBITRARY if d == dim else CONSTANT for d in range(len(node.axes))]
        )
        plan: Plan | None = ()
        if not relation.zero:
            plan = flows.dispose(node, state, True, PLAIN)
        if plan is not None:
            yield from _apart(node, dim, at, relation, plan, lowered)


def _apart(
    node: p.Add, dim: int, at: int, relation: Relation, plan: Plan, lowered: Lowered
) -> Iterator[Family]:
    """Of one operand that stays as it is."""
    equations = Matrices(lowered, apart=[(node, at)])
    found = equations.along(node, dim), equations.along(node.inputs[at], dim)
    if found[0] is None or found[1] is None or found[0][0] == found[1][0]:
        return
    root, dual, potential = found[0]
    bond = equations.bond(root)
    members = next((m for b, m in equations.bonds() if b is bond), []) if _free(bond) else []
    if members:
        sources = tuple(dict.fromkeys(m.source for m in members))
        base = MatrixFamily(kind="gauge", sources=sources, bond=bond, axis=node.axes[dim],
                            indexed=(), members=members, nodes=lowered.nodes)  # fmt: skip
        yield _family(node, dim, base, (dual, potential), relation, plan)


def _family(
    node: p.Add, dim: int, base: MatrixFamily, image: tuple[bool, Potential],
    relation: Relation, plan: Plan,
) -> Family:  # fmt: skip
    dual, potential = image

    def width(sizes: Sizes | None) -> int:
        return extent(node.axes[dim], sizes) * relation.count(sizes)

    def build(env: Environment, c: Tensor) -> Moves:
        kappa = relation.vector(env)
        r = c.reshape(-1, kappa.shape[0])
        x = r @ kappa
        if potential:
            gain = gains_of(env, potential, base.nodes)
            x = x / gain[:, None] * gain[None, :]
        moves = dict(base.direction(env, (-x.T if dual else x).reshape(-1)))
        if not relation.zero:
            shape = [-1 if d == dim else 1 for d in range(len(node.axes))]
            carry_out(env, plan, -(r @ relation.constant(env)).reshape(shape), moves)
        return moves

    sources = tuple(dict.fromkeys((*base.sources, *(a.source for a in plan))))
    return NullFamily(
        kind="reach", sources=sources, width=width, build=build, loose=True, piecewise=True,
        steps=None,
    )  # fmt: skip
