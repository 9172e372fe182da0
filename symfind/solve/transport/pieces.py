"""Pieces of a wire that are joined again, of which all are shifted alike.

Every second row and the rows between, side by side: what is added everywhere is added to both, and
a norm behind them sees nothing of it where it would see what is added to one.
"""

from collections.abc import Iterator, Sequence

from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment
from symfind.solve.transport import state as states
from symfind.solve.transport.state import CONSTANT, State
from symfind.solve.transport.steps import Step

_LONGEST = 12  # operations between a wire and where its pieces are joined


def joined(node: Node, state: State) -> tuple[Sequence[p.Join], Sequence[Node]]:
    """Joins that have pieces of a wire and nothing else, and readers that lead elsewhere.

    Args:
        node: the wire.
        state: of what is added to it: none are told where that varies.
    """
    if not _even(node, state) or not any(isinstance(u, p.Movement | p.Mix) for u in node.users):
        return (), node.users
    ends = {user: list(_ends(user, node, _LONGEST)) for user in node.users}
    sound = {user: found for user, found in ends.items() if found and None not in found}
    places = [end for found in sound.values() for end in found if end is not None]
    joins = {join: range(len(join.inputs)) for join, _ in places}
    for join, every in joins.items():
        if sorted(at for j, at in places if j is join) != list(every):
            return (), node.users
    return list(joins), [user for user in node.users if user not in sound]


def spread(join: p.Join) -> Step:
    """What is added to every piece alike, as it is added to the whole."""

    def step(env: Environment, t: Tensor) -> Tensor:
        return t.flatten()[:1].reshape([1] * len(join.axes))

    return step


def _keeps(user: Node, at: int) -> bool:
    """Whether a reader gives the same everywhere, where an operand is the same everywhere."""
    if isinstance(user, p.Mix):
        return user.unit == 1.0 and not isinstance(user, p.Order)
    if not isinstance(user, p.Movement):
        return False
    new = states.forth(user, at, (CONSTANT,) * len(user.inputs[at].axes))
    return new is not None and _even(user, new)


def _even(node: Node, state: State) -> bool:
    return all(s == CONSTANT or n == 1 for s, n in zip(state, node.shape, strict=True))


def _ends(user: Node, x: Node, longest: int) -> Iterator[tuple[p.Join, int] | None]:
    """Joins that a reader of a wire leads to, with the place there; None for anything else."""
    places = [at for at, y in enumerate(user.inputs) if y is x]
    if isinstance(user, p.Join):
        yield from ((user, at) for at in places)
        return
    if len(places) > 1 or not longest or not user.users or not _keeps(user, places[0]):
        yield None
        return
    for reader in user.users:
        yield from _ends(reader, user, longest - 1)
