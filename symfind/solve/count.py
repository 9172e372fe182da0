"""Counting: how many dimensions each family adds, at the model's sizes or through small twins.

The dimension of the algebra is the rank of the vector fields (at several points together), that of
the orbit their rank at one generic point. Small models are counted at their own sizes. Large ones
are counted on several twins, with every index shrunk; what a family lacks on the twins is then a
polynomial in the sizes, identified from their values, and used at the model's sizes.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from symfind.algebra.axes import Axis, atoms, extent
from symfind.solve.colours import colours
from symfind.solve.family import (
    Family,
    MatrixFamily,
    NullFamily,
    ScalingFamily,
    ShiftFamily,
)
from symfind.solve.point import Point
from symfind.solve.rank import Span

OWN_PARAMETERS = 3000
OWN_DIRECTIONS = 2500
TWINS = 4
POINTS = 2
KEPT = 2  # members of a repeated group that are counted at each end of the network


@dataclass
class Tally:
    """What one family adds to those before it: numbers at the model's sizes, and expressions."""

    family: Family
    algebra: int
    orbit: int
    algebra_formula: Any
    orbit_formula: Any
    known: bool = True  # False where the twins left the count open


def tally(families: Sequence[Family], shapes: dict[str, tuple[int, ...]], symbols: Any) -> list:
    """Count all families, in order.

    Args:
        families: as derived.
        shapes: of all parameters, by name.
        symbols: from an atomic axis to its sympy symbol.
    """
    total = sum(f.count() for f in families if f.kind != "inert")
    scalars = sum(math.prod(s) for s in shapes.values())
    if scalars <= OWN_PARAMETERS and total <= OWN_DIRECTIONS:
        return _own(list(families), shapes, symbols)
    # Rows that no look-up reads touch nothing else, and have no size on a twin.
    rows = [f for f in families if f.kind == "inert" and isinstance(f, NullFamily)]
    rest = [f for f in families if f not in rows]
    return [whole(f, symbols) for f in rows] + _through_twins(rest, symbols)


def formula(family: Family, symbols: Any) -> Any:
    """The number of coefficients as an expression in sizes."""
    return _resolved(family.count(symbols), symbols)


def _resolved(expression: Any, symbols: Any) -> Any:
    """Decide minima and maxima as they are decided at the model's own sizes."""
    import sympy

    expression = sympy.sympify(expression)
    values = symbols.values_by_symbol()
    for f in list(expression.atoms(sympy.Min, sympy.Max)):
        pick = min if isinstance(f, sympy.Min) else max
        best = pick(f.args, key=lambda a: sympy.sympify(a).subs(values))
        expression = expression.subs(f, best)
    return sympy.expand(expression)


def whole(family: Family, symbols: Any) -> Tally:
    """A family that is taken to add all that it has."""
    n, text = family.count(), formula(family, symbols)
    return Tally(family, n, n, text, text)


def _increments(
    families: Sequence[Family], sizes: dict[Axis, int] | None, shapes: Any, seed: int
) -> tuple[list[int], list[int], list[int]]:
    """What each family adds as vector fields, at one point, and how many coefficients it has."""
    points = [_point(families, sizes, shapes, seed + k) for k in range(POINTS)]
    at_point, as_fields = Span(families, points[:1]), Span(families, points)
    fields, orbits, counts = [], [], []
    for i, family in enumerate(families):
        counts.append(family.count(sizes))
        orbits.append(at_point.increment(i))
        # A family that adds nothing at a generic point is combined from those before it.
        clear = orbits[-1] in (0, counts[-1])
        fields.append(orbits[-1] if clear else as_fields.increment(i))
    return fields, orbits, counts


def _point(
    families: Sequence[Family], sizes: dict[Axis, int] | None, shapes: Any, seed: int
) -> Point:
    generator = torch.Generator().manual_seed(seed)

    def draw(shape: Sequence[int]) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=generator, dtype=torch.float64)

    if sizes is None:
        return Point({name: draw(shape) for name, shape in shapes.items()})
    theta = {}
    for source in shapes:
        theta[source.key] = draw([extent(a, sizes) for a in source.axes])
    return Point(theta, sizes)


def _own(families: list[Family], shapes: dict[str, tuple[int, ...]], symbols: Any) -> list[Tally]:
    result = []
    found = _increments(families, None, shapes, 0)
    for family, field, orbit, count in zip(families, *found, strict=True):
        text = formula(family, symbols)
        result.append(Tally(family, field, orbit, text - (count - field), text - (count - orbit)))
    return result


# large models ----------------------------------------------------------------------------------
def _axes(family: Family) -> list[Axis]:
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


def _representatives(families: list[Family]) -> tuple[list[int], dict[int, int]]:
    """Families to count, and for each family the one that stands for it."""
    groups: dict[int, list[int]] = {}
    for i, colour in enumerate(colours(families)):
        groups.setdefault(colour, []).append(i)
    stands: dict[int, int] = {}
    for members in groups.values():
        chosen = members if len(members) <= 2 * KEPT else members[:KEPT] + members[-KEPT:]
        for i in members:
            stands[i] = i if i in chosen else chosen[KEPT - 1]
    return sorted(set(stands.values())), stands


def _shrink(families: list[Family], twin: int) -> dict[Axis, int]:
    """Small sizes for all atoms, in the order of their true sizes; different on every twin."""
    found = {
        a for f in families for s in f.sources for axis in s.axes for a in atoms(axis) if a.size > 1
    }
    for f in families:
        found |= set(_axes(f))
    rng = random.Random(twin)
    small: dict[int, int] = {}
    last = 0
    for n in sorted({a.size for a in found}):
        # Strictly in order, for the order of sizes decides which ranks are full.
        small[n] = last = min(n, max(last + 1, 3) + rng.randint(0, 1))
    even = {a for f in families if isinstance(f, MatrixFamily) and f.bond.pairs for a in [f.axis]}
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
            sizes.update({a: min(a.size, 2 + rng.randint(0, 1)) for a in f.indexed})
    for a in even:
        sizes[a] = sizes[a] + sizes[a] % 2
    return sizes


def _through_twins(families: list[Family], symbols: Any) -> list[Tally]:
    chosen, stands = _representatives(families)
    kept = [families[i] for i in chosen]
    sources = list(dict.fromkeys(s for f in kept for s in f.sources))
    needed = _all_parameters(kept, sources)
    lacks: list[tuple[list[int], list[int]]] = [([], []) for _ in kept]
    full: list[list[int]] = [[] for _ in kept]
    sizes_of = []
    for twin in range(TWINS):
        sizes = _shrink(kept, twin)
        sizes_of.append(sizes)
        found = _increments(kept, sizes, needed, 100 * twin)
        for i, (field, orbit, count) in enumerate(zip(*found, strict=True)):
            lacks[i][0].append(count - field)
            lacks[i][1].append(count - orbit)
            full[i].append(count)
        if twin and all(_plainly(*lacks[i], full[i]) for i in range(len(kept))):
            break
    counted: dict[int, Tally] = {}
    for i, f, (fields, orbits), counts in zip(chosen, kept, lacks, full, strict=True):
        counted[i] = _identify(f, fields, orbits, counts, sizes_of, symbols)
    result = []
    for i, f in enumerate(families):
        t = counted[stands[i]]
        result.append(Tally(f, t.algebra, t.orbit, t.algebra_formula, t.orbit_formula, t.known))
    return result


def _plainly(field: list[int], orbit: list[int], count: list[int]) -> bool:
    """Whether a family adds all or nothing on every twin, so that no polynomial is needed."""
    return any(
        all(x == y for x, y in zip(lack, whole, strict=True))
        for lack, whole in ((orbit, [0] * len(count)), (field, count))
    )


def _all_parameters(families: list[Family], sources: list) -> list:
    """The parameters that families move, and those whose values they use."""
    found = {s.key: s for s in sources}
    for family in families:
        nodes = getattr(family, "nodes", None)
        if nodes is not None:
            found.update({n.key: n for n in nodes if getattr(n, "role", "") == "parameter"} | found)
            break
    for source in sources:
        stack = [u for u in source.users]
        for user in stack:
            for x in user.inputs:
                _collect(x, found)
    return list(found.values())


def _collect(node: Any, found: dict[str, Any]) -> None:
    stack, seen = [node], set()
    while stack:
        x = stack.pop()
        if id(x) in seen or x.varies:
            continue
        seen.add(id(x))
        if getattr(x, "role", "") == "parameter":
            found.setdefault(x.key, x)
        stack.extend(x.inputs)


def _identify(
    family: Family,
    field: list[int],
    orbit: list[int],
    count: list[int],
    sizes_of: list[dict[Axis, int]],
    symbols: Any,
) -> Tally:
    full = formula(family, symbols)
    axes = _axes(family)
    values = symbols.values_by_symbol()

    def solve(lack: list[int]) -> Any | None:
        if all(x == n for x, n in zip(lack, count, strict=True)):
            return full - full
        found = _fit(lack, axes, sizes_of, symbols)
        return None if found is None else full - found

    a, o = solve(field), solve(orbit)
    if a is None or o is None:
        # Open: nothing of the family is counted, which keeps the count a lower bound.
        return Tally(family, 0, 0, full - full, full - full, known=False)
    return Tally(family, int(a.subs(values)), int(o.subs(values)), a, o)


def _fit(
    lack: list[int], axes: list[Axis], sizes_of: list[dict[Axis, int]], symbols: Any
) -> Any | None:
    """A short polynomial with these values on the twins, None where there is none."""
    import sympy

    if not any(lack):
        return sympy.Integer(0)
    monomials: list[tuple[Any, list[int]]] = [(sympy.Integer(1), [1] * len(lack))]
    for degree in (1, 2):
        for combo in itertools.combinations_with_replacement(axes[:8], degree):
            value = [math.prod(s.get(a, a.size) for a in combo) for s in sizes_of]
            monomials.append((sympy.Mul(*(symbols[a] for a in combo)), value))
    for m, value in monomials:
        k = sympy.Rational(lack[0], value[0])
        if all(k * v == x for v, x in zip(value, lack, strict=True)):
            return k * m
    for (m1, v1), (m2, v2) in itertools.combinations(monomials, 2):
        for k1, k2 in itertools.product((1, -1, 2, -2), repeat=2):
            if all(k1 * a + k2 * b == x for a, b, x in zip(v1, v2, lack, strict=True)):
                return k1 * m1 + k2 * m2
    return None
