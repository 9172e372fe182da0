"""One representative of an orbit: what a gauge leaves is compact or discrete, and is ordered.

Every statistic is invariant under what is not yet ordered: Gram matrices and norms of slices are,
under rotations and permutations of all other indices. Signs are told by odd powers on blocks where
nothing else is left that turns them; so what reads the input is ordered first.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from symfind.orbit.descent import acting_on, held_blocks
from symfind.orbit.frames import Block, block_of, framed, gathered, sheets
from symfind.orbit.gauge import common_gauge, off_ones
from symfind.orbit.given import commuting
from symfind.orbit.steps import Flip, Step, Turn
from symfind.orbit.unknowns import Bond, Order, Sign, Unknown, permuted, unknowns
from symfind.orbit.walk import Walk
from symfind.solve.bonds.matrices import Member
from symfind.solve.bonds.scalings import Follower
from symfind.solve.charts.lifted import LiftedFamily

_TIE = 1e-7  # relative difference of eigenvalues or norms that counts as none
_NOTHING = 1e-9  # of the largest, that counts as zero


def canonical(walk: Walk) -> None:
    """Move a checkpoint to the representative of its orbit; what has none is noted."""
    common_gauge(walk)
    open_ = {u.name: u for u in unknowns(walk.group, walk.state)}
    acting = acting_on(list(open_.values()))
    dead = _zero(walk, open_.values())
    while open_:
        held = {name: _telling(u, acting, open_, dead) for name, u in open_.items()}
        name = max(open_, key=lambda n: held[n][0])
        unknown, blocks = open_.pop(name), held[name][1]
        step = _ordered(walk, unknown, blocks)
        if step is not None:
            walk.do(step)
    # a sign beside a path that no weight is on (x + W x) moves what translations had settled
    notes = dict(walk.notes)
    common_gauge(walk)
    walk.notes = notes  # what it says again is of units in another order
    for name, site in walk.group.translations.items():
        if isinstance(site.family, LiftedFamily) and site.kind in ("gauge", "rotation"):
            walk.note(f"{name}: rotations of weights that are normalised have no form")


def _zero(walk: Walk, unknowns: Iterable[Unknown]) -> set[Block]:
    """Blocks that the gauge has made zero: they tell no sign and no order."""
    env = walk.group.environment(walk.state)
    top = max((float(walk.state[n].abs().max()) for n in walk.group.shapes), default=0.0)
    found: set[Block] = set()
    for u in unknowns:
        for source, cell in u.places():
            block = env.take(source, cell, env.value(source))
            if block.numel() and float(block.abs().max()) <= _NOTHING * top:
                found.add(block_of(source, cell))
    return found


def _telling(
    u: Unknown, acting: dict[Block, set[str]], open_: dict[str, Unknown], dead: set[Block]
) -> tuple[float, set[Block]]:
    """Blocks on which nothing else unknown acts, and what part of all that are not zero."""
    alone, inside = held_blocks(u, acting, open_)[1]
    live = set(u.blocks()) - dead
    blocks = alone - dead
    nested = sum(len(keys - dead) for keys in inside.values())
    return (len(blocks) + nested) / max(len(live), 1), blocks


def _ordered(walk: Walk, unknown: Unknown, blocks: set[Block]) -> Step | None:
    if isinstance(unknown, Bond):
        return _bond(walk, unknown, blocks)
    if isinstance(unknown, Order):
        return _order(walk, unknown)
    return _sign(walk, unknown, blocks)


# rotations ---------------------------------------------------------------------------------
def _bond(walk: Walk, bond: Bond, blocks: set[Block]) -> Step | None:
    env = walk.group.environment(walk.state)
    family = bond.family
    sheet = [(m, framed(env, family, m)) for m in family.members]
    once = _once(family.members)
    held = [f for m, f in sheet if block_of(m.source, m.cell) in blocks & once]
    if family.bond.pairs:
        return _phases(walk, bond, held or [f for _, f in sheet])
    q = off_ones(family.axis.size) if family.bond.ones else torch.eye(family.axis.size).double()
    gram = sum((q.T @ f @ f.transpose(-1, -2) @ q for _, f in sheet[1:]),
               q.T @ sheet[0][1] @ sheet[0][1].transpose(-1, -2) @ q)  # fmt: skip
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(-1), vectors.flip(-1)
    _ties(walk, bond.name, "equal singular values", values)
    turn = vectors.transpose(-1, -2)
    if not held:
        walk.note(f"{bond.name}: signs that nothing holds")
    else:
        odd = sum((turn @ q.T @ f).pow(3).sum(-1) for f in held)
        assert isinstance(odd, Tensor)
        turn = turn * torch.where(odd < 0, -1.0, 1.0).unsqueeze(-1)
    matrix = q @ turn @ q.T
    if family.bond.ones:
        n = family.axis.size
        matrix = matrix + torch.ones(n, n).double() / n
    return Turn(bond.name, matrix)


def _phases(walk: Walk, bond: Bond, held: Sequence[Tensor]) -> Step:
    """Every pair to where Σ |z|² z of what it turns is real and positive."""
    family = bond.family
    (pairs,) = family.bond.pairs
    result = torch.zeros(*held[0].shape[:-1], family.axis.size, dtype=torch.float64)
    for i, j in pairs:
        total: Tensor | None = None
        for f in held:
            z = torch.complex(f[..., i, :], f[..., j, :])
            one = (z.abs().square() * z).sum(-1)
            total = one if total is None else total + one
        assert total is not None
        size = total.abs()
        if bool((size == 0).any()):
            walk.note(f"{bond.name}: a pair that nothing holds")
        phase = torch.where(size > 0, total.conj() / size.clamp_min(1e-300), torch.ones_like(total))
        result[..., i, i], result[..., j, j] = phase.real, phase.real
        result[..., j, i], result[..., i, j] = phase.imag, -phase.imag
    used = {a for pair in pairs for a in pair}
    rest = torch.tensor([a for a in range(family.axis.size) if a not in used], dtype=torch.long)
    if len(rest):
        result[..., rest[:, None], rest] = _axes(walk, bond.name, held, rest)
    assert torch.allclose(commuting(family, result), result)
    return Turn(bond.name, result)


def _axes(walk: Walk, name: str, held: Sequence[Tensor], rest: Tensor) -> Tensor:
    """The principal axes of what no pair turns, signs by cubes."""
    parts = [f[..., rest, :] for f in held]
    gram = sum((p @ p.transpose(-1, -2) for p in parts[1:]), parts[0] @ parts[0].transpose(-1, -2))
    values, vectors = torch.linalg.eigh(gram)
    _ties(walk, name, "equal singular values", values.flip(-1))
    turn = vectors.flip(-1).transpose(-1, -2)
    odd = sum(((turn @ p).pow(3).sum(-1) for p in parts[1:]), (turn @ parts[0]).pow(3).sum(-1))
    return turn * torch.where(odd < 0, -1.0, 1.0).unsqueeze(-1)


# permutations and signs ------------------------------------------------------------------------
def _order(walk: Walk, order: Order) -> Step | None:
    """The largest unit first."""
    env = walk.group.environment(walk.state)
    total: Tensor | None = None
    for s in order.shuffle.spots:
        if s.source.role == "parameter":
            one = sheets(env, order.shuffle, s).square().sum(-1)
            total = one if total is None else total + one
    assert total is not None
    _ties(walk, order.name, "units of equal norm", total.sort(-1, descending=True).values)
    return permuted(order.name, total.argsort(-1, descending=True))


def _sign(walk: Walk, sign: Sign, blocks: set[Block]) -> Step | None:
    env, flip = walk.group.environment(walk.state), sign.flip
    index = flip.logs(env, torch.arange(flip.count(), dtype=torch.float64)).round().long()
    total, size = torch.zeros(2, flip.count(), dtype=torch.float64)
    once = _once(flip.scaling.members)
    for m in flip.scaling.members:
        if round(m.exponent) % 2:
            block = env.take(m.source, m.cell, env.value(m.source))
            size += gathered(flip, m.places, block.square(), index)
            if block_of(m.source, m.cell) in blocks & once:
                total += gathered(flip, m.places, block.pow(3), index)
    if not bool(total.abs().max() > 0):
        walk.note(f"{sign.name}: signs that nothing holds")
    elif bool(((total == 0) & (size > 0)).any()):
        walk.note(f"{sign.name}: signs of units that are zero where others are held")
    return Flip(sign.name, (total < 0).double()) if bool((total < 0).any()) else None


def _once(members: Iterable[Member | Follower]) -> set[Block]:
    """Blocks on which a group acts along one index only: along two, signs meet each other."""
    times = Counter(block_of(m.source, m.cell) for m in members)
    return {key for key, n in times.items() if n == 1}


def _ties(walk: Walk, name: str, what: str, values: Tensor) -> None:
    """Note neighbours among descending values that cannot be told apart."""
    top = values[..., :1].clamp_min(1e-300)
    live = values[..., 1:] > _NOTHING * top
    close = (values[..., :-1] - values[..., 1:] <= _TIE * top) & live
    if bool(close.any()):
        walk.note(f"{name}: {int(close.sum())} {what}")
