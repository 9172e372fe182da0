"""Wires of which several exponentials are taken: one shift scales them all alike.

Where keys k_t are read as exp k_t and as exp (u + k_t), a bias of all keys scales numerators and
denominators of weighted means (Peng et al. 2023, RWKV). Scalings end there only all together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.bonds.scalings import Anchored, Scaling
from symfind.solve.transport import state as states
from symfind.solve.transport.absorption import Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical


@dataclass(frozen=True)
class Shared:
    """A wire that nothing but exponentials reads.

    Attributes:
        wire: what is shifted along one dimension, alike along all others.
        dim: this dimension.
        plan: how parameters shift it.
        exponentials: all of them, each with the dimension along which it is scaled then.
    """

    wire: Node
    dim: int
    plan: Plan
    exponentials: dict[p.Pointwise, int]

    @property
    def anchors(self) -> Anchored:
        """Where a scaling may end, and the atoms that index it there."""
        return {
            (node.index, 0): frozenset(
                i for i, (d, _) in enumerate(node.cells[0].places) if d == dim
            )
            for node, dim in self.exponentials.items()
        }


def shared_wires(lowered: Lowered, flows: Flows) -> Iterator[Shared]:
    """All such wires that parameters can shift, and of which more than one exponential is taken."""
    for wire in lowered.nodes:
        if not isinstance(wire, p.Add | p.Contract) or not wire.varies or len(wire.users) < 2:
            continue
        for dim, axis in enumerate(wire.axes):
            if axis.size == 1:
                continue
            alone = [ARBITRARY if d == dim else CONSTANT for d in range(len(wire.axes))]
            found: dict[p.Pointwise, int] = {}
            if _followed(wire, canonical(wire, alone), found) and len(found) > 1:
                plan = flows.undo(wire, canonical(wire, alone))
                if plan:
                    yield Shared(wire, dim, plan, found)
                    break


def joint(scalings: Sequence[Scaling], shared: Shared) -> Scaling | None:
    """The sum of all scalings that end in exponentials of one wire, each of them scaled by e."""
    parts: list[Scaling] = []
    for scaling in scalings:
        rates = {a.exponent / a.node.rate for a in scaling.anchors if a.node in shared.exponentials}
        if len(rates) == 1 and 0 not in rates:
            parts.append(_times(scaling, 1 / rates.pop()))
        elif rates:
            return None
    if not parts or any((s.indexed, s.ties) != (parts[0].indexed, parts[0].ties) for s in parts):
        return None
    members = [m for s in parts for m in s.members]
    anchors = [a for s in parts for a in s.anchors]
    twice = len({(m.source, m.cell) for m in members}) < len(members)
    if twice or len({(a.node, a.cell) for a in anchors}) < len(anchors):
        return None
    return replace(parts[0], members=members, anchors=anchors)


def _times(scaling: Scaling, factor: float) -> Scaling:
    members = [replace(m, exponent=factor * m.exponent) for m in scaling.members]
    anchors = [replace(a, exponent=factor * a.exponent) for a in scaling.anchors]
    return replace(scaling, members=members, anchors=anchors)


def _followed(wire: Node, state: State, found: dict[p.Pointwise, int]) -> bool:
    """Whether a shift meets exponentials alone, each once."""
    for user in wire.users:
        if user.inputs.count(wire) != 1:
            return False
        at = user.inputs.index(wire)
        if isinstance(user, p.Pointwise) and user.growth is not None:
            dims = [d for d, s in enumerate(state) if s == ARBITRARY]
            plain = len(dims) == 1 and all(s in (ARBITRARY, CONSTANT) for s in state)
            if user in found or not plain or len(user.cells) != 1:
                return False
            found[user] = dims[0]
            continue
        added = isinstance(user, p.Add) and user.signs[at] == 1
        moved = isinstance(user, p.Movement) and not states.scattered(user, at, state)
        if not (added or moved) or isinstance(user, p.Join):
            return False
        new = states.forth(user, at, state)
        if new is not None and not _followed(user, new, found):
            return False
    return bool(wire.users)
