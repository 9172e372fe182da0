"""Translations pinned: entries zero where they begin, as many as there are directions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.count.rank import columns, stacked
from symfind.orbit.gauge import seeds_of, slide_one, whole
from symfind.orbit.newton import spanning
from symfind.orbit.pivots import Pivots, independent
from symfind.orbit.steps import Flow
from symfind.orbit.walk import Walk
from symfind.solve.families.family import ShiftFamily
from symfind.solve.point.family import Family

_STILL = 1e-12
_WORST = 1e7  # condition of entries that are set to zero
_DENSE = 4_000_000  # entries of the field of a translation
_GROWN = 30.0  # times its size, beyond which a tensor that takes up a shift is none to be used


def together(walk: Walk, names: list[str]) -> list[list[str]]:
    """Translations that begin in the same tensors: what one sets to zero another would move."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        family = walk.group.sites[name].family
        begin = (name,) if whole(walk, family) else tuple(_begins(walk, family))
        found.setdefault(begin, []).append(name)
    constant_first = lambda n: walk.group.sites[n].kind != "parallel"  # noqa: E731
    return [sorted(names, key=constant_first) for names in found.values()]


def _begins(walk: Walk, family: Family) -> list[str]:
    """Tensors of which entries are set to zero."""
    return sorted(
        seeds_of(family, merged=True) or (k for k in family.names if k in walk.group.shapes)
    )


def slide_to_pins(walk: Walk, names: Sequence[str], pivots: Pivots, first: bool) -> float:
    """To zero where translations begin: all of it, or as many entries as they have coefficients.

    What begins nowhere (blind directions of all that writes a wire) is led to the least norm at
    first, so that a bond that it fills does not hold it, and to zeros once the bonds have theirs.
    """
    family = walk.group.sites[names[0]].family
    if isinstance(family, ShiftFamily) and family.loose and seeds_of(family, merged=True) is None:
        return _unit(walk, names[0], family, pivots)
    steps = None
    if not whole(walk, family) and (not first or seeds_of(family, merged=True)):
        steps = _rows(walk, names, [walk.group.sites[n].family for n in names], pivots)
    if steps is None:
        return max(_nearest(walk, n) for n in names)
    size = max(float(step.coefficients.abs().max()) for step in steps)
    return size if size <= _STILL or all(walk.lead(step) for step in steps) else 0.0


def _nearest(walk: Walk, name: str) -> float:
    """To the least norm, unless it leads beyond the ceiling."""
    state, done = walk.state, len(walk.steps)
    size = slide_one(walk, name, seeds_only=True, merged=True)
    if walk.largest() <= walk.ceiling:
        return size
    walk.state = state
    del walk.steps[done:]
    return 0.0


def _unit(walk: Walk, name: str, family: ShiftFamily, pivots: Pivots) -> float:
    """All of a tensor to zero, or to a unit vector where its field has a pole at zero.

    So is a shift in front of a map without a bias: W takes it up by what it adds to all of a row,
    times the mean of the shift, which may not be zero.
    """
    value = walk.state[family.seed.key].reshape(-1)
    moved = columns(walk.group.point(walk.state), family).get(family.seed.key)
    if moved is None or moved.shape[0] != moved.shape[1] or not bool(torch.isfinite(moved).all()):
        return 0.0
    if float(torch.linalg.cond(moved)) > _WORST:
        return 0.0
    top = int(value.abs().argmax())
    sizes = sum(float(walk.state[n].square().sum()) for n in family.names if n in walk.state)

    def choose() -> Tensor | None:
        unit = torch.zeros_like(value)
        unit[top] = 1.0
        for wanted in (torch.zeros_like(value), unit, -unit):
            state, done = walk.state, len(walk.steps)
            if walk.lead(Flow(name, torch.linalg.solve(moved, wanted - value))):
                now = sum(float(walk.state[n].square().sum()) for n in family.names if n in state)
                walk.state = state
                del walk.steps[done:]
                if now <= _GROWN**2 * sizes:
                    return wanted
        return None

    wanted = pivots.kept(name, choose)
    if wanted is None:
        return 0.0
    gap = float((wanted - value).abs().max())
    step = Flow(name, torch.linalg.solve(moved, wanted - value))
    return gap if gap <= _STILL or walk.lead(step) else 0.0


def _rows(
    walk: Walk, names: Sequence[str], families: list[Family], pivots: Pivots
) -> list[Flow] | None:
    """What makes entries zero that pivoting chooses; None where the fields have no value."""
    counts, seeds = [f.count() for f in families], _begins(walk, families[0])
    n = sum(counts)
    if n * sum(walk.state[k].numel() for k in seeds) > _DENSE:
        return None
    sizes = {k: walk.state[k].numel() for k in seeds}
    field = stacked([columns(walk.group.point(walk.state), f) for f in families], sizes)
    if not bool(torch.isfinite(field).all()):
        return None
    for _ in range(2):
        rows = pivots.kept(names[0], lambda: _transverse(field, counts))
        if len(rows) and float(torch.linalg.svdvals(field[rows])[-1]) * _WORST > float(
            field.norm()
        ):
            break
        pivots.forget(names[0])
    else:
        return None
    values = torch.cat([walk.state[k].reshape(-1) for k in seeds])[rows]
    c = -torch.linalg.lstsq(field[rows], values[:, None], driver="gelsd").solution[:, 0]
    return [Flow(name, part) for name, part in zip(names, c.split(counts), strict=True)]


def _transverse(field: Tensor, counts: list[int]) -> Tensor:
    """Rows of fields side by side: for those of each family in turn, of equals the first."""
    found: list[int] = []
    first = 1.0 - 1e-3 * torch.arange(len(field)) / len(field)
    for k in range(len(counts)):
        basis = first[:, None] * spanning(field[:, : sum(counts[: k + 1])])
        found += independent(basis, torch.arange(len(field)), found)
    return torch.tensor(found, dtype=torch.long)
