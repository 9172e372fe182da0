"""Translations that only many parameters together make unseen: one linear system for all of them.

`solve.families.shifts` and `solve.families.parallel` follow what is added to one parameter, and
every reader of a wire that it reaches has to make up for it by a parameter of its own. Here all
that is added solves linear equations together (`solve.transport.translations`): a reader without a
bias may see no more than a part, W δ = 0, and a layer that is used twice may ask the same of two
wires. So a stream that a projection without a bias reads, biases of blocks that are used again, and
rows of a table that a weight reads as well, T ↦ T + T κ δᵀ.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.numerics.decompose import svd
from symfind.ops.lower import Lowered
from symfind.solve.families.family import MatrixFamily, NullFamily, ScalingFamily
from symfind.solve.limits import Limits
from symfind.solve.point.columns import beside
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.translations import (
    ROW,
    Frame,
    Seed,
    Translations,
    looked_up,
    picked,
)

MOST = 320  # unknowns of a system that is solved
ROUNDING = 1e-15  # of the largest equation: none
NOISE = 1e-9  # of the largest singular value: no equation
_BESIDE = 0.02  # of a direction: what is solved for step by step comes as near as that
KAPPA = "which entry of z"  # a label


def together_families(
    lowered: Lowered, flows: Flows, known: Sequence[Family], limits: Limits
) -> Iterator[Family]:
    """All translations that nothing sees, where there are more than are known.

    They are looked for where there are no more than 320 unknowns.

    Args:
        lowered: the graph.
        flows: of it.
        known: families that are derived already.
        limits: where systems that are too large are noted.
    """
    if lowered.charted:
        return
    point, found = Point(Drawn(lowered.shapes)), list(known)
    for system, z in _systems(lowered, flows.relations, point.environment()):
        if len(system.seeds) < 2:
            continue
        if system.count() > MOST:
            at = system.seeds[0].entry.users[0] if z is None else z[0]
            limits.reached(at, f"translations of many wires together: more than {MOST} unknowns")
        else:
            family = _family(system, z, lowered)
            if family.count() and _more(family, found, point):
                found.append(family)
                yield family


def _systems(
    lowered: Lowered, relations: AffineRelations, here: Environment
) -> Iterator[tuple[Translations, tuple[Node, int] | None]]:
    """Of constants, and of multiples of what each wire makes: with the wire, and its dimension."""

    @functools.cache
    def valued(wire: Node) -> bool:
        try:
            here.value(wire)
        except LookupError:
            return False
        return True

    constants = [s for w in lowered.parameters.values() for s in _constant(w, relations)]
    yield Translations(lowered.nodes, relations, constants, valued), None
    read: dict[tuple[Node, int], dict[Seed, Frame]] = {}
    for node in lowered.nodes:
        if isinstance(node, p.Contract) and len(node.inputs) == 2 and not node.windows:
            for at in (0, 1):
                for wire, dim, seed, frame in (*_reader(node, at), *_table(node, at, lowered)):
                    seeds = read.setdefault((wire, dim), {})
                    if all(seed.source is not other.source for other in seeds):
                        seeds[seed] = frame
    for key, found in read.items():
        frames = {seed.entry: frame for seed, frame in found.items()}
        yield Translations(lowered.nodes, relations, list(found), valued, frames), key


# what is added -----------------------------------------------------------------------------
def _constant(wires: Sequence[p.Source], relations: AffineRelations) -> Iterator[Seed]:
    """A parameter that is added to wires."""
    source = wires[0]
    if len(wires) == 1 and source.users:
        flat = _flat(source, {d: d for d in range(len(source.axes))}, relations)
        free = tuple(d for d in range(len(source.axes)) if flat is not None and d not in flat)
        if free:
            yield Seed(source, source, free, lambda env, t: t[..., 0].expand(env.shape(source)))


def _flat(wire: Node, own: Mapping[int, int], relations: AffineRelations) -> set[int] | None:
    """Along which dimensions all is to be the same; None where nothing may be added.

    Args:
        wire: a parameter, or what only moves its entries.
        own: dimensions of the wire, and those of the parameter that they are.
        relations: what wires satisfy.
    """
    found: set[int] = set()
    for user, at in [(u, i) for u in wire.users for i, x in enumerate(u.inputs) if x is wire]:
        if isinstance(user, p.Contract) and any(
            x.varies for i, x in enumerate(user.inputs) if i != at
        ):
            names = user.labels[at]
            summed = {n for n in names if n not in user.out}
            dims = [d for d, n in enumerate(names) if n in summed]
            if not relations.averaged(user, at, summed) or any(d not in own for d in dims):
                return None
            found |= {own[d] for d in dims}
        elif isinstance(user, p.Movement):
            same = {r.ins[0]: r.outs[0] for r in user.index_map(at) if r.way is Way.SAME}
            flat = _flat(user, {o: own[i] for i, o in same.items() if i in own}, relations)
            if flat is None:
                return None
            found |= flat
        elif not _carries(user):
            return None
    return found


def _carries(user: Node) -> bool:
    """Whether a reader of a parameter lets a translation pass, or is blind to some."""
    linear = isinstance(user, p.Pointwise) and user.slope is not None
    kinds = p.Add | p.Centre | p.Contract | p.Mix | p.Entrywise | p.Choice
    return bool(user.blind) or linear or isinstance(user, kinds)


Added = tuple[Node, int, Seed, Frame]  # what z is, along which dimension, and what is added where


def _reader(node: p.Contract, at: int) -> Iterator[Added]:
    """A weight W that reads z along one index: q κᵀ adds q (κ·z)."""
    weight, z = node.inputs[at], node.inputs[1 - at]
    own, read = node.labels[at], node.labels[1 - at]
    wide = [n for n, a in zip(own, weight.axes, strict=True) if a.size > 1]
    summed = [n for n in wide if n not in node.out]
    others = [n for n, a in zip(read, z.axes, strict=True) if a.size > 1 and n not in summed]
    whole = len(summed) == 1 and summed[0] in read and all(n in node.out for n in others)
    if not (z.varies and whole and isinstance(weight, p.Source) and _alone(weight)):
        return
    free = tuple(d for d, n in enumerate(node.out) if n in wide)

    def place(env: Environment, t: Tensor) -> Tensor:
        t = t.reshape([n for d, n in enumerate(t.shape) if d in free or d == t.dim() - 1])
        labels = [*(node.out[d] for d in free), summed[0]]
        return einsum([t], [labels], wide).reshape(env.shape(weight))

    seed, dim = Seed(weight, node, free, place), read.index(summed[0])
    frame: dict[object, object] = {n: d for d, n in enumerate(read) if n in others}
    if isinstance(z, p.Contract):
        for i, table in enumerate(z.inputs):
            rows = picked(z, i)
            if rows is not None and z.out[dim] in z.labels[i]:
                frame = dict(zip(read, looked_up(z, rows), strict=True))
                own = tuple(frame.get(n) for n in node.out)
                yield table, z.labels[i].index(z.out[dim]), seed, own
                return
    yield z, dim, seed, tuple(frame.get(n) for n in node.out)


def _table(node: p.Contract, at: int, lowered: Lowered) -> Iterator[Added]:
    """A table T of which rows z are looked up: T κ δᵀ adds δ (κ·z)."""
    table, own = node.inputs[at], node.labels[at]
    kept = [n for n in own if n in node.out]
    if not (picked(node, at) and isinstance(table, p.Source) and len(own) == 2 and len(kept) == 1):
        return
    if table.role != "parameter" or len(lowered.parameters.get(table.key, ())) != 1:
        return
    dim = own.index(kept[0])

    def place(env: Environment, t: Tensor) -> Tensor:
        change = t.reshape(-1, t.shape[-1])
        names = [ROW if d != dim else KAPPA for d in (0, 1)]
        new = [ROW if d != dim else "new" for d in (0, 1)]
        return einsum([env.value(table), change], [names, ["new", KAPPA]], new)

    frame = tuple(ROW if d != dim else None for d in (0, 1))
    yield table, dim, Seed(table, table, (dim,), place), frame


def _alone(weight: p.Source) -> bool:
    """Whether a wire is a parameter that is read once."""
    once = len(weight.users) == 1 and weight.users[0].inputs.count(weight) == 1
    return once and weight.role == "parameter"


# families ----------------------------------------------------------------------------------
def _family(system: Translations, z: tuple[Node, int] | None, lowered: Lowered) -> Family:
    sources = [w[0] for w in lowered.parameters.values()]

    def columns(sizes: Sizes | None) -> int:
        return 1 if z is None else extent(z[0].axes[z[1]], sizes)

    def width(sizes: Sizes | None) -> int:
        """Found at parameters drawn at random, where solutions are as few as anywhere."""
        shapes = {s.key: [extent(a, sizes) for a in s.axes] for s in sources}
        if sizes is not None and not all(isinstance(n, int) for x in shapes.values() for n in x):
            return known()  # no expression in sizes says how many there are
        env = Environment(Drawn(lowered.shapes if sizes is None else shapes), sizes)
        equations = _even(system.equations(env))
        values = torch.linalg.svdvals(equations)
        free = equations.shape[1] - int((values > NOISE * values[:1]).sum())
        return free * columns(sizes)

    known = functools.cache(lambda: width(None))

    def build(env: Environment, c: Tensor) -> Moves:
        c = c.reshape(-1, columns(env.sizes))
        free = _solutions(system.equations(env), len(c)) @ c
        moves: Moves = {}
        parts = free.split([s.count(env.sizes) for s in system.seeds])
        for seed, part in zip(system.seeds, parts, strict=True):
            part = part.reshape(*seed.shape(env.sizes), -1)
            change = seed.place(env, part)
            moves[seed.source] = moves[seed.source] + change if seed.source in moves else change
        return moves

    return NullFamily(
        kind="shift" if z is None else "parallel", build=build, loose=True, piecewise=True,
        sources=tuple(dict.fromkeys(s.source for s in system.seeds)), steps=None,
        width=lambda sizes: known() if sizes is None else width(sizes),
    )  # fmt: skip


def _even(equations: Tensor) -> Tensor:
    """Rows of one size, however small a factor is that the model gives one; rounding is none."""
    sizes = equations.norm(dim=1, keepdim=True)
    largest = float(sizes.max()) if len(sizes) else 0.0
    return equations / sizes.clamp(min=ROUNDING * largest or 1.0)  # zero where all are


def _solutions(equations: Tensor, count: int) -> Tensor:
    """So many solutions, [unknowns, count], that depend smoothly on the equations."""
    _, s, v = svd(_even(equations))
    v = v * (s > NOISE * s[:1])[:, None]
    generator = torch.Generator().manual_seed(equations.shape[1])
    drawn = torch.randn(equations.shape[1], count, generator=generator, dtype=torch.float64)
    drawn = drawn.to(equations)
    return drawn - v.T @ (v @ drawn)


def _more(family: Family, known: Sequence[Family], point: Point) -> bool:
    """Whether a family has directions that others do not have together."""
    moved = set(family.names)
    near = [f for f in known if f.count() and moved & set(f.names)]
    plain = [f for f in near if not isinstance(f, MatrixFamily | ScalingFamily)]
    field = point.direction(family, family.draw(torch.Generator().manual_seed(0)))
    return all(beside(point, some, field, _BESIDE / 2) > _BESIDE for some in (plain, near))
