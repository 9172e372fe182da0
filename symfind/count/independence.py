"""Families whose directions are independent at every size: seen from the structure alone.

A family that acts faithfully on a block of a tensor which no other family moves is independent of
all others together, and can be set aside; then others may have a block to themselves, and so on.
What is set aside adds all its dimensions, and changes nothing of what the rest adds: no point, and
no twin, has to be looked at for it.

A block that is otherwise only shifted, by something constant along one of its atoms, is as good as
untouched: take the mean over that atom away.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symfind.algebra.axes import Axis
from symfind.graph import primitives as p
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family, followers

Block = tuple[p.Source, int]  # a wire and the number of one of its cells
Place = tuple[str, int]  # the same by the name of the tensor

# Algebras whose elements vanish with the part of their image that sums to zero.
BESIDE_ONES = ("orthogonal", "stabiliser", "affine-stabiliser", "rotations")


def independent(families: Sequence[Family]) -> set[int]:
    """Positions of families that can be set aside, each in the presence of those that remain."""
    several = _several(families)
    reaches = [_reach(f, several) for f in families]
    touching: dict[str, set[int]] = {}
    for i, family in enumerate(families):
        for name in family.names:
            touching.setdefault(name, set()).add(i)
    aside: set[int] = set()
    waiting = list(range(len(families)))
    while waiting:
        again: set[int] = set()
        for i in waiting:
            if any(
                _alone(families[i], block, [reaches[j] for j in touching[block[0].key] if j != i])
                for block in _candidates(families[i], several)
            ):
                aside.add(i)
                for name in families[i].names:
                    touching[name].discard(i)
                    again |= touching[name]
        waiting = sorted(again - aside)
    return aside


@dataclass
class _Reach:
    """Where a family moves anything."""

    whole: set[str] = field(default_factory=set)  # tensors of which anything may move
    blocks: set[Place] = field(default_factory=set)
    constant: dict[Place, tuple[int, ...]] = field(default_factory=dict)  # along which atoms


def _several(families: Sequence[Family]) -> set[str]:
    """Names of tensors that are more than one wire: their blocks may overlap."""
    wires: dict[str, p.Source] = {}
    found = set()
    for family in families:
        for source in (*family.sources, *followers(family.sources)):
            if wires.setdefault(source.key, source) is not source:
                found.add(source.key)
    return found


def _moved(family: Family) -> list[Block]:
    """Blocks that are moved, of all tensors of which no more than that is moved."""
    found: list[Block] = []
    if isinstance(family, MatrixFamily):
        found = [(m.source, m.cell) for m in family.members]
    elif isinstance(family, ScalingFamily):
        found = [(m.source, m.cell) for m in family.scaling.members]
    elif isinstance(family, ShiftFamily) and family.cell is not None:
        if all(a.source.key != family.seed.key for a in family.actions):
            found = [(family.seed, family.cell)]
    behind = {s.key for s in followers(family.sources)}
    return [(s, c) for s, c in found if s.key not in behind and s.offset is None]


def _reach(family: Family, several: set[str]) -> _Reach:
    blocks = {(s.key, c) for s, c in _moved(family) if s.key not in several}
    reach = _Reach(set(family.names) - {name for name, _ in blocks}, blocks)
    if isinstance(family, ShiftFamily) and family.cell is not None:
        atoms = range(len(family.seed.cells[family.cell].atoms))
        place = (family.seed.key, family.cell)
        reach.constant = {place: tuple(i for i in atoms if i not in family.free)}
    return reach


def _candidates(family: Family, several: set[str]) -> Iterator[Block]:
    """Blocks that are moved in one way only."""
    moved = _moved(family)
    count = Counter(moved)
    return (b for b in moved if count[b] == 1 and b[0].key not in several)


def _alone(family: Family, block: Block, others: Sequence[_Reach]) -> bool:
    """Whether a family acts faithfully on what others leave of a block, at any size."""
    place = (block[0].key, block[1])
    without: set[int] = set()  # atoms over which the mean is taken away
    for other in others:
        if place[0] in other.whole:
            return False
        if place in other.blocks:
            constant = other.constant.get(place, ())
            usable = [a for a in constant if _survives(family, block, a)]
            if not usable:
                return False
            without.add(usable[0])
    return _sees_all(family, block, without)


def _survives(family: Family, block: Block, atom: int) -> bool:
    """Whether what the family does on a block can be seen without the mean over an atom."""
    axis = block[0].cells[block[1]].atoms[atom]
    if axis.size < 2:
        return False
    if isinstance(family, MatrixFamily):
        (m,) = (m for m in family.members if (m.source, m.cell) == block)
        if m.atom == atom:
            return family.type in BESIDE_ONES and not m.potential
        return axis not in family.indexed
    if isinstance(family, ScalingFamily):
        (f,) = (f for f in family.scaling.members if (f.source, f.cell) == block)
        return atom not in f.places
    return False


def _sees_all(family: Family, block: Block, without: set[int]) -> bool:
    """Whether no element but zero acts trivially, at generic values of any size."""
    if isinstance(family, MatrixFamily):
        (m,) = (m for m in family.members if (m.source, m.cell) == block)
        atoms = block[0].cells[block[1]].atoms

        def left(i: int, axis: Axis) -> int:
            return axis.size - (i in without)

        free = [i for i, a in enumerate(atoms) if i != m.atom and a not in family.indexed]
        return math.prod(left(i, atoms[i]) for i in free) >= family.axis.size
    if isinstance(family, ScalingFamily):
        (f,) = (f for f in family.scaling.members if (f.source, f.cell) == block)
        return f.exponent != 0
    return True
