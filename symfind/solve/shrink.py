"""Counting twins: every index shrunk, the order of sizes kept, values drawn when they are used."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, atoms, extent
from symfind.rules import primitives as p
from symfind.solve.family import Family, MatrixFamily, ScalingFamily, ShiftFamily


def axes_of(family: Family) -> list[Axis]:
    """The atomic indices that a family's count can depend on."""
    found: list[Axis] = []
    if isinstance(family, MatrixFamily):
        found = [family.axis, *family.indexed]
    elif isinstance(family, ScalingFamily):
        found = list(family.scaling.indexed)
    elif isinstance(family, ShiftFamily) and family.cell is not None:
        found = [family.seed.cells[family.cell].atoms[i] for i in family.free]
    else:
        found = [a for s in family.sources for axis in s.axes for a in atoms(axis)]
    return list(dict.fromkeys(a.root for a in found if a.size > 1))


def shrink(
    families: Sequence[Family], parameters: Iterable[p.Source], twin: int
) -> dict[Axis, int]:
    """Small sizes for all atoms, in the order of their true sizes; different on every twin."""
    found = {a for s in parameters for axis in s.axes for a in atoms(axis) if a.size > 1}
    for f in families:
        found |= {a for s in f.sources for axis in s.axes for a in atoms(axis) if a.size > 1}
        found |= set(axes_of(f))
    rng = random.Random(twin)
    small: dict[int, int] = {}
    # The first two are as small as can be, for most families need no more.
    last = 2 + twin % 2
    for n in sorted({a.size for a in found}):
        # Strictly in order, for the order of sizes decides which ranks are full.
        last += 1 + (twin > 1) * rng.randint(0, 1)
        small[n] = min(n, last)
    even = {f.axis for f in families if isinstance(f, MatrixFamily) and f.bond.pairs}
    even |= {
        a
        for f in families
        if isinstance(f, ScalingFamily)
        for a, t in zip(f.scaling.indexed, f.scaling.ties, strict=True)
        if t is not None
    }
    sizes = {a: small[a.size] for a in found}
    for f in families:
        if isinstance(f, MatrixFamily):
            # Copies (heads, groups) are independent: two or three tell as much as many.
            copies = 2 + (twin > 1) * rng.randint(0, 1)
            sizes.update({a: min(a.size, copies) for a in f.indexed})
    for a in even:
        sizes[a] = sizes[a] + sizes[a] % 2
    return sizes


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
