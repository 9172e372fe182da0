"""Counting: how many dimensions each family adds, at the model's sizes or through small twins.

The dimension of the algebra is the rank of the vector fields (at several points together), that of
the orbit their rank at one generic point. Small models are counted at their own sizes. Large ones
are counted on several twins, with every index shrunk; what a family lacks on the twins is then a
polynomial in the sizes, identified from their values, and used at the model's sizes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from symfind.algebra.axes import Axis, atoms
from symfind.count.counting_twins import Drawn, axes_of, counting_sizes, delicate, points_needed
from symfind.count.growing import added, affordable
from symfind.count.independence import independent
from symfind.count.polynomial import polynomial
from symfind.count.rank import Span
from symfind.count.representatives import alike, linked, representatives
from symfind.count.symbols import AxisSymbols
from symfind.graph import primitives as p
from symfind.solve.families.family import NullFamily
from symfind.solve.families.inert import slices_of
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

OWN_PARAMETERS = 3000
OWN_MEMBER = 10_000  # parameters of a model of which numbers are asked for, and no formula
OWN_DIRECTIONS = 2500
OWN_ENTRIES = 50_000_000  # of all directions of a model that is larger
TWINS = 5
POINTS = 2  # together, where a family adds less at one of them
MANY_POINTS = 4  # where an algebra has stabilisers, which differ from point to point


@dataclass
class Tally:
    """What one family adds to those before it: numbers at the model's sizes, and expressions."""

    family: Family
    algebra: int
    orbit: int
    algebra_formula: Any
    orbit_formula: Any
    known: bool = True  # False where the twins left the count open


def tally(
    families: Sequence[Family],
    parameters: Mapping[str, p.Source],
    shapes: Mapping[str, tuple[int, ...]],
    symbols: Any,
    numbers: bool = False,
    seen: "Seen | None" = None,
) -> list[Tally]:
    """Count all families, in order.

    Args:
        families: as derived.
        parameters: the wires of all parameters, by name.
        shapes: of all parameters, by name.
        symbols: from an atomic axis to its sympy symbol.
        numbers: whether the formulas are of no use, so that no other sizes need be looked at.
        seen: what these families were seen to add at other sizes; what is looked at is kept there.
    """
    scalars = sum(math.prod(s) for s in shapes.values())
    most = OWN_MEMBER if numbers else OWN_PARAMETERS
    if scalars <= most and moderate(families):
        return _own(list(families), shapes, symbols)
    # Rows that no look-up reads touch nothing else, and have no size on a twin.
    rows = [f for f in families if f.kind == "inert" and isinstance(f, NullFamily)]
    rest = [f for f in families if f not in rows]
    hidden = [_hidden(f, rest, parameters, symbols) for f in rows]
    return hidden + _through_twins(rest, parameters, symbols, {} if seen is None else seen)


def moderate(families: Sequence[Family]) -> bool:
    """Whether families have no more directions than are counted at their own sizes."""
    return sum(f.count() for f in families if f.kind != "inert") <= OWN_DIRECTIONS


def work(families: Sequence[Family], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Products that counting families at their own sizes takes, about."""
    total = 0
    for part in linked(families):
        names = {name for i in part for name in families[i].names}
        rows = sum(math.prod(shapes[name]) for name in names)
        columns = sum(families[i].count() for i in part)
        total += rows * columns * min(rows, columns)
    return total


def tally_beside(
    families: Sequence[Family],
    more: Sequence[Family],
    shapes: Mapping[str, tuple[int, ...]],
    symbols: Any,
) -> list[Tally]:
    """Count some families that are known at the model's own sizes only, after others.

    None of them is counted where that would take too much.
    """
    every = [*families, *more]
    entries = sum(f.count() for f in every) * sum(math.prod(s) for s in shapes.values())
    if not more or entries > OWN_ENTRIES:
        return []
    return _own(every, shapes, symbols)[len(families) :]


def formula(family: Family, symbols: Any) -> Any:
    """The number of coefficients as an expression in sizes."""
    import sympy

    found = _resolved(family.count(symbols), symbols)
    # No size says how many entries there are that nothing reads.
    return sympy.Integer(family.count()) if found.is_Integer else found


def _resolved(expression: Any, symbols: Any) -> Any:
    """Decide minima and maxima as they are decided at the model's own sizes."""
    import sympy

    expression = sympy.sympify(expression)
    values = symbols.values(expression)
    while found := expression.atoms(sympy.Min, sympy.Max):
        # From the inside out: what is replaced within another makes that another.
        f = min(found, key=sympy.count_ops)
        pick = min if isinstance(f, sympy.Min) else max
        expression = expression.subs(f, pick(f.args, key=lambda a: a.subs(values)))
    return sympy.expand(expression)


def whole(family: Family, symbols: Any) -> Tally:
    """A family that is taken to add all that it has."""
    n, text = family.count(), formula(family, symbols)
    return Tally(family, n, n, text, text)


def _hidden(
    family: NullFamily, others: Sequence[Family], parameters: Mapping[str, p.Source], symbols: Any
) -> Tally:
    """What entries that nothing reads add to the others, which twins count with all that they move.

    Where whole slices are hidden, others may act on nothing else: on a row of a table that no
    position reads, what the norm behind it does not see. That is asked of one slice, and of two.
    """
    if not family.slices:
        return whole(family, symbols)
    if family.rows is None:
        return _nothing(family)
    dim, n = family.rows
    near = [f for f in _around(family, [*others]) if f is not family]
    wide = any(map(delicate, near))
    found = []
    for k in range(1, min(n, 2) + 1):
        some = slices_of(family, dim, k)
        every = [*near, some]
        series = _measured(every, [len(near)], parameters, wide)[len(near)]
        found.append(_identify(some, every, series, symbols, wide))
    one = found[0]
    if not all(t.known for t in found) or any(
        t.orbit_formula != (k + 1) * one.orbit_formula for k, t in enumerate(found)
    ):
        return _nothing(family)
    return Tally(family, n * one.algebra, n * one.orbit, n * one.algebra_formula,
                 n * one.orbit_formula)  # fmt: skip


def _nothing(family: Family) -> Tally:
    """A family of which nothing is counted, which is then said."""
    import sympy

    return Tally(family, 0, 0, sympy.Integer(0), sympy.Integer(0), known=False)


@dataclass
class _Increments:
    """What one family adds to those before it, at one set of sizes."""

    count: int
    field: int
    orbit: int


def _increments(
    families: Sequence[Family], wanted: Sequence[int], points: Sequence[Point]
) -> dict[int, _Increments]:
    """What some families add, as vector fields (at several points together) and at one point."""
    found = {}
    for part in linked(families):
        asked = [k for k, i in enumerate(part) if i in wanted]
        if asked:
            some = [families[i] for i in part[: asked[-1] + 1]]
            way = _at_once if affordable(some, points[0]) else _one_by_one
            found.update({part[k]: n for k, n in way(some, asked, points).items()})
    return found


def _at_once(
    families: Sequence[Family], wanted: Sequence[int], points: Sequence[Point]
) -> dict[int, _Increments]:
    counts, orbits = [f.count(points[0].sizes) for f in families], added(families, points[:1])
    partly = [i for i in wanted if 0 < orbits[i] < counts[i]]
    fields = added(families[: partly[-1] + 1], points) if partly else []
    return {
        i: _Increments(counts[i], fields[i] if i in partly else orbits[i], orbits[i])
        for i in wanted
    }


def _one_by_one(
    families: Sequence[Family], wanted: Sequence[int], points: Sequence[Point]
) -> dict[int, _Increments]:
    at_point, as_fields = Span(families, points[:1]), Span(families, points)
    found = {}
    for i in wanted:
        count = families[i].count(points[0].sizes)
        orbit = at_point.increment(i)
        # A family that adds nothing at a generic point is combined from those before it.
        field = orbit if orbit in (0, count) else as_fields.increment(i)
        found[i] = _Increments(count, field, orbit)
    return found


def _own(
    families: list[Family], shapes: Mapping[str, tuple[int, ...]], symbols: Any
) -> list[Tally]:
    from sympy import Integer

    points = []
    several = MANY_POINTS if any(map(delicate, families)) else POINTS
    for seed in range(max([several, *(points_needed(f) + 1 for f in families)])):
        generator = torch.Generator().manual_seed(seed)
        points.append(Point({
            name: torch.randn(shape, generator=generator, dtype=torch.float64)
            for name, shape in shapes.items()
        }))  # fmt: skip
    aside = independent(families)
    rest = [i for i in range(len(families)) if i not in aside]
    some = [families[i] for i in rest]
    like = alike(some)
    grown = _increments(some, sorted(set(like.values())), points)
    found = {rest[i]: grown[j] for i, j in like.items()}
    for i in aside:
        own = families[i].count()
        found[i] = _Increments(own, own, own)
    # Beside a number that is known at these sizes only, no other is a formula of the whole.
    numbers = any(getattr(f, "measured", False) for f in families)
    result = []
    for i, family in enumerate(families):
        n = found[i]
        text = Integer(n.count) if numbers else formula(family, symbols)
        result.append(
            Tally(family, n.field, n.orbit, text - (n.count - n.field), text - (n.count - n.orbit))
        )
    return result


# large models ----------------------------------------------------------------------------------
def _through_twins(
    families: list[Family], parameters: Mapping[str, p.Source], symbols: Any, seen: "Seen"
) -> list[Tally]:
    aside = independent(families)
    rest = [f for i, f in enumerate(families) if i not in aside]
    chosen, stands = representatives(rest)
    kept = [rest[i] for i in chosen]
    near = {id(f) for d in kept if delicate(d) for f in _around(d, kept)}
    counted: dict[int, Tally] = {}
    for wide in (False, True):
        here = [k for k, f in enumerate(kept) if (id(f) in near) is wide]
        key = tuple(map(id, kept)), tuple(here), wide
        if key not in seen:
            seen[key] = _measured(kept, here, parameters, wide)
        for k, series in seen[key].items():
            counted[chosen[k]] = _identify(kept[k], kept, series, symbols, wide)
    found = {id(f): _stood_for(f, counted[stands[i]], symbols) for i, f in enumerate(rest)}
    return [found.get(id(f)) or whole(f, symbols) for f in families]


def _stood_for(family: Family, t: Tally, symbols: Any) -> Tally:
    """What was counted of a family, said of one that it stands for: by that one's own indices."""
    if t.family is family or not isinstance(symbols, AxisSymbols):
        return replace(t, family=family)
    mine, theirs = formula(family, symbols), formula(t.family, symbols)
    pairs = [
        (symbols.get(a), symbols.get(b))
        for one, other in zip(t.family.sources, family.sources, strict=False)
        for x, y in zip(one.axes, other.axes, strict=False)
        for a, b in zip(atoms(x), atoms(y), strict=False)
        if a.size > 1 and a.size == b.size
    ]

    def moved(expression: Any) -> Any:
        if not expression.free_symbols:
            return expression
        lack = (theirs - expression).expand()
        return (mine - lack.subs(dict(pairs), simultaneous=True)).expand()

    return replace(t, family=family, algebra_formula=moved(t.algebra_formula),
                   orbit_formula=moved(t.orbit_formula))  # fmt: skip


Series = list[tuple[dict[Axis, int], _Increments]]  # on one twin after the other
# by the identities of families, the positions of some of them, and how large twins are
Seen = dict[tuple[tuple[int, ...], tuple[int, ...], bool], dict[int, Series]]


def _measured(
    families: Sequence[Family], wanted: list[int], parameters: Mapping[str, p.Source], wide: bool
) -> dict[int, Series]:
    """What some families add on twins: on two where that is all or nothing, else on more."""
    seen: dict[int, Series] = {i: [] for i in wanted}
    # The first two twins are as small as can be: not for what depends on differences of sizes.
    for done, twin in enumerate(range(2, 2 + 2 * TWINS) if wide else range(TWINS)):
        if done > 1:
            wanted = [i for i in wanted if not _plainly(seen[i])]
        sizes = counting_sizes(families, parameters.values(), twin, wide) if wanted else None
        if sizes is None:
            break
        seeds = [10 * twin + k for k in range(MANY_POINTS if wide else POINTS)]
        points = [Point(Drawn(parameters, sizes, seed), sizes) for seed in seeds]
        for i, n in _increments(families, wanted, points).items():
            seen[i].append((sizes, n))
    return seen


def _plainly(series: Series) -> bool:
    """Whether a family adds all or nothing on every twin, so that no polynomial is needed."""
    return all(n.orbit == n.count for _, n in series) or all(n.field == 0 for _, n in series)


def _around(family: Family, others: Sequence[Family]) -> list[Family]:
    """A family, all that share a tensor with it, and those next to them."""
    near, names = [family], set(family.names)
    for _ in range(2):
        near += [f for f in others if f not in near and names & set(f.names)]
        names = {name for f in near for name in f.names}
    return near


def described(
    full: Any, lack: Sequence[int], rank: Sequence[int], sizes_of: Sequence[Mapping[Axis, int]],
    axes: Sequence[Axis], symbols: Any, wide: bool,
) -> Any | None:  # fmt: skip
    """The dimension that a family adds, in terms of sizes; None where that is not understood.

    Args:
        full: its own dimension.
        lack: on each twin, how much less it adds.
        rank: on each twin, what it adds.
        sizes_of: of twins.
        axes: the indices that may matter.
        symbols: from an index to its symbol.
        wide: whether differences of sizes are large enough to be told from numbers.
    """
    if not any(rank):
        return full - full
    missing = polynomial(lack, axes, sizes_of, symbols, wide)
    if missing is not None:
        return full - missing
    return polynomial(rank, axes, sizes_of, symbols, wide) if wide else None


def _identify(
    family: Family, others: Sequence[Family], series: Series, symbols: Any, wide: bool
) -> Tally:
    full = formula(family, symbols)
    if len(series) < 2:
        return Tally(family, 0, 0, full - full, full - full, known=False)
    axes = list(dict.fromkeys(a for f in _around(family, others) for a in axes_of(f)))
    sizes_of, found = [s for s, _ in series], [n for _, n in series]

    def solve(rank: list[int], on: list[int]) -> Any | None:
        at, lack = [sizes_of[k] for k in on], [found[k].count - rank[k] for k in on]
        return described(full, lack, [rank[k] for k in on], at, axes, symbols, wide)

    every = list(range(len(found)))
    # Where a family adds nothing at a point it is not asked what it adds as fields.
    asked = [k for k in every if found[k].orbit]
    algebra = solve([n.field for n in found], asked if len(asked) > TWINS else every)
    orbit = solve([n.orbit for n in found], every)
    if algebra is None or orbit is None:
        # Open: nothing of the family is counted, which keeps the count a lower bound.
        return Tally(family, 0, 0, full - full, full - full, known=False)
    values = {**symbols.values(algebra), **symbols.values(orbit)}
    return Tally(family, int(algebra.subs(values)), int(orbit.subs(values)), algebra, orbit)
