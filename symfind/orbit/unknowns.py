"""What is compact or discrete in a group, as unknowns that act on blocks of tensors."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.discrete.permuting import Shuffle
from symfind.discrete.signs import SignFlip
from symfind.graph import primitives as p
from symfind.orbit.frames import Block, block_of, framed, gathered, sheets
from symfind.orbit.gauge import gain_wires, off_ones, one_for_each
from symfind.orbit.given import commuting
from symfind.orbit.group import Group, State
from symfind.orbit.steps import Flip, Permute, Step, Turn
from symfind.solve.families.family import MatrixFamily
from symfind.solve.point.values import Environment

_STILL = 1e-15
_SIGNS = 6  # of one unit, that are tried together
_SMALL = 1e-12  # of all squares, below which a tensor is zero


Metric = Mapping[str, float]
"""What a squared distance on each tensor counts."""


def entries_alike(group: Group, target: State) -> Metric:
    """The plain distance: a tensor counts by its size, as one with large entries does more."""
    return dict.fromkeys(group.shapes, 1.0)


def tensors_alike(group: Group, target: State) -> Metric:
    """Every tensor counts the same whatever its size; what is zero by the gauge tells nothing."""
    sizes = {n: float(target[n].square().sum()) for n in group.shapes}
    least = _SMALL * sum(sizes.values())
    return {n: 1.0 / size if size > least else 0.0 for n, size in sizes.items()}


@dataclass(frozen=True)
class Pair:
    """Two checkpoints: one that is moved, towards one that stays."""

    group: Group
    moving: State
    target: State
    metric: Metric
    envs: tuple[Environment, Environment] = field(init=False)

    def __post_init__(self) -> None:
        """Values of wires at both, computed once."""
        envs = (self.group.environment(self.target), self.group.environment(self.moving))
        object.__setattr__(self, "envs", envs)


@dataclass(frozen=True)
class Bond:
    """The compact part of a matrix group: rotations, reflections, phases."""

    name: str
    family: MatrixFamily

    def places(self) -> Iterator[tuple[p.Source, int]]:
        """Wires and their blocks on which it acts."""
        yield from ((m.source, m.cell) for m in self.family.members)

    def blocks(self) -> Iterator[Block]:
        """The keys of these."""
        yield from (block_of(*place) for place in self.places())

    def cross(self, pair: Pair, chosen: set[Block] | None) -> Tensor | None:
        """Σ A Bᵀ over chosen blocks: [*copies, n, n]."""
        total: Tensor | None = None
        for m in self.family.members:
            if chosen is None or block_of(m.source, m.cell) in chosen:
                a, b = (framed(env, self.family, m) for env in pair.envs)
                one = pair.metric[m.source.key] * (a @ b.transpose(-1, -2))
                total = one if total is None else total + one
        return total

    def solve(self, pair: Pair, chosen: set[Block] | None) -> Step | None:
        """The element that carries the moving blocks nearest to the others (Procrustes)."""
        m = self.cross(pair, chosen)
        if m is None:
            return None
        r = nearest_turn(self.family, m)
        eye = torch.eye(r.shape[-1], dtype=r.dtype)
        return Turn(self.name, r) if float((r - eye).abs().max()) > _STILL else None


@dataclass(frozen=True)
class Order:
    """A permutation of one index."""

    name: str
    shuffle: Shuffle

    def places(self) -> Iterator[tuple[p.Source, int]]:
        """Wires and their blocks on which it acts; batch statistics do not count."""
        yield from ((s.source, s.cell) for s in self.shuffle.spots if s.source.role == "parameter")

    def blocks(self) -> Iterator[Block]:
        """The keys of these."""
        yield from (block_of(*place) for place in self.places())

    def scores(
        self, pair: Pair, chosen: set[Block] | None, signs: "Sequence[Sign]" = ()
    ) -> Tensor | None:
        """Inner products of slices: [*copies, n, n]; up to signs that are found later."""
        parts: dict[frozenset[str], Tensor] = {}
        acting = {g.name: set(g.blocks()) for g in signs}
        for s in self.shuffle.spots:
            key = block_of(s.source, s.cell)
            if s.source.role == "parameter" and (chosen is None or key in chosen):
                a, b = (sheets(env, self.shuffle, s) for env in pair.envs)
                one = pair.metric[s.source.key] * (a @ b.transpose(-1, -2))
                by = frozenset(name for name, blocks in acting.items() if key in blocks)
                parts[by] = parts[by] + one if by in parts else one
        return _best_signs(parts) if parts else None

    def solve(
        self,
        pair: Pair,
        chosen: set[Block] | None,
        nested: Tensor | None = None,
        signs: "Sequence[Sign]" = (),
    ) -> Step | None:
        """The assignment of the largest sum of inner products, and of nested scores."""
        scores = self.scores(pair, chosen, signs)
        if nested is not None:
            scores = nested if scores is None else scores + nested
        return None if scores is None else permuted(self.name, assigned(scores))

    def carries(self, sign: "Sign") -> bool:
        """Whether every permuted unit has a sign of its own."""
        axes = {a.root for a in (self.shuffle.spots[0].axis, *self.shuffle.by)}
        found = {a.root for a in sign.flip.scaling.indexed}
        return self.shuffle.spots[0].axis.root in found and found <= axes


def _best_signs(parts: Mapping[frozenset[str], Tensor]) -> Tensor:
    """The largest sum of parts, each times the signs that act on it, entry by entry."""
    names = sorted({name for by in parts for name in by})[:_SIGNS]
    found: list[Tensor] = []
    for chosen in itertools.product((1.0, -1.0), repeat=len(names)):
        value = dict(zip(names, chosen, strict=True))
        terms = [math.prod(value.get(n, 1.0) for n in by) * part for by, part in parts.items()]
        found.append(torch.stack(terms).sum(0))
    return torch.stack(found).amax(0)


@dataclass(frozen=True)
class Sign:
    """Changes of sign."""

    name: str
    flip: SignFlip

    def places(self) -> Iterator[tuple[p.Source, int]]:
        """Wires and their blocks on which it acts."""
        members = self.flip.scaling.members
        yield from ((m.source, m.cell) for m in members if round(m.exponent) % 2)

    def blocks(self) -> Iterator[Block]:
        """The keys of these."""
        yield from (block_of(*place) for place in self.places())

    def solve(self, pair: Pair, chosen: set[Block] | None) -> Step | None:
        """A change of sign where the inner product is negative."""
        env = pair.envs[0]
        n = self.flip.count()
        index = self.flip.logs(env, torch.arange(n, dtype=torch.float64)).round().long()
        total = torch.zeros(n, dtype=torch.float64)
        for m in self.flip.scaling.members:
            if chosen is None or block_of(m.source, m.cell) in chosen:
                a, b = (e.take(m.source, m.cell, e.value(m.source)) for e in pair.envs)
                if round(m.exponent) % 2:
                    one = gathered(self.flip, m.places, a * b, index)
                    total += pair.metric[m.source.key] * one
        bits = (total < 0).double()
        return Flip(self.name, bits) if bool(bits.any()) else None


Unknown = Bond | Order | Sign


def unknowns(group: Group, state: State) -> list[Unknown]:
    """All of a group that is not fixed by a common gauge."""
    found: list[Unknown] = []
    for name, site in group.turning(state).items():
        assert isinstance(site.family, MatrixFamily)
        if site.family.type != "columns":  # 1 + 1 κᵀ: nothing in it is orthogonal but the identity
            found.append(Bond(name, site.family))
    for name, shuffle in group.shuffles.items():
        if name in group.spec.perms and not group.spec.perms[name].continuous:
            found.append(Order(name, shuffle))
    gains = gain_wires(group)
    signs = [Sign(name, flip) for name, flip in group.signs.items()
             if one_for_each(group, state, flip, gains) is None]  # fmt: skip
    return [*found, *signs]


def nearest_turn(family: MatrixFamily, m: Tensor) -> Tensor:
    """The orthogonal element R of a group that maximises ⟨R, M⟩: [*copies, n, n]."""
    if family.bond.pairs:
        return _phases(family, commuting(family, m))
    if family.bond.ones:
        n = m.shape[-1]
        q = off_ones(n).to(m)
        return q @ _polar(q.T @ m @ q) @ q.T + torch.ones(n, n).to(m) / n
    return _polar(m)


def best_value(family: MatrixFamily, m: Tensor) -> Tensor:
    """The largest ⟨R, M⟩ over orthogonal elements R: [*copies]."""
    return (nearest_turn(family, m) * m).sum((-1, -2))


def _polar(m: Tensor) -> Tensor:
    u, _, vh = torch.linalg.svd(m)
    return u @ vh


def _phases(family: MatrixFamily, m: Tensor) -> Tensor:
    (pairs,) = family.bond.pairs
    used = {a for pair in pairs for a in pair}
    rest = torch.tensor([a for a in range(m.shape[-1]) if a not in used], dtype=torch.long)
    result = torch.zeros_like(m)
    for i, j in pairs:
        real, turn = m[..., i, i], m[..., j, i]
        size = torch.hypot(real, turn)
        live = size > 0
        real = torch.where(live, real / size.clamp_min(1e-300), torch.ones_like(real))
        turn = torch.where(live, turn / size.clamp_min(1e-300), torch.zeros_like(turn))
        result[..., i, i], result[..., j, j] = real, real
        result[..., j, i], result[..., i, j] = turn, -turn
    if len(rest):
        block = _polar(m[..., rest[:, None], rest])
        result[..., rest[:, None], rest] = block
    return result


def assigned(scores: Tensor) -> Tensor:
    """For each copy the index that maximises Σᵢ scores[i, index[i]]: [*copies, n]."""
    from scipy.optimize import linear_sum_assignment

    flat = scores.reshape(-1, *scores.shape[-2:])
    found = [torch.as_tensor(linear_sum_assignment(-s.numpy())[1]) for s in flat]
    return torch.stack(found).reshape(scores.shape[:-1])


def permuted(name: str, index: Tensor) -> Step | None:
    """A step, None where it is the identity."""
    same = torch.arange(index.shape[-1]).expand(index.shape)
    return None if torch.equal(index, same) else Permute(name, index)


def inner_scores(pair: Pair, order: Order, inner: Unknown, chosen: set[Block]) -> Tensor | None:
    """How well slices of a permuted index agree when what acts inside each is at its best.

    Args:
        pair: two checkpoints.
        order: the permutation of an index that chooses among copies of the inner unknown.
        inner: rotations in each head, permutations in each expert.
        chosen: blocks on which nothing else acts that is unknown.

    Returns:
        [*copies of the order, n, n]; None where it is not of this form.
    """
    axis = order.shuffle.spots[0].axis
    outer = list(order.shuffle.by)
    if isinstance(inner, Bond):
        axes = [a.root for a in inner.family.indexed]
        members = [m for m in inner.family.members if block_of(m.source, m.cell) in chosen]
        slices = [[framed(e, inner.family, m) for e in pair.envs] for m in members]
        keys = [m.source.key for m in members]
    elif isinstance(inner, Order):
        axes = [a.root for a in inner.shuffle.by]
        spots = [s for s in inner.shuffle.spots if block_of(s.source, s.cell) in chosen]
        slices = [[sheets(e, inner.shuffle, s) for e in pair.envs] for s in spots]
        keys = [s.source.key for s in spots]
    else:
        return None
    if axis not in axes or not slices or not {a.root for a in outer} <= set(axes):
        return None
    front = _front(axes, outer, axis)
    total: Tensor | None = None
    for key, (a, b) in zip(keys, slices, strict=True):
        a, b = (x.permute([*front, x.dim() - 2, x.dim() - 1]) for x in (a, b))
        one = a.unsqueeze(len(front)) @ b.unsqueeze(len(front) - 1).transpose(-1, -2)
        one = pair.metric[key] * one
        total = one if total is None else total + one
    assert total is not None
    if isinstance(inner, Bond):
        values = best_value(inner.family, total)
    else:
        index = assigned(total)
        values = total.gather(-1, index.unsqueeze(-1)).squeeze(-1).sum(-1)
    between = range(len(outer), values.dim() - 2)
    return values.sum(tuple(between)) if len(between) else values


def _front(axes: list[Axis], outer: list[Axis], axis: Axis) -> list[int]:
    """Where the copies of the order come first, then others, then what is permuted."""
    first = [axes.index(a.root) for a in outer]
    last = axes.index(axis)
    return [*first, *(i for i in range(len(axes)) if i not in (*first, last)), last]
