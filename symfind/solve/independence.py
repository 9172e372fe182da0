"""Families whose directions are independent at every size: seen from the structure alone.

A family adds all its dimensions where it acts faithfully on a block of a tensor that no family
before it moves: then no point, and no twin, has to be looked at.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from symfind.rules import primitives as p
from symfind.solve.family import (
    Family,
    MatrixFamily,
    ScalingFamily,
    ShiftFamily,
    followers,
)

Block = tuple[p.Source, int]  # a wire and the number of one of its cells


def plainly_independent(families: Sequence[Family]) -> set[int]:
    """Positions of families that act faithfully on a block that none before them moves."""
    wires: dict[str, p.Source] = {}
    several = set()  # names of tensors that are more than one wire: their blocks may overlap
    for family in families:
        for source in (*family.sources, *followers(family.sources)):
            if wires.setdefault(source.key, source) is not source:
                several.add(source.key)
    whole: set[str] = set(several)
    blocks: set[tuple[str, int]] = set()
    found = set()
    for i, family in enumerate(families):
        fresh = ((s.key, c) for s, c in _faithful(family))
        if any(b not in blocks and b[0] not in whole for b in fresh):
            found.add(i)
        known = {(s.key, c) for s, c in _moved(family)}
        blocks |= known
        whole |= set(family.names) - {name for name, _ in known}
    return found


def _moved(family: Family) -> list[Block]:
    """Blocks that are moved, of all tensors of which no more than that is moved."""
    found: list[Block] = []
    if isinstance(family, MatrixFamily):
        found = [(m.source, m.cell) for m in family.members]
    elif isinstance(family, ScalingFamily):
        found = [(m.source, m.cell) for m in family.scaling.members]
    elif isinstance(family, ShiftFamily) and family.cell is not None:
        found = [(family.seed, family.cell)]
        if any(a.source.key == family.seed.key for a in family.actions):
            return []
    behind = {s.key for s in followers(family.sources)}
    return [(s, c) for s, c in found if s.key not in behind and s.offset is None]


def _faithful(family: Family) -> Iterator[Block]:
    """Blocks on which no element but zero acts trivially, at generic values of any size."""
    moved = _moved(family)
    count = Counter(moved)
    for block in moved:
        if count[block] == 1 and _sees_all(family, block):
            yield block


def _sees_all(family: Family, block: Block) -> bool:
    if isinstance(family, MatrixFamily):
        (m,) = (m for m in family.members if (m.source, m.cell) == block)
        atoms = m.source.cells[m.cell].atoms
        others = [a.size for i, a in enumerate(atoms) if i != m.atom and a not in family.indexed]
        return math.prod(others) >= family.axis.size
    if isinstance(family, ScalingFamily):
        return all(f.exponent != 0 for f in family.scaling.members if (f.source, f.cell) == block)
    return True
