"""Entries pinned to zero or one: as many as the group has dimensions at a checkpoint.

A rotation makes a member triangular, a gl(n) makes a block of one the identity, a scale makes the
largest entry of a row ±1, a translation is set to zero where it begins. Blocks are chosen by
pivoting, so that no small number is divided by.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from symfind.orbit.frames import coefficient_of, framed
from symfind.orbit.gauge import (
    gain_wires,
    independent_translations,
    one_for_each,
    pin_gains,
)
from symfind.orbit.group import Group, State
from symfind.orbit.newton import at_zero_or_one, complete, spanning
from symfind.orbit.pivots import Pivots, independent
from symfind.orbit.slides import slide_to_pins, together
from symfind.orbit.steps import Flow, Turn
from symfind.orbit.triangles import same_added, triangle
from symfind.orbit.walk import Walk
from symfind.solve.families.family import MatrixFamily, ScalingFamily

_SWEEPS = 6
_STILL = 1e-12
_SAME = 1e-15  # of a matrix that is the identity
_EXACT = 1e-9  # of zero or one
_WORST = 1e7  # condition of a block that is made the identity
_NOTHING = 1e-9  # of the largest entry of all, below which a scale makes none one
_GROWN = 1e4  # times the largest entry of all, and one, beyond which no step leads
_EFFORT = 10_000  # values of fields, for all flows that are integrated
_SMALL = 20_000  # parameters, up to which Newton steps are worth their time


def pin(walk: Walk, holds: Callable[[State], bool] = lambda state: True) -> None:
    """Move a checkpoint to where as many entries as possible are zero or one.

    Args:
        walk: the checkpoint that moves.
        holds: whether a checkpoint computes the function that this one does.
    """
    walk.ceiling, walk.effort = _GROWN * max(1.0, walk.largest()), _EFFORT
    pin_gains(walk)
    kept = together(walk, independent_translations(walk, whole_first=True))
    turning = walk.group.turning(walk.state)
    rotations = [n for n, s in turning.items() if _skew(s.family)]
    others = [n for n in turning if n not in rotations]
    pivots = Pivots()
    for k in range(_SWEEPS):
        walk.tell(f"pins: sweep {k + 1} of at most {_SWEEPS}")
        for names in kept:
            slide_to_pins(walk, names, pivots, first=k == 0)
        sizes = [_do(walk, name, triangle, pivots) for name in rotations]
        sizes += [slide_to_pins(walk, names, pivots, first=k == 0) for names in kept]
        sizes += [_do(walk, name, _block, pivots) for name in others]
        sizes += _scales(walk, pivots)
        if max(sizes, default=0.0) <= _STILL:
            break
    if sum(walk.state[n].numel() for n in walk.group.shapes) <= _SMALL:
        walk.tell("pins: what is left")
        complete(walk, _EXACT, holds)
    if walk.effort <= 0:
        walk.note("flows that bend were followed no further: more could perhaps be pinned")


def _skew(family: object) -> bool:
    assert isinstance(family, MatrixFamily)
    return bool(family.bond.skew)


def _do(
    walk: Walk,
    name: str,
    find: Callable[[Walk, str, MatrixFamily, Pivots], Tensor | None],
    pivots: Pivots,
) -> float:
    family = walk.group.sites[name].family
    assert isinstance(family, MatrixFamily)
    matrix = find(walk, name, family, pivots)
    if matrix is None:
        return 0.0
    size = float((matrix - torch.eye(matrix.shape[-1]).to(matrix)).abs().max())
    return size if size <= _SAME or walk.lead(Turn(name, matrix)) else 0.0


def _block(walk: Walk, name: str, family: MatrixFamily, pivots: Pivots) -> Tensor | None:
    """What makes a block of its members the identity, in every copy."""
    if family.bond.columns:
        return same_added(walk, name, family, pivots)
    if family.bond.ones:
        return None
    env = walk.group.environment(walk.state)
    for dual in (False, True):
        parts = [framed(env, family, m) for m in family.members if m.dual == dual]
        if not parts:
            continue
        f = torch.cat(parts, -1)
        if family.bond.pairs:
            found = _paired(family, f, f"{name}.{dual}", pivots)
        else:
            flat = f.reshape(-1, *f.shape[-2:])
            blocks = [_identity(x, f"{name}.{dual}.{k}", pivots) for k, x in enumerate(flat)]
            found = torch.stack(blocks).reshape(*f.shape[:-1], f.shape[-2])
        if found is not None and float(torch.linalg.cond(found).max()) < _WORST:
            return torch.linalg.inv(found).transpose(-1, -2) if dual else found
    return None


def _identity(f: Tensor, name: str, pivots: Pivots) -> Tensor:
    """The inverse of the columns that pivoting chooses from [n, rest], filled up to a basis."""
    for _ in range(2):
        at = pivots.columns(name, [f], len(f)).sort().values
        chosen = f[:, at]
        basis = torch.cat([chosen, torch.linalg.qr(chosen, mode="complete").Q[:, len(at) :]], 1)
        if float(torch.linalg.cond(basis)) < _WORST:
            break
        pivots.forget(name)
    return torch.linalg.inv(basis)


def _paired(family: MatrixFamily, f: Tensor, name: str, pivots: Pivots) -> Tensor | None:
    """For every pair the complex number that makes its largest entry one."""
    (pairs,) = family.bond.pairs
    if 2 * len(pairs) != family.axis.size:
        return None
    result = torch.zeros(*f.shape[:-1], family.axis.size, dtype=torch.float64)
    for i, j in pairs:
        z = torch.complex(f[..., i, :], f[..., j, :])
        at = pivots.kept(f"{name}.{i}", partial(torch.argmax, z.abs(), -1, keepdim=True))
        by = 1.0 / z.gather(-1, at).squeeze(-1)
        result[..., i, i], result[..., j, j] = by.real, by.real
        result[..., j, i], result[..., i, j] = by.imag, -by.imag
    return result


def _scales(walk: Walk, pivots: Pivots) -> list[float]:
    """The largest entry that each coefficient scales in one member to ±1."""
    gains, sizes = gain_wires(walk.group), []
    for name, family in _scaled(walk.group).items():
        if one_for_each(walk.group, walk.state, family, gains) is None:
            step = _largest(walk, name, family, pivots)
            if step is not None and not walk.lead(step):
                far = step.coefficients.abs() > math.log(_GROWN)
                step = Flow(name, torch.where(far, 0.0, step.coefficients))
                step = step if walk.lead(step) else None
            if step is not None:
                sizes.append(float(step.coefficients.abs().max()))
    return sizes


def _scaled(group: Group) -> dict[str, ScalingFamily]:
    """Scalings by site: of parameters, and all those of weights that these make up.

    Members of the latter that are parameters themselves are scaled by them as by any other.
    """
    found = {name: site.family for name, site in group.scales.items()}
    for name, site in group.lifted_scales.items():
        base = getattr(site.family, "base", None)
        if isinstance(base, ScalingFamily) and base.count() == site.family.count():
            found[name] = base
    return {name: f for name, f in found.items() if isinstance(f, ScalingFamily)}


def _largest(walk: Walk, name: str, family: ScalingFamily, pivots: Pivots) -> Flow | None:
    """By the first member that every coefficient scales, or by that which the most do.

    What translations have set to zero, but for rounding, is none.
    """
    least, best, found = _NOTHING * walk.largest(), 0, None
    env = walk.group.environment(walk.state)
    index = coefficient_of(env, family).reshape(-1)
    for k, m in enumerate(family.scaling.members):
        if m.source.offset is not None or m.source.origin is not None or m.source.chart is not None:
            continue  # a one on the wire would be none in the file
        block = env.take(m.source, m.cell, env.value(m.source)).abs()
        rest = [d for d in range(block.dim()) if d not in m.places]
        rows = block.permute([*m.places, *rest]).reshape(index.numel(), -1)
        for _ in range(2):
            at = pivots.kept(f"{name}.{k}", partial(_tops, rows, index, family.count()))
            size = rows.reshape(-1)[at]
            if bool((size * _WORST > rows.max()).all()):
                break
            pivots.forget(f"{name}.{k}")
        live = size > least
        if int(live.sum()) > best:
            best = int(live.sum())
            found = Flow(name, torch.where(live, -size.clamp_min(1e-300).log() / m.exponent, 0.0))
        if best == family.count():
            break
    return found


def _tops(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """Where the largest entry of all rows [number, rest] of each coefficient is."""
    found = []
    for c in range(count):
        own = (index == c).nonzero().squeeze(-1)
        at = int(rows[own].argmax())
        found.append(int(own[at // rows.shape[1]]) * rows.shape[1] + at % rows.shape[1])
    return torch.tensor(found)


def frozen_entries(
    group: Group, state: State, directions: Tensor
) -> tuple[dict[str, Tensor], int, float]:
    """As many entries as there are directions, which no direction leaves all alone.

    Entries that are zero or one come first, then the largest pivots.

    Args:
        group: of the model.
        state: the checkpoint.
        directions: all that are null there, [parameters, number], in the order of the group's.

    Returns:
        A mask for every parameter, how many of the chosen are zero or one, and the smallest
        singular value of the chosen rows of an orthonormal basis: how transverse they are.
    """
    values = torch.cat([state[n].reshape(-1) for n in group.shapes])
    basis = spanning(directions)
    pinned = at_zero_or_one(values, _EXACT)
    first = independent(basis, pinned.nonzero().squeeze(-1))
    chosen = [*first, *independent(basis, (~pinned).nonzero().squeeze(-1), first)]
    mask = torch.zeros(len(values), dtype=torch.bool)
    mask[torch.tensor(chosen, dtype=torch.long)] = True
    parts = mask.split([state[n].numel() for n in group.shapes])
    masks = {n: p.view(state[n].shape) for n, p in zip(group.shapes, parts, strict=True)}
    least = float(torch.linalg.svdvals(basis[mask])[-1]) if chosen else 1.0
    return masks, len(first), least


def left_unpinned(group: Group, state: State) -> dict[str, int]:
    """Of which sites directions are left that move no entry that is zero or one.

    Sites are added in turn, translations before scales before matrices; a direction counts with the
    site that completes it.
    """
    values = torch.cat([state[n].reshape(-1) for n in group.shapes])
    pinned = at_zero_or_one(values, _EXACT)
    rest = {n: s for n, s in group.sites.items() if n not in {**group.bonds, **group.found}}
    ordered = {**group.translations, **group.scales, **rest, **group.bonds}
    fields = torch.zeros(len(values), 0, dtype=torch.float64)
    found: dict[str, int] = {}
    before = 0
    for name, site in ordered.items():
        fields = torch.cat([fields, group.directions(state, [site.family])], 1)
        fields = spanning(fields)
        left = fields.shape[1] - len(independent(fields, pinned.nonzero().squeeze(-1)))
        if left > before:
            found[name] = left - before
        before = max(before, left)
    return found
