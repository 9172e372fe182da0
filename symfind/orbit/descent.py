"""Coordinate descent over the unknowns of a group, begun where what is fixed holds them.

An unknown is first found from blocks on which nothing else that is unknown acts: those that read an
input or write an output, then those beside what is known already. So a network that is an image of
another under any element is carried back exactly; others are then improved in turn.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import torch

from symfind.orbit.frames import Block
from symfind.orbit.group import State
from symfind.orbit.leastsquares import nearest
from symfind.orbit.steps import Flow
from symfind.orbit.unknowns import (
    Bond,
    Metric,
    Order,
    Pair,
    Sign,
    Unknown,
    inner_scores,
    unknowns,
)
from symfind.orbit.walk import Walk
from symfind.solve.point.family import Family

_ROUNDS = 60
_GAIN = 1e-13  # of the squared distance, relative, below which a round has gained nothing


def descend(
    walk: Walk,
    target: State,
    metric: Metric,
    only: Collection[type] = (),
    seed: int = 0,
    anchored: bool = True,
) -> None:
    """Move a checkpoint along its orbit towards another one.

    Args:
        walk: the checkpoint that moves.
        target: the one that stays, in the same gauge.
        metric: what each tensor counts.
        only: classes of unknowns; all without.
        seed: of the order in which they take turns.
        anchored: begin with what is held by known neighbours.
    """
    free = [u for u in unknowns(walk.group, walk.state) if not only or isinstance(u, tuple(only))]
    if anchored:
        _begin(walk, target, metric, free)
    rng = torch.Generator().manual_seed(seed)
    best = gap(walk, target, metric)
    for _ in range(_ROUNDS):
        for i in torch.randperm(len(free), generator=rng).tolist():
            _improve(walk, target, metric, free[i])
        now = gap(walk, target, metric)
        if best - now <= _GAIN * max(best, 1e-300):
            return
        best = now


def gap(walk: Walk, target: State, metric: Metric | None = None) -> float:
    """The squared distance over all trained tensors; plain without a metric."""
    by = metric or dict.fromkeys(walk.group.shapes, 1.0)
    return sum(
        w * float((walk.state[n] - target[n]).square().sum()) for n, w in by.items() if w > 0
    )


def slide(walk: Walk, target: State) -> None:
    """Along all translations to where the distance is least."""
    for name, site in walk.group.translations.items():
        if getattr(site.family, "loose", False) and site.kind != "reach":
            continue  # it bends: the nearest point of its tangent may be far from its orbit
        before, state = gap(walk, target), dict(walk.state)
        c = nearest(walk.group, site.family, walk.state, target)
        if c is not None and _has_field(walk, site.family, c):
            walk.do(Flow(name, c))
            if not gap(walk, target) <= before:  # nor through a pole, where it is no number
                walk.state = state
                walk.steps.pop()


def _has_field(walk: Walk, family: Family, c: torch.Tensor) -> bool:
    """Whether a family has a field here: one that divides by a gain of zero has none."""
    field = walk.group.direction(family, walk.state, c)
    return all(bool(torch.isfinite(d).all()) for d in field.values())


def _improve(walk: Walk, target: State, metric: Metric, unknown: Unknown) -> None:
    """One unknown at its best beside the others; taken back where nothing is gained."""
    pair = Pair(walk.group, walk.state, target, metric)
    step = unknown.solve(pair, None)
    if step is None:
        return
    before, state = gap(walk, target, metric), dict(walk.state)
    walk.do(step)
    if gap(walk, target, metric) > before:
        walk.state = state
        walk.steps.pop()


def _begin(walk: Walk, target: State, metric: Metric, free: Sequence[Unknown]) -> None:
    """Each unknown once, the best held first."""
    acting = acting_on(free)
    open_ = {u.name: u for u in free}
    while open_:
        held = {name: held_blocks(u, acting, open_) for name, u in open_.items()}
        name = max(open_, key=lambda n: held[n][0])
        unknown, blocks = open_.pop(name), held[name][1]
        pair = Pair(walk.group, walk.state, target, metric)
        if isinstance(unknown, Order):
            nested = _nested(pair, unknown, open_, blocks[1])
            step = unknown.solve(pair, blocks[0], nested, _signs(unknown, open_.values()))
        else:
            step = unknown.solve(pair, blocks[0] or None)
        if step is not None:
            walk.do(step)


def acting_on(free: Sequence[Unknown]) -> dict[Block, set[str]]:
    """Names of what acts on each block."""
    acting: dict[Block, set[str]] = {}
    for u in free:
        for key in u.blocks():
            acting.setdefault(key, set()).add(u.name)
    return acting


def held_blocks(
    u: Unknown, acting: dict[Block, set[str]], open_: dict[str, Unknown]
) -> tuple[float, tuple[set[Block], dict[str, set[Block]]]]:
    """Which part of its blocks nothing else unknown acts on; and those with one that is inside."""
    alone: set[Block] = set()
    inside: dict[str, set[Block]] = {}
    total = 0
    for key, times in Counter(u.blocks()).items():
        total += 1
        if times > 1:
            continue  # it meets itself along another index
        others = [n for n in acting[key] if n != u.name and n in open_]
        others = [n for n in others if not _settled(open_[n], u)]
        if not others:
            alone.add(key)
        elif len(others) == 1 and isinstance(u, Order) and _within(open_[others[0]], u):
            inside.setdefault(others[0], set()).add(key)
    fraction = (len(alone) + sum(map(len, inside.values()))) / max(total, 1)
    return fraction, (alone, inside)


def _settled(other: Unknown, u: Unknown) -> bool:
    """Whether the other is a change of sign along what is turned or permuted itself."""
    if not isinstance(other, Sign):
        return False
    if isinstance(u, Bond):
        return u.family.axis.root in {a.root for a in other.flip.scaling.indexed}
    return isinstance(u, Order) and u.carries(other)


def _signs(order: Order, open_: Iterable[Unknown]) -> list[Sign]:
    return [u for u in open_ if isinstance(u, Sign) and order.carries(u)]


def _within(other: Unknown, u: Order) -> bool:
    """Whether the permuted index chooses among copies of another unknown."""
    axis = u.shuffle.spots[0].axis
    if isinstance(other, Bond):
        return any(a.root is axis for a in other.family.indexed)
    return isinstance(other, Order) and any(a.root is axis for a in other.shuffle.by)


def _nested(
    pair: Pair, order: Order, open_: dict[str, Unknown], inside: dict[str, set[Block]]
) -> torch.Tensor | None:
    total: torch.Tensor | None = None
    for name, blocks in inside.items():
        one = inner_scores(pair, order, open_[name], blocks)
        if one is not None:
            total = one if total is None else total + one
    return total
