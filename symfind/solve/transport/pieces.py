"""Pieces of a wire that are joined again, of which all are shifted alike.

Every second row and the rows between, side by side: what is added everywhere is added to both, and
a norm behind them sees nothing of it where it would see what is added to one.
"""

from collections.abc import Sequence

from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.rejoined import rejoined
from symfind.solve.point.values import Environment
from symfind.solve.transport import state as states
from symfind.solve.transport.state import CONSTANT, State
from symfind.solve.transport.steps import Step


def joined(node: Node, state: State) -> tuple[Sequence[p.Join], Sequence[Node]]:
    """Joins that have pieces of a wire and nothing else, and readers that lead elsewhere.

    Args:
        node: the wire.
        state: of what is added to it: none are told where that varies.
    """
    if not _even(node, state) or not any(isinstance(u, p.Movement | p.Mix) for u in node.users):
        return (), node.users
    joins, others = rejoined(node, CONSTANT, _kept)
    return list(joins), others


def spread(join: p.Join) -> Step:
    """What is added to every piece alike, as it is added to the whole."""

    def step(env: Environment, t: Tensor) -> Tensor:
        return t.flatten()[:1].reshape([1] * len(join.axes))

    return step


def _kept(user: Node, at: int, same: str) -> str | None:
    """What is the same everywhere, where a reader of it gives the same everywhere."""
    if isinstance(user, p.Mix):
        return same if user.unit == 1.0 and not isinstance(user, p.Order) else None
    if not isinstance(user, p.Movement):
        return None
    new = states.forth(user, at, (CONSTANT,) * len(user.inputs[at].axes))
    return same if new is not None and _even(user, new) else None


def _even(node: Node, state: State) -> bool:
    return all(s == CONSTANT or n == 1 for s, n in zip(state, node.shape, strict=True))
