"""Terms of a sum."""

from collections.abc import Sequence

from symfind.graph.primitives import Node


def once(terms: Sequence[Node], signs: Sequence[float]) -> tuple[tuple[Node, ...], list[float]]:
    """Each term once, with the sum of its signs.

    What is followed through a sum would else be followed as often through every wire that is added
    to itself, twice as often at each of a chain of them. Where a term cancels itself all is left as
    it is.
    """
    total: dict[Node, float] = {}
    for term, sign in zip(terms, signs, strict=True):
        total[term] = total.get(term, 0.0) + sign
    if not all(total.values()):
        return tuple(terms), list(signs)
    return tuple(total), list(total.values())
