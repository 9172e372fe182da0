"""Repeated layers: which families stand for which others when dimensions are counted.

Families that share no tensor, even through others, are counted apart; and where two such parts are
built alike, one stands for the other. Within a part, families of one colour stand for each other.
"""

from collections.abc import Hashable, Sequence

from symfind.algebra.axes import Axis, atoms
from symfind.count.refinement import colours, kind, role
from symfind.solve.bonds.classes import Classes
from symfind.solve.point.family import Family

KEPT = 2  # members of a repeated group that are counted at the beginning, besides the last


def representatives(families: Sequence[Family]) -> tuple[list[int], dict[int, int]]:
    """Positions of families to count, and for every family the one that stands for it."""
    like = alike(families)
    chosen, within = _by_colour(families, sorted(set(like.values())))
    return chosen, {i: within[j] for i, j in like.items()}


def alike(families: Sequence[Family]) -> dict[int, int]:
    """For the position of every family that of its like, in the first part that is built so."""
    first: dict[Hashable, list[int]] = {}
    return {
        i: j
        for part in linked(families)
        for i, j in zip(
            part, first.setdefault(_build([families[k] for k in part]), part), strict=True
        )
    }


def _by_colour(families: Sequence[Family], kept: list[int]) -> tuple[list[int], dict[int, int]]:
    groups: dict[int, list[int]] = {}
    for i, colour in zip(kept, colours([families[i] for i in kept]), strict=True):
        groups.setdefault(colour, []).append(i)
    stands: dict[int, int] = {}
    for members in groups.values():
        chosen = members if len(members) <= KEPT + 1 else [*members[:KEPT], members[-1]]
        for i in members:
            stands[i] = i if i in chosen else chosen[KEPT - 1]
    return sorted(set(stands.values())), stands


def linked(families: Sequence[Family]) -> list[list[int]]:
    """Positions of families that are linked by tensors, in order."""
    tied: Classes[None] = Classes(len(families), lambda v: None, lambda above, own: None)
    first: dict[str, int] = {}
    for i, family in enumerate(families):
        for name in family.names:
            root, own = tied.find(first.setdefault(name, i))[0], tied.find(i)[0]
            if root != own:
                tied.join(root, own, None)
    parts: dict[int, list[int]] = {}
    for i in range(len(families)):
        parts.setdefault(tied.find(i)[0], []).append(i)
    return sorted(parts.values())


def _build(part: Sequence[Family]) -> Hashable:
    """The same for two parts that differ in nothing but the tensors and indices they are about."""
    tensors: dict[str, int] = {}
    indices: dict[Axis, int] = {}
    found = []
    for family in part:
        members = []
        for source in family.sources:
            number = tensors.setdefault(source.key, len(tensors))
            shape = tuple(
                (indices.setdefault(a.root, len(indices)), a.size)
                for axis in source.axes
                for a in atoms(axis)
            )
            members.append((number, shape, role(family, source)))
        found.append((kind(family), tuple(members)))
    return tuple(found)
