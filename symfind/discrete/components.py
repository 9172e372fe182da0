"""The discrete part of what is continuous: which finite elements lie in a connected group.

GL(n, R), O(n) and the stabilisers in them of a vector have two components each; a
permutation or a change of signs on a bond where they act is nothing new, and only the determinant
remains. The complex groups of rotary pairs are connected.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, extent
from symfind.algebra.thin import Thin
from symfind.describe.describe import describe
from symfind.discrete.permuting import Shuffle, Spot
from symfind.discrete.signs import SignFlip
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment

PERMUTING = ("general", "orthogonal", "stabiliser", "affine-stabiliser")
Followed = tuple[int, int, frozenset[int]]  # a wire, a block, the atoms that index its sign
Row = tuple[Followed, frozenset[Followed], frozenset[int]]  # pivot, vector, what it is a sum of
DIAGONAL = ("general", "orthogonal", "complex", "rotations")


def contains(
    family: MatrixFamily,
    shuffle: Shuffle,
    scalings: list[ScalingFamily],
    read: set[tuple[int, int]],
) -> bool:
    """Whether the permutations of an index lie in a matrix group on the same index.

    Blocks that nothing reads (`read` are those that are) do not matter.

    The group turns what is left and right of a gain by a conjugate matrix and leaves the gain;
    a permutation moves the gain too. The difference is a scaling of the gain, and must be one.
    """
    if family.type not in PERMUTING or not set(shuffle.by) <= set(family.indexed):
        return False
    turned = {(id(m.source), m.cell, m.atom) for m in family.members}
    permuted = {(id(s.source), s.cell, s.atom): s for s in shuffle.spots}
    if not turned <= set(permuted):
        return False
    gains = family.gains()
    rest = (s for key, s in permuted.items() if key not in turned and key[:2] in read)
    return all(id(s.source) in gains and _scaled(s, scalings) for s in rest)


def _scaled(spot: Spot, scalings: list[ScalingFamily]) -> bool:
    return any(
        m.source is spot.source and m.cell == spot.cell and spot.atom in m.places
        for f in scalings
        for m in f.scaling.members
    )


def remaining(flips: list[SignFlip], families: list[MatrixFamily]) -> list[SignFlip]:
    """Sign changes that generate the others together with those of the matrix groups.

    A matrix group holds the signs of its diagonal where it is not the stabiliser of a vector, and
    minus its identity. Sign changes with the same indices are a space over two elements: for each
    of those that is a sum of `flips`, one of the summands is left out.
    """
    left = list(flips)
    for family in families:
        for axes, target in _signs_of(family):
            able = [f for f in left if axes <= set(f.scaling.indexed)]
            summands = _summands(target, [_followed(f, axes) for f in able]) or ()
            alike = [able[i] for i in summands if set(able[i].scaling.indexed) == axes]
            if alike:
                left.remove(max(alike, key=lambda f: len(f.sources)))
    return left


def _followed(flip: SignFlip, axes: set[Axis]) -> frozenset[Followed]:
    """What moves where the signs depend on some of their indices only."""
    at = [i for i, axis in enumerate(flip.scaling.indexed) if axis in axes]
    found: set[Followed] = set()
    for m in flip.scaling.members:
        found ^= {(id(m.source), m.cell, frozenset(m.places[i] for i in at))}
    return frozenset(found)


def _signs_of(family: MatrixFamily) -> list[tuple[set[Axis], frozenset[Followed]]]:
    if family.type == "columns":
        return []
    diagonal: set[Followed] = set()
    central: set[Followed] = set()
    for m in family.members:
        atoms = m.source.cells[m.cell].atoms
        beside = [atoms.index(a) for a in family.indexed]
        diagonal ^= {(id(m.source), m.cell, frozenset([m.atom, *beside]))}
        central ^= {(id(m.source), m.cell, frozenset(beside))}
    indexed = set(family.indexed)
    found = [(indexed, frozenset(central))]
    if family.type in DIAGONAL:
        found.append((indexed | {family.axis.root}, frozenset(diagonal)))
    return found


def _summands(target: frozenset, vectors: list[frozenset]) -> set[int] | None:
    """Which of some sets have the target as their symmetric difference, None if none do."""
    rows: list[Row] = []
    for i, vector in enumerate(vectors):
        vector, made = _reduce(vector, frozenset([i]), rows)
        if vector:
            rows.append((next(iter(vector)), vector, made))
    rest, made = _reduce(target, frozenset(), rows)
    return None if rest else set(made)


def _reduce(
    vector: frozenset, made: frozenset[int], rows: list[Row]
) -> tuple[frozenset, frozenset[int]]:
    for pivot, row, how in rows:
        if pivot in vector:
            vector, made = vector ^ row, made ^ how
    return vector, made


@dataclass(eq=False, kw_only=True)
class Mirror(Family):
    """The component of negative determinant: one reflection for every copy of a matrix group.

    Coefficients are bits: one is a reflection.
    """

    family: MatrixFamily

    def count(self, sizes: object = None) -> int:
        """One for every copy."""
        total = 1
        for axis in self.family.indexed:
            total *= extent(axis)
        return total

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """A finite element has no direction."""
        raise NotImplementedError

    def flow(self, env: Environment, c: Tensor, t: float = 1.0) -> Moves:
        """Reflect where the coefficient is one."""
        lead = [extent(a) for a in self.family.indexed]
        u = self.normal(env).unsqueeze(-1)
        change = Thin(-2.0 * c.to(u).reshape(*lead, 1, 1) * u, u.expand(*lead, *u.shape))
        return self.family.transform(env, change, change)  # symmetric, its own inverse

    def normal(self, env: Environment) -> Tensor:
        """The unit vector that is reversed: one that the group may turn to another."""
        u = torch.zeros(self.family.axis.size, **env.like)
        match self.family.type:
            case "stabiliser" | "affine-stabiliser":
                u[0], u[1] = 0.5**0.5, -(0.5**0.5)
            case "complex" | "rotations":
                (pairs,) = self.family.bond.pairs
                used = {i for pair in pairs for i in pair}
                u[next(i for i in range(len(u)) if i not in used)] = 1.0
            case _:
                u[0] = 1.0
        return u

    @property
    def of(self) -> str:
        """The group with both components."""
        connected = describe(self.family).group
        head, found, tail = connected.rpartition("SO(")
        return f"{head}O({tail}" if found else connected


def mirrors(families: list[MatrixFamily]) -> list[Mirror]:
    """One for every matrix group that is not connected."""
    return [
        Mirror(kind="reflection", sources=f.sources, family=f)
        for f in families
        if f.type in PERMUTING or (f.bond.pairs and f.axis.size > 2 * f.paired())
    ]
