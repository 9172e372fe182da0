"""Counting twins: every index shrunk, the order of sizes kept, values drawn when they are used."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, atoms, extent, half
from symfind.graph import primitives as p
from symfind.solve.bonds.matrices import Member
from symfind.solve.families.family import MatrixFamily, NullFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family

ATTEMPTS = 6


def axes_of(family: Family) -> list[Axis]:
    """The atomic indices that what a family adds can depend on, those of its own count first."""
    found: list[Axis] = []
    if isinstance(family, MatrixFamily):
        found = [family.axis, *family.indexed]
    elif isinstance(family, ScalingFamily):
        found = list(family.scaling.indexed)
    elif isinstance(family, ShiftFamily) and family.cell is not None:
        found = [family.seed.cells[family.cell].atoms[i] for i in family.free]
    found += [a for s in family.sources for axis in s.axes for a in atoms(axis)]
    return list(dict.fromkeys(a.root for a in found if a.size > 1))


def counting_sizes(
    families: Sequence[Family], parameters: Iterable[p.Source], twin: int, apart: bool
) -> dict[Axis, int] | None:
    """Small sizes for all atoms, in the order of their true sizes; different on every twin.

    Where a matrix algebra has a stabiliser it keeps one, and nowhere else does one appear.

    Args:
        families: those that are counted.
        parameters: the wires of all parameters.
        twin: which one; the first two are as small as can be.
        apart: whether differences of sizes have to be told from small numbers.

    Returns:
        A size for every atom; None where no small sizes were found that keep all of this.
    """
    found = {a for s in parameters for axis in s.axes for a in atoms(axis) if a.size > 1}
    for f in families:
        found |= {a for s in f.sources for axis in s.axes for a in atoms(axis) if a.size > 1}
        found |= set(axes_of(f))
    matrices = [f for f in families if isinstance(f, MatrixFamily)]
    for attempt in range(ATTEMPTS):
        sizes = _sizes(found, families, matrices, twin, 2**attempt, 3 if apart else 1)
        if all(_regime(f, sizes) == _regime(f, None) for f in matrices):
            return sizes
    return None


def delicate(family: Family) -> bool:
    """Whether its dimension depends on differences of sizes: then twins must have larger ones."""
    if isinstance(family, MatrixFamily):
        return any(_regime(family, None))
    return isinstance(family, NullFamily) and family.piecewise


def points_needed(family: Family, sizes: Sizes | None = None) -> int:
    """At how many points together nothing that acts is seen to fix everything.

    What fixes both sides of a bond of `n` at `m` points is `n − m p` by `n − m q`.

    Args:
        family: of which the fields are counted.
        sizes: of its indices, None for their own.
    """
    if not isinstance(family, MatrixFamily):
        return 1
    n = extent(family.axis, sizes)
    widest = max((_width(family, side, sizes) for side in _sides(family)), default=n)
    return math.ceil(n / max(1, int(widest)))


def stabilised(family: MatrixFamily, sizes: Sizes | None, part: Callable[[Any], Any]) -> Any:
    """How many dimensions of an algebra fix all that it acts on, at generic points.

    Args:
        family: the algebra.
        sizes: of its indices: numbers, or symbols where an expression is wanted.
        part: the positive part of a difference of sizes.
    """
    n = extent(family.axis, sizes)
    fixed = 1 if family.bond.ones else 0  # a direction that all elements leave alone
    left = [part(n - fixed - _width(family, side, sizes)) for side in _sides(family)]
    one = half(left[0] * (left[0] - 1)) if family.bond.skew else math.prod(left)
    return one * math.prod(extent(a, sizes) for a in family.indexed)


def _sizes(
    found: set[Axis],
    families: Sequence[Family],
    matrices: Sequence[MatrixFamily],
    twin: int,
    stretch: int,
    gap: int,
) -> dict[Axis, int]:
    rng = random.Random(twin)
    # Copies (heads, groups) are independent: two or three tell as much as many.
    copies = {a.root: min(a.size, 2 + twin // 2 % 2) for f in matrices for a in f.indexed}
    even = {f.axis.root for f in matrices if f.bond.pairs}
    even |= {
        a.root
        for f in families
        if isinstance(f, ScalingFamily)
        for a, t in zip(f.scaling.indexed, f.scaling.ties, strict=True)
        if t is not None
    }
    sizes: dict[Axis, int] = {}
    last = 1 + stretch + twin % 2
    for n in sorted({a.size for a in found}):
        same = [a for a in found if a.size == n]
        # Strictly in order, for the order of sizes decides which ranks are full.
        last += 1 + (rng.randint(0, gap) if twin > 1 else 0)
        for f in matrices:
            if f.axis.size == n:
                # All that is less wide than the bond has its size by now.
                wider = [side for side in _sides(f) if n > _width(f, side, None)]
                last = max([last, *(_width(f, side, sizes) + 1 for side in wider)])
        if last % 2 and any(a in even for a in same):
            last += 1
        sizes.update({a: copies.get(a, min(n, last)) for a in same})
    return sizes


def _sides(family: MatrixFamily) -> list[list[Member]]:
    """What the algebra acts on, directly and by the dual; without distinction where it is skew.

    The elements that fix all of it are matrices of size n − p by n − q, p and q its widths.
    """
    if family.bond.skew:
        return [family.members]
    return [[m for m in family.members if m.dual == dual] for dual in (False, True)]


def _width(family: MatrixFamily, side: Sequence[Member], sizes: Sizes | None) -> Any:
    total: Any = 0
    for m in side:
        block = m.source.cells[m.cell].atoms
        others = [a for i, a in enumerate(block) if i != m.atom and a not in family.indexed]
        total += math.prod(extent(a, sizes) for a in others)
    return total


def _regime(family: MatrixFamily, sizes: Mapping[Axis, int] | None) -> list[bool]:
    """On which sides the bond is wider than all that it acts on."""
    n = extent(family.axis, sizes)
    return [n > _width(family, side, sizes) for side in _sides(family)]


class Drawn(Mapping[str, Tensor]):
    """Random parameters at given sizes, each drawn when it is first asked for."""

    def __init__(
        self, parameters: Mapping[str, p.Source], sizes: Mapping[Axis, int], seed: int
    ) -> None:
        """Take the parameter wires by name."""
        self._parameters, self._sizes, self._seed = parameters, sizes, seed
        self._place = {name: i for i, name in enumerate(parameters)}
        self._known: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        """The value, the same however often and in whatever order it is asked for."""
        if name not in self._known:
            # far from the small seeds with which fixed reference values are drawn elsewhere
            seed = (self._seed + 1) * 1_000_003 + self._place[name]
            generator = torch.Generator().manual_seed(seed)
            shape = [extent(a, self._sizes) for a in self._parameters[name].axes]
            self._known[name] = torch.randn(shape, generator=generator, dtype=torch.float64)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """Names."""
        return iter(self._parameters)

    def __len__(self) -> int:
        """How many parameters there are."""
        return len(self._parameters)
