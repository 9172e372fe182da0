"""Translations of many wires at once: the linear equations that all that is added must satisfy.

What parameters add to wires is carried on along linear maps and added up in sums; a softmax and a
centred norm do not see what is the same everywhere; whatever else reads a wire, or is returned,
must see no translation at all. All of this is linear in what is added.

What is added is a constant vector, or a vector times a number κ·z that another wire z makes: for
that is what a change q κᵀ of a weight adds where it reads z. Vectors are carried on alike,
as long as it is the same number everywhere: it must not be mixed along the indices of z. Where z is
a row that is looked up in a table, the number is one for each row of the table.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.transport import steps

Frame = tuple[object, ...]  # for every dimension of a wire, which index of z it is; None for none
ROW = "row"  # of a table
Place = Callable[[Environment, Tensor], Tensor]


@dataclass(frozen=True)
class Seed:
    """A parameter that adds to a wire.

    Attributes:
        source: the parameter.
        entry: the wire; itself where it is a constant that is added.
        free: dimensions of the entry along which it adds anything, the same along all others.
        place: how it moves, by what it adds: one dimension for each of the entry's, and at last
            one for the entries of κ.
    """

    source: p.Source
    entry: Node
    free: tuple[int, ...]
    place: Place

    def shape(self, sizes: Sizes | None) -> list[int]:
        """Of what it adds, of size one where it is the same."""
        axes = enumerate(self.entry.axes)
        return [extent(a, sizes) if d in self.free else 1 for d, a in axes]

    def count(self, sizes: Sizes | None = None) -> int:
        """How many numbers that are."""
        return math.prod(self.shape(sizes))


def picked(node: Node, at: int) -> p.Source | None:
    """What picks rows of an operand, where it is a table that the input looks things up in."""
    if not isinstance(node, p.Contract) or len(node.inputs) != 2:
        return None
    rows = node.inputs[1 - at]
    one_hot = isinstance(rows, p.Source) and (rows.key, rows.role) == ("one-hot", "input")
    return rows if isinstance(rows, p.Source) and one_hot else None


def looked_up(node: Node, rows: p.Source) -> Frame:
    """The frame of rows that are looked up in a table."""
    if not isinstance(node, p.Contract):
        raise TypeError(f"{node} looks nothing up")
    names = node.labels[node.inputs.index(rows)]
    wide = {n: (rows.index, d) for d, n in enumerate(names) if rows.axes[d].size > 1}
    return tuple(wide.get(n) for n in node.out)


def living(seeds: Sequence[Seed], relations: AffineRelations) -> Sequence[Seed]:
    """Seeds without those of which all is seen, whatever the others add.

    A wire is shut where a reader refuses every translation, or is no more than what it reads and
    shut itself. What nothing else adds to is not moved then.
    """
    while True:
        own = Counter(s.entry for s in seeds)
        reached = dict.fromkeys(own)
        waiting = list(own)
        for node in waiting:  # grows
            for user in node.users:
                if user not in reached and not _refused(user, node, relations):
                    reached[user] = None
                    waiting.append(user)
        shut: set[Node] = set()
        for node in sorted(reached, key=lambda n: -n.index):
            refused = (_refused(u, node, relations) for u in node.users)
            if any(refused) or any(u in shut and _whole(u, reached) for u in node.users):
                shut.add(node)
        alone = {e for e, n in own.items() if n == 1 and not any(x in reached for x in e.inputs)}
        left = [s for s in seeds if s.entry not in shut & alone]
        if len(left) == len(seeds):
            return left
        seeds = left


def _refused(user: Node, x: Node, relations: AffineRelations) -> bool:
    """Whether a reader sees every translation of a wire."""
    if user.blind:
        return False
    match user:
        case p.Entrywise() | p.Choice():
            return not user.level
        case p.Pointwise():
            return user.slope is None
        case p.Add() | p.Movement() | p.Centre():
            return False
        case p.Mix():
            return user.unit is None and steps.total(user) is None
        case p.Contract() if user.inputs.count(x) == 1:
            at = user.inputs.index(x)
            names = user.labels[at]
            if any(y.varies for y in user.inputs if y is not x):
                summed = {n for n in names if n not in user.out}
                return not relations.averaged(user, at, summed)
            return not user.seals and any(user.slid(n) for n in names)
    return True


def _whole(user: Node, reached: Mapping[Node, None]) -> bool:
    """Whether a wire is translated only where that is seen in the translation of its reader."""
    if isinstance(user, p.Add | p.Join):
        return sum(x in reached for x in user.inputs) == 1
    linear = isinstance(user, p.Pointwise) and user.slope
    return bool(linear) or isinstance(user, p.View | p.Permute | p.Expand)


class Translations:
    """The equations for some parameters together.

    Args:
        nodes: the graph.
        relations: what its wires satisfy.
        seeds: what is added.
        valued: whether the value of a wire that no input reaches is known.
        frames: of the entries, where vectors are multiplied by a number that z makes.
    """

    def __init__(
        self, nodes: Sequence[Node], relations: AffineRelations, seeds: Sequence[Seed],
        valued: Callable[[Node], bool], frames: Mapping[Node, Frame] | None = None,
    ) -> None:  # fmt: skip
        self.relations, self.valued = relations, valued
        self.seeds = seeds = living(seeds, relations)
        self.frames = frames or {}
        self._all = nodes

    @functools.cached_property
    def nodes(self) -> list[Node]:
        """What the entries of seeds are, and what they reach."""
        reached = {s.entry for s in self.seeds}
        for node in self._all:
            if any(x in reached for x in node.inputs):
                reached.add(node)
        return [n for n in self._all if n in reached]

    def count(self, sizes: Sizes | None = None) -> int:
        """Unknowns."""
        return sum(s.count(sizes) for s in self.seeds)

    def equations(self, env: Environment) -> Tensor:
        """A matrix [equations, unknowns]."""
        return _Pass(self, env).matrix()


class _Pass:
    """All wires at one point, in order: by what each is translated, for every unknown."""

    def __init__(self, system: Translations, env: Environment) -> None:
        self.system, self.env = system, env
        self.count = system.count(env.sizes)
        self.known: dict[Node, Tensor] = {}  # [unknowns, *sizes of the wire or one]
        self.frames: dict[Node, Frame] = {}
        self.rows: list[Tensor] = [torch.zeros(self.count, 1, **env.like)]

    def matrix(self) -> Tensor:
        """What must vanish."""
        added: dict[Node, Tensor] = {}
        start = 0
        for seed in self.system.seeds:
            shape, n = seed.shape(self.env.sizes), seed.count(self.env.sizes)
            unit = torch.eye(self.count, **self.env.like)[:, start : start + n]
            unit = unit.reshape(-1, *shape)
            added[seed.entry] = added[seed.entry] + unit if seed.entry in added else unit
            start += n
        for node in self.system.nodes:
            self._meet(node, added.get(node))
        return torch.cat([r.reshape(self.count, -1) for r in self.rows], 1).T

    def _meet(self, node: Node, own: Tensor | None) -> None:
        parts = [] if own is None else [own]
        frame = self.system.frames.get(node)
        if isinstance(node, p.Entrywise | p.Choice) and node.level:
            found = self._alike(node)
        else:
            found = [self._through(node, at) for at, x in enumerate(node.inputs) if x in self.known]
        for t, theirs in (f for f in found if f is not None):
            if frame is None:
                frame = theirs
            if frame == theirs:
                parts.append(t)
            else:  # of another number at the same place
                self.rows.append(t)
        if parts:
            self.known[node] = sum(parts[1:], parts[0])
            self.frames[node] = frame or (None,) * len(node.axes)

    def _frame(self, node: Node, at: int) -> Frame | None:
        """The frame of an operand, in the result; None where its number would be mixed."""
        found: list[object] = [None] * len(node.axes)
        rows = picked(node, at)
        kept = {r.ins[0]: r.outs[0] for r in node.index_map(at) if r.way is Way.SAME}
        mixed = node.dims if isinstance(node, p.Centre) else ()
        for d, which in enumerate(self.frames[node.inputs[at]]):
            if which == ROW and rows is not None and d not in kept:
                found = [new or old for new, old in zip(looked_up(node, rows), found, strict=True)]
            elif which is not None:
                if d not in kept or d in mixed:
                    return None
                found[kept[d]] = which
        return tuple(found)

    def _through(self, node: Node, at: int) -> tuple[Tensor, Frame] | None:
        """What one operand adds to the translation of a wire, or None: it must add nothing."""
        x = node.inputs[at]
        t, mine = self.known[x], self.frames[x]
        if node.blind and all(mine[d] is None for d in node.blind):
            self.rows.append(self._uneven(t, x, node.blind))
            return None
        frame = None if isinstance(node, p.Output) else self._frame(node, at)
        new = None if frame is None else self._carried(node, at, t)
        if frame is None or new is None:
            self.rows.append(t)
            return None
        return new, frame

    def _carried(self, node: Node, at: int, t: Tensor) -> Tensor | None:
        match node:
            case p.Add():
                return node.signs[at] * self._each(steps.forth(node, at), t)
            case p.Movement():
                runs = [r for r in node.index_map(at) if r.way in (Way.PICKED, Way.MIXED)]
                t = self._level(t, [d for r in runs for d in r.ins])
                return self._each(steps.forth(node, at), t)
            case p.Pointwise() if node.slope is not None and node.slope == node.slope:
                return node.slope * t
            case p.Centre():
                return self._each(steps.centred(node), t)
            case p.Contract() if node.inputs.count(node.inputs[at]) == 1:
                return self._multiplied(node, at, t)
            case p.Mix() if node.unit is not None and not isinstance(node, p.Order):
                t = node.unit * self._level(t, node.dims)
                return t.squeeze([d + 1 for d in node.dims]) if node.drop else t
            case p.Mix() if (factor := steps.total(node)) is not None:
                return self._each(steps.added_up(node, factor), t)
        return None

    def _multiplied(self, node: p.Contract, at: int, t: Tensor) -> Tensor | None:
        names = node.labels[at]
        others = [(i, x) for i, x in enumerate(node.inputs) if i != at]
        if not any(x.varies for _, x in others):
            slid = [d for d, n in enumerate(names) if node.slid(n)]
            if (slid and not node.seals) or not all(self.system.valued(x) for _, x in others):
                return None
            return self._each(steps.multiply(node, at, others), self._level(t, slid))
        summed = {n for n in names if n not in node.out}
        if not self.system.relations.averaged(node, at, summed):
            return None
        t = self._level(t, [d for d, n in enumerate(names) if n in summed])
        return self._each(steps.pass_average(node, at), t)

    def _alike(self, node: Node) -> list[tuple[Tensor, Frame] | None]:
        """What passes where all operands are translated alike."""
        moved = [at for at, x in enumerate(node.inputs) if x in self.known]
        if not moved:
            return []
        frames = [self._frame(node, at) for at in moved]
        found = [self._each(steps.forth(node, at), self.known[node.inputs[at]]) for at in moved]
        first, frame = found[0], frames[0]
        self.rows += [t - first for t in found[1:]]
        if len(moved) < len(node.inputs) or frame is None or frames.count(frame) < len(frames):
            self.rows.append(first)
            return []
        return [(first, frame)]

    # small steps --------------------------------------------------------------------------
    def _each(self, step: steps.Step, t: Tensor) -> Tensor:
        """A step for every unknown."""
        return torch.func.vmap(lambda one: step(self.env, one), randomness="same")(t)

    def _level(self, t: Tensor, dims: Sequence[int]) -> Tensor:
        """A translation that must be the same along some dimensions of a wire."""
        for d in dims:
            if t.shape[d + 1] > 1:
                first = t.narrow(d + 1, 0, 1)
                self.rows.append(t - first)
                t = first
        return t

    def _uneven(self, t: Tensor, x: Node, dims: Sequence[int]) -> Tensor:
        """What of a translation is not the same along some dimensions."""
        if all(t.shape[d + 1] == 1 for d in dims):
            return self.rows[0]
        shape = self.env.shape(x)
        t = t.expand([len(t), *(n if d in dims else -1 for d, n in enumerate(shape))])
        return t - t.mean([d + 1 for d in dims], keepdim=True)
