"""Pieces of a wire that are joined again, and what is carried to there from the wire."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

from symfind.graph import primitives as p
from symfind.graph.primitives import Node

_LONGEST = 12  # operations between a wire and where its pieces are joined
T = TypeVar("T", bound=Hashable)


def rejoined(
    node: Node, start: T, carry: Callable[[Node, int, T], T | None]
) -> tuple[dict[p.Join, T], Sequence[Node]]:
    """Where all operands are pieces of a wire that carry the same, and its other readers.

    Args:
        node: the wire.
        start: what it carries.
        carry: what the result of an operation carries whose operand at a place carries something;
            None where the way ends.

    Returns:
        The joins, with what each piece carries (none where a piece is missing or another differs),
        and the readers that lead elsewhere.
    """
    reached = {user: list(_ends(user, node, start, carry, _LONGEST)) for user in node.users}
    sound = {user: ends for user, ends in reached.items() if ends and None not in ends}
    places = [end for ends in sound.values() for end in ends if end is not None]
    found: dict[p.Join, T] = {}
    for join in dict.fromkeys(end[0] for end in places):
        mine = [end for end in places if end[0] is join]
        every = sorted(at for _, at, _ in mine) == list(range(len(join.inputs)))
        if not every or len({one for *_, one in mine}) > 1:
            return {}, node.users
        found[join] = mine[0][2]
    return found, [user for user in node.users if user not in sound]


def _ends(
    user: Node, x: Node, here: T, carry: Callable[[Node, int, T], T | None], longest: int
) -> Iterator[tuple[p.Join, int, T] | None]:
    """Joins that a reader of a wire leads to, with the place there; None for anything else."""
    places = [at for at, y in enumerate(user.inputs) if y is x]
    if isinstance(user, p.Join):
        yield from ((user, at, here) for at in places)
        return
    new = carry(user, places[0], here) if len(places) == 1 and longest else None
    if new is None or not user.users:
        yield None
        return
    for reader in user.users:
        yield from _ends(reader, user, new, carry, longest - 1)
