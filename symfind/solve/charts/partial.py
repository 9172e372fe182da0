"""Weights of which parameters make a part: entries held fixed, masks, patterns.

A wire w = A θ + b, with A and b constant and A not onto, is a weight of which some changes cannot
be made. On the graph in which w is a parameter, elements of several families may have to act
together for their changes to be made: of gl(n) on every bond of a linear network whose weights have
fixed entries, what moves none of these. That is the kernel of a linear map on the sum of the
algebras, which depends on the weights.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.numerics.decompose import svd
from symfind.numerics.tolerances import ABSENT, EXACT, PART
from symfind.ops.facts import facts
from symfind.solve.charts.lifted import LiftedFamily
from symfind.solve.point.drawn import Drawn
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.trace.graph import Graph, Op
from symfind.trace.graph import replace as rebuilt

_MOST = 60_000  # entries of the matrix of what cannot be made, which a flow decomposes throughout
_MAPS = {"linear", "matmul", "mm", "bmm", "conv1d", "conv2d", "conv3d"}
_PARAMETERS = 3000
_DIRECTIONS = 1500


@dataclass(frozen=True, eq=False)
class Partial:
    """A weight that parameters make by a fixed affine map, mostly in part.

    Attributes:
        op: what makes it, in the traced graph.
        sources: the parameters, which move.
        back: the pseudo-inverse of A, [entries of the parameters, entries of the weight].
        span: orthonormal columns that span what can be made, [entries of the weight, rank].
        weight: what stands for it in the other graph.
    """

    op: Op
    sources: tuple[p.Source, ...]
    back: Tensor = field(repr=False)
    span: Tensor = field(repr=False)
    weight: p.Source = field(init=False, repr=False)  # which knows this in turn

    @classmethod
    def of(cls, op: Op, weight: p.Source, wires: Sequence[p.Source], slope: Tensor) -> "Partial":
        """Of an operation with slope A in parameters that have these wires in the whole graph."""
        u, s, vh = svd(slope)
        live = s > EXACT * s[0]
        u, s, vh = u[:, live], s[live], vh[live]
        chart = cls(op, plain_wires(wires), vh.T @ (u / s).T, u)
        object.__setattr__(chart, "weight", weight)
        return chart

    def value(self, env: Environment) -> Tensor:
        """The weight."""
        return env.arranged(self.weight, env.value_of(self.op))

    def lift(self, env: Environment, change: Tensor) -> Moves:
        """What of the parameters makes a change, as far as anything does."""
        moved = self.back.to(change) @ env.restored(self.weight, change).reshape(-1)
        return split(self.sources, moved, env)

    def defects(self, sizes: Sizes | None) -> int:
        """How many numbers of a change cannot be made."""
        return len(self.span) - self.span.shape[1]

    def defect(self, env: Environment, change: Tensor) -> Tensor:
        """What is left of a change beside all that can be made."""
        flat = env.restored(self.weight, change).reshape(-1)
        span = self.span.to(flat)
        return flat - span @ (span.T @ flat)


def plain_wires(wires: Sequence[p.Source]) -> tuple[p.Source, ...]:
    """The parameters of some wires, with their entries in the order of the traced tensors."""
    return tuple(
        p.Source((), list(w.axes), op=w.op, index=w.index, role="parameter", key=w.key)
        for w in wires
    )


def split(wires: Sequence[p.Source], flat: Tensor, env: Environment) -> Moves:
    """Changes of several parameters that stand in one row."""
    parts = flat.split([math.prod(w.shape) for w in wires])
    return {w: x.reshape(env.shape(w)) for w, x in zip(wires, parts, strict=True)}


@dataclass(eq=False, kw_only=True)
class Several(Family):
    """The sum of some algebras."""

    parts: tuple[Family, ...]

    def count(self, sizes: Sizes | None = None) -> int:
        """Of all."""
        return sum(f.count(sizes) for f in self.parts)

    def direction(self, env: Environment, c: Tensor) -> Moves:
        """All at once."""
        moves: Moves = {}
        for part, own in zip(self.parts, c.split([f.count() for f in self.parts]), strict=True):
            for source, change in part.direction(env, own).items():
                moves[source] = moves[source] + change if source in moves else change
        return moves


@dataclass(eq=False, kw_only=True)
class PartialFamily(LiftedFamily):
    """Elements of several families whose changes together can be made.

    Their number is measured at the model's own sizes: there is no such family on a twin.
    """

    width: int
    measured: bool = True

    def count(self, sizes: Sizes | None = None) -> int:
        """As measured."""
        return self.width

    def normal(self, env: Environment) -> Tensor:
        """Coefficients at right angles to all that can be made, and that moves anything."""
        if any(isinstance(s.chart, Partial) and s.chart.defects(None) for s in self.base.sources):
            q, seen = self.lost(env)
            lost = q[:, seen]
        else:
            lost = torch.zeros(self.base.count(), 0, **env.like)
        if lost.shape[1] == len(lost):
            return lost
        q = torch.linalg.qr(lost, mode="complete").Q[:, lost.shape[1] :]
        each = torch.func.vmap(lambda c: self._moved(env, c), randomness="same")
        u, s, vh = svd(each(q.T), full=True)
        live = int((s > ABSENT * s[:1]).sum())
        return torch.cat([lost, q @ u[:, live:]], 1)

    def _moved(self, env: Environment, c: Tensor) -> Tensor:
        return torch.cat([d.reshape(-1) for d in self.base.direction(env, c).values()])


def partial_ops(
    affine: Mapping[Op, tuple[Sequence[Op], Tensor]],
) -> dict[Op, tuple[Sequence[Op], Tensor]]:
    """Which weights are made in part, or entry by entry of several: with parameters and A."""
    found = {}
    for op, (roots, slope) in affine.items():
        looked = bool(((slope == 1).sum(1) == 1).all()) and int((slope != 0).sum()) == len(slope)
        if looked and not all(_multiplies(u, op) for u in op.users):
            continue  # a look-up: entries of a table, each as it is
        values = torch.linalg.svdvals(slope)
        onto = int((values > EXACT * values[0]).sum()) == len(slope)
        if not onto or len(roots) > 1 or bool(((slope != 0).sum(1) > 1).any()):
            found[op] = roots, slope
    return found


def _multiplies(reader: Op, op: Op) -> bool:
    """Whether what reads a table takes it for the matrix of a linear map."""
    if facts(reader).moves:
        return bool(reader.users) and all(_multiplies(u, reader) for u in reader.users)
    return op in reader.args[1:2] and reader.base in _MAPS


def with_weights(graph: Graph, made: Mapping[Op, object]) -> tuple[Graph, dict[Op, str]]:
    """A copy of a graph in which operations are parameters, and their names."""
    names = {op: f"part {i}" for i, op in enumerate(made)}
    new: dict[Op, Op] = {}
    for op in graph.ops:
        if op in names:
            new[op] = replace(op, target="parameter", args=(), kwargs={}, users=[], key=names[op])
        else:
            args, kwargs = (rebuilt(t, new.__getitem__) for t in (op.args, op.kwargs))
            new[op] = replace(op, args=args, kwargs=kwargs, users=[])
    outputs = [new[o] for o in graph.outputs]
    live: set[Op] = set()
    stack = list(outputs)
    while stack:
        op = stack.pop()
        if op not in live:
            live.add(op)
            stack += op.operands
    ops = [new[op] for op in graph.ops if new[op] in live]
    for op in ops:
        for x in op.operands:
            x.users.append(op)
    parameters = {op.key: op for op in ops if op.target == "parameter" and op.trainable}
    return Graph(ops, [new[i] for i in graph.inputs], parameters, outputs, []), names


def partial_families(
    families: Sequence[Family], known: Sequence[Family], shapes: Mapping[str, tuple[int, ...]]
) -> list[Family]:
    """Families on the graph with such weights, as fields on the parameters that make them.

    Args:
        families: of that graph.
        known: of the graph as it is; what moves the same tensors in the same way is not repeated.
        shapes: of all parameters.
    """
    seen = {(f.kind, frozenset(f.names)) for f in known}
    result: list[Family] = []
    groups: list[tuple[set[Partial], list[Family]]] = []
    for base in families:
        charts = {s.chart for s in base.sources if isinstance(s.chart, Partial)}
        if charts:
            together = [g for g in groups if g[0] & charts]
            groups = [g for g in groups if not g[0] & charts]
            merged = charts.union(*(g[0] for g in together))
            groups.append((merged, [*(f for g in together for f in g[1]), base]))
        elif (base.kind, frozenset(base.names)) not in seen:
            result.append(base)
    if not groups:
        return result
    env = drawn(shapes).environment()
    whole = (_together(parts, env) for _, parts in groups)
    return result + adding((one for one in whole if one is not None), [*known, *result], shapes)


def spanned(family: Family, others: Sequence[Family], point: Point) -> bool:
    """Whether a family adds nothing to others at a point."""
    near = [f for f in others if set(f.names) & set(family.names)]
    if sum(f.count() for f in near) > _DIRECTIONS:
        return True

    names = dict.fromkeys(n for f in (family, *near) for n in f.names)

    def column(one: Family, c: Tensor) -> Tensor:
        moved = point.direction(one, c)
        return torch.cat([
            (moved[n] if n in moved else torch.zeros_like(point.theta[n])).reshape(-1)
            for n in names
        ])  # fmt: skip

    rng = torch.Generator().manual_seed(1)
    new = column(family, torch.randn(family.count(), generator=rng, dtype=torch.float64))
    unit = (torch.eye(f.count(), dtype=torch.float64) for f in near)
    known = [column(f, c) for f, e in zip(near, unit, strict=True) for c in e]
    if not known:
        return False
    basis = torch.stack(known, 1)
    basis = basis[:, torch.isfinite(basis).all(0)]
    left = new - basis @ torch.linalg.lstsq(basis, new.unsqueeze(1), driver="gelsd").solution[:, 0]
    return float(left.norm()) < PART * float(new.norm())


def adding(
    found: Iterable[Family], known: Sequence[Family], shapes: Mapping[str, tuple[int, ...]]
) -> list[Family]:
    """Families that add something to known ones, and to those before them, at a random point."""
    point, result = None, list[Family]()
    for one in found:
        point = point or drawn(shapes)
        if not spanned(one, [*known, *result], point):
            result.append(one)
    return result


def small(graph: Graph) -> bool:
    """Whether a model has few enough parameters to look at each of them."""
    return sum(math.prod(op.shape or ()) for op in graph.parameters.values()) <= _PARAMETERS


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> Point:
    """A random point, the same for every caller; of a large model what is asked for is drawn."""
    return Point(Drawn(shapes))


def _together(parts: Sequence[Family], env: Environment) -> PartialFamily | None:
    base = Several(
        kind="gauge" if len({f.kind for f in parts}) > 1 else parts[0].kind,
        sources=tuple(dict.fromkeys(s for f in parts for s in f.sources)), parts=tuple(parts),
    )  # fmt: skip
    lost = sum(len(s.chart.span) for s in base.sources if isinstance(s.chart, Partial))
    if not base.count() or lost * base.count() > _MOST:
        return None
    sources = tuple(dict.fromkeys(
        one for s in base.sources for one in ((s,) if s.chart is None else s.chart.sources)
    ))  # fmt: skip
    family = PartialFamily(kind=base.kind, sources=sources, base=base, width=0)
    try:
        width = base.count() - family.normal(env).shape[1]
    except LookupError:
        return None
    return replace(family, width=width, _known=type(family._known)()) if width else None
