"""Entries to given values by Newton's method along all flows at once.

Where families act on the same entries, pins that each chooses for itself do not hold together: what
one sets another moves. Entries that are transverse, so that no direction leaves all of them alone,
have values that the flows reach nearby by the theorem of the inverse function; how far, is tried.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import torch
from torch import Tensor

from symfind.count.rank import columns, stacked
from symfind.orbit.found import FoundFamily
from symfind.orbit.group import Group, State
from symfind.orbit.pivots import independent, pivoted
from symfind.orbit.steps import Flow
from symfind.orbit.walk import Walk
from symfind.solve.point.family import bends

_ROUNDS = 25  # of steps, for all entries together
_SINGLE = 80  # for one after another
_EACH = 15  # for one of these at least, and to one of its two values; more where they are few
_REST = 1e-12  # of what entries are to be, absolute, that is left
_FAR = 0.3  # of the largest entry, that one step moves entries at most
_HALVED = 5  # times, until a step that gains nothing is given up
_TRIED = 24  # entries, of which each is tried alone
_LOOSE = 1e-3  # weight of fields that are followed by integration
_SINGULAR = 1e-9  # pivot, relative, below which entries cannot be moved each by itself
_GROWN = 30.0  # times the largest entry, beyond which a form is none to be used


class _Fields:
    """Independent fields at a point: [parameters, number], and whose coefficients they are."""

    def __init__(self, group: Group, state: State) -> None:
        self.sizes = {n: state[n].numel() for n in group.shapes}
        point = group.point(state)
        parts, self.owners = [], []
        for name, site in group.sites.items():
            if isinstance(site.family, FoundFamily):
                continue
            part = columns(point, site.family)
            part = {k: v for k, v in part.items() if k in self.sizes}
            if part and all(bool(torch.isfinite(v).all()) for v in part.values()):
                loose = bends(site.family)
                parts.append(part)
                self.owners += [(name, i, loose) for i in range(site.family.count())]
        self.matrix = stacked(parts, self.sizes)

    def steps(self, rows: Tensor, wanted: Tensor) -> list[Flow] | None:
        """Flows that change entries as is wanted, to first order; None where they cannot."""
        lengths = self.matrix.norm(dim=0).clamp_min(1e-300)
        weights = torch.tensor([_LOOSE if loose else 1.0 for _, _, loose in self.owners])
        part = self.matrix[rows] / lengths * weights
        r, order = pivoted(part)
        n = len(rows)
        if len(order) < n or abs(r[n - 1, n - 1]) <= _SINGULAR * abs(r[0, 0]):
            return None
        chosen = torch.as_tensor(order[:n].copy()).long()
        solved = torch.linalg.solve(part[:, chosen], wanted)
        c = torch.zeros(len(self.owners), dtype=torch.float64)
        c[chosen] = solved / lengths[chosen] * weights[chosen]
        flows: dict[str, list[float]] = {}
        for (name, _, _), value in zip(self.owners, c.tolist(), strict=True):
            flows.setdefault(name, []).append(value)
        return [
            Flow(name, torch.tensor(values, dtype=torch.float64))
            for name, values in flows.items()
            if any(values)
        ]


def complete(walk: Walk, near: float, holds: Callable[[State], bool]) -> None:
    """More entries to zero or ±1, where those that are do not hold all directions.

    Args:
        walk: the checkpoint that moves.
        near: how near to zero or one an entry has to be.
        holds: whether a checkpoint computes the function that it did.
    """
    fields = _Fields(walk.group, walk.state)
    basis = spanning(fields.matrix)
    values = _values(walk)
    pinned = at_zero_or_one(values, near)
    first = independent(basis, pinned.nonzero().squeeze(-1))
    more = independent(basis, (~pinned).nonzero().squeeze(-1), first)
    if not more:
        return
    goal = values[first].round()
    zeros = torch.zeros(len(more)).to(goal)
    if _reach(walk, [*first, *more], torch.cat([goal, zeros]), holds, iter(range(_ROUNDS))):
        return
    rounds, each = iter(range(_SINGLE)), max(_EACH, _SINGLE // (2 * len(more)))
    for k, entry in enumerate(more[:_TRIED], 1):
        walk.tell(f"pins: entry {k} of {min(len(more), _TRIED)} that are left")
        for value in (0.0, 1.0 if float(_values(walk)[entry]) >= 0 else -1.0):
            wanted = torch.cat([goal, goal.new_tensor([value])])
            if _reach(walk, [*first, entry], wanted, holds, islice(rounds, each)):
                first, goal = [*first, entry], wanted
                break


def at_zero_or_one(values: Tensor, near: float) -> Tensor:
    """Which entries are zero or ±1."""
    size = values.abs()
    return (size < near) | ((size - 1).abs() < near)


def spanning(directions: Tensor) -> Tensor:
    """An orthonormal basis of what directions span, [parameters, rank].

    A field that divides by what is pinned to zero has no value there.
    """
    directions = directions[:, torch.isfinite(directions).all(0)]
    unit = directions / directions.norm(dim=0).clamp_min(1e-300)
    u, s, _ = torch.linalg.svd(unit, full_matrices=False)
    return u[:, : int((s > 1e-8 * s[:1]).sum())]


def _values(walk: Walk) -> Tensor:
    return torch.cat([walk.state[n].reshape(-1) for n in walk.group.shapes])


def _reach(
    walk: Walk,
    entries: Sequence[int],
    goal: Tensor,
    holds: Callable[[State], bool],
    rounds: Iterable[int],
) -> bool:
    """Whether entries come to their values; else all is as it was."""
    rows = torch.tensor(list(entries))
    state, done = dict(walk.state), len(walk.steps)
    top = float(_values(walk).abs().max())
    for _ in rounds:
        gap = goal - _values(walk)[rows]
        size = float(gap.abs().max())
        if size <= _REST and holds(walk.state):
            return True
        if size <= _REST:
            break
        if not _closer(walk, rows, gap, min(1.0, _FAR * top / size)):
            break
        if float(_values(walk).abs().max()) > _GROWN * top:
            break
    walk.state = state
    del walk.steps[done:]
    return False


def _closer(walk: Walk, rows: Tensor, gap: Tensor, part: float) -> bool:
    """One step of Newton's method, shortened until it gains."""
    fields = _Fields(walk.group, walk.state)
    state, done = dict(walk.state), len(walk.steps)
    for _ in range(_HALVED):
        steps = fields.steps(rows, part * gap)
        if steps is None:
            return False
        if not all(walk.lead(step) for step in steps):
            walk.state, part = dict(state), part / 2
            del walk.steps[done:]
            continue
        left = gap.new_tensor(0.0) if not len(rows) else (
            gap + _at(state, walk, rows) - _values(walk)[rows]
        )  # fmt: skip
        if float(left.norm()) < (1 - part / 4) * float(gap.norm()):
            return True
        walk.state = dict(state)
        del walk.steps[done:]
        part /= 2
    return False


def _at(state: State, walk: Walk, rows: Tensor) -> Tensor:
    return torch.cat([state[n].reshape(-1) for n in walk.group.shapes])[rows]
