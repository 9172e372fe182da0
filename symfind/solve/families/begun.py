"""Streams that begin with what is learned: the beginning need not turn with the rest.

Where a wire a that no input reaches is an operand of a sum w = a + b and is read elsewhere too, a
change of basis of what is read there, δa = A a, changes the sum by a known amount. A parameter that
adds to the sum takes that back. So the stream of a class token has a basis of its own, beside that
of the patches which the token meets in a norm (Touvron et al. 2021, class attention). Likewise
where w turns and a stays: what is missing of the sum, A a, the parameter adds.
"""

from collections.abc import Iterator

from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.indices import Still, indices
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.ops.lower import Lowered
from symfind.solve.bonds.matrices import Bond, Matrices, Member
from symfind.solve.families.family import MatrixFamily, NullFamily, carry_out
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical


def begun_families(lowered: Lowered, flows: Flows) -> Iterator[Family]:
    """For every sum with a learned operand that something else reads as well."""
    still = Still()
    for node in lowered.nodes:
        if not isinstance(node, p.Add) or not node.varies:
            continue
        for at, x in enumerate(node.inputs):
            if x.varies or x.fixed or not _elsewhere(x):
                continue
            plan = flows.through(node, at, _state(x, still), True, PLAIN)
            if plan is not None:
                for d in range(len(x.axes)):
                    yield from _along(node, at, d, plan, lowered)


def _elsewhere(x: Node) -> bool:
    """Whether something else reads a wire, or what it is moved from."""
    while len(x.users) == 1:
        if not isinstance(x, p.Movement) or len(x.inputs) != 1:
            return False
        (x,) = x.inputs
    return True


def _state(x: Node, still: Still) -> State:
    copies = still.along(x)
    moving = {d for d, _ in indices(x).keys() - copies}
    return canonical(x, [ARBITRARY if d in moving else CONSTANT for d in range(len(x.axes))])


def _along(node: p.Add, at: int, dim: int, plan: Plan, lowered: Lowered) -> Iterator[Family]:
    """What turns on either side of the sum, along one dimension of the operand."""
    x = node.inputs[at]
    place = dim + len(node.axes) - len(x.axes)
    if x.axes[dim].size == 1 or x.axes[dim].root is not node.axes[place].root:
        return
    equations = Matrices(lowered, apart=[(node, at)])
    own, other = equations.along(x, dim), equations.along(node, place)
    if own is None or other is None or own[0] == other[0]:
        return
    above = set(ancestors([x]))
    for wire, d, sign in ((x, dim, 1.0), (node, place, -1.0)):
        found = equations.frame(wire, d)
        # what acts on the operand alone changes it, which is said elsewhere
        if found is not None and {m.source for m in found[1]} - above and not found[0].indexed:
            yield _family(x, dim, found, plan, sign, lowered)


def _family(
    x: Node, dim: int, found: tuple[Bond, list[Member]], plan: Plan, sign: float, lowered: Lowered
) -> Family:
    bond, members = found
    base = MatrixFamily(
        kind="gauge", sources=tuple(dict.fromkeys(m.source for m in members)), bond=bond,
        axis=x.axes[dim], indexed=(), members=members, nodes=lowered.nodes,
    )  # fmt: skip
    names: list[object] = list(range(len(x.axes)))
    turned = ["turned" if d == dim else d for d in names]

    def build(env: Environment, c: Tensor) -> Moves:
        moves = dict(base.direction(env, c))
        change = einsum([base.matrix(env, c), env.value(x)], [["turned", dim], names], turned)
        return carry_out(env, plan, sign * change, moves)

    sources = tuple(dict.fromkeys((*base.sources, *(a.source for a in plan))))
    return NullFamily(
        kind="rotation" if bond.skew else "gauge", sources=sources, width=base.count, build=build,
        loose=True, held=True, steps=None,
    )  # fmt: skip
