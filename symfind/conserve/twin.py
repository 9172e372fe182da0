"""Laws of models too large for their own matrices: families classified on small twins.

Whether a combination of generators is a gradient does not depend on how large the indices are. On
twins of the model, with every index shrunk, each family is one of a few kinds: none of it closed,
all of it, its symmetric matrices, or its diagonal ones. The kind that fits all twins gives the
number at the model's sizes; where none does, the family is left open.
"""

import random
from collections.abc import Iterator, Sequence

import torch

from symfind.algebra.axes import Axis, Sizes, atoms, extent
from symfind.conserve.closed import closed_combinations
from symfind.conserve.fields import Fields, Theta
from symfind.conserve.spelling import copies, symmetric_part
from symfind.graph import primitives as p
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family

TWINS = 2
LEAST = 4  # the smallest size of an index on a twin, so that the kinds have different dimensions


def classify(families: Sequence[Family], seed: int) -> list[int | None]:
    """Number of closed combinations of each family at the model's sizes, None where it is open."""
    found: list[list[int]] = [[] for _ in families]
    sizes_of = []
    clear = True
    parameters = _parameters(families)
    for twin in range(TWINS):
        sizes = _shrunk(families, parameters, twin)
        sizes_of.append(sizes)
        spaces = [Fields(f, sizes) for f in families]

        def draw(rng: torch.Generator, sizes: Sizes = sizes) -> Theta:
            return {
                s.key: torch.randn(
                    [extent(a, sizes) for a in s.axes], generator=rng, dtype=torch.float64
                )
                for s in parameters
            }

        rng = torch.Generator().manual_seed(seed + twin)
        closed = closed_combinations(spaces, draw, rng, mixed=False)
        clear &= closed.clear
        for k, basis in enumerate(closed.own):
            found[k].append(basis.shape[1])
    return [
        _number(f, n, sizes_of) if clear else None for f, n in zip(families, found, strict=True)
    ]


def _number(family: Family, found: list[int], sizes_of: list[dict[Axis, int]]) -> int | None:
    """The one number at the model's sizes on which all kinds that fit the twins agree."""
    numbers = set()
    for kind in _kinds(family):
        if all(kind(s) == n for s, n in zip(sizes_of, found, strict=True)):
            numbers.add(kind(None))
    return numbers.pop() if len(numbers) == 1 else None


def _kinds(family: Family) -> Iterator:
    yield lambda sizes: 0
    yield family.count
    if isinstance(family, MatrixFamily):
        yield lambda sizes: symmetric_part(family, sizes)
        if family.type == "general":
            yield lambda sizes: copies(family, sizes) * extent(family.axis, sizes)


def _parameters(families: Sequence[Family]) -> list[p.Source]:
    """All parameters of the graph that the families belong to."""
    stack: list[p.Node] = [s for f in families for s in f.sources]
    seen: set[int] = set()
    found = []
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, p.Source) and node.role == "parameter":
            found.append(node)
            if node.offset is not None:
                stack.append(node.offset)
        stack.extend((*node.inputs, *node.users))
    return sorted(found, key=lambda s: s.index)


def _shrunk(
    families: Sequence[Family], parameters: Sequence[p.Source], twin: int
) -> dict[Axis, int]:
    """Small sizes for all atoms, in the order of their true sizes; different on every twin."""
    found = {a for s in parameters for axis in s.axes for a in atoms(axis) if a.size > 1}
    even: set[Axis] = set()
    for f in families:
        if isinstance(f, MatrixFamily):
            found |= {f.axis.root, *(a.root for a in f.indexed)}
            even |= {f.axis.root} if f.bond.pairs else set()
        elif isinstance(f, ScalingFamily):
            ties = zip(f.scaling.indexed, f.scaling.ties, strict=True)
            even |= {a.root for a, t in ties if t is not None}
    rng = random.Random(twin)
    small: dict[int, int] = {}
    last = LEAST - 1
    for n in sorted({a.size for a in found}):
        small[n] = last = min(n, last + 1 + rng.randint(0, 1))
    return {a: small[a.size] + (small[a.size] % 2 if a in even else 0) for a in found}
