"""Entries pinned to zero or one: as many as the group has dimensions at a checkpoint.

A rotation makes a member triangular, a gl(n) makes a block of one the identity, a scale makes the
largest entry of a row ±1, a translation is set to zero where it begins. Blocks are chosen by
pivoting, so that no small number is divided by.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from symfind.orbit.frames import coefficient_of, framed
from symfind.orbit.gauge import (
    gain_wires,
    independent_translations,
    one_for_each,
    pin_gains,
    seeds_of,
    slide_one,
    whole,
)
from symfind.orbit.group import Group, State
from symfind.orbit.steps import Flow, Turn
from symfind.orbit.walk import Walk
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family

_SWEEPS = 6
_STILL = 1e-12
_EXACT = 1e-9  # of zero or one
_WORST = 1e7  # condition of a block that is made the identity
_DENSE = 4_000_000  # entries of the field of a translation
_INDEPENDENT = 1e-7  # pivot, relative, below which rows depend on those before


def pin(walk: Walk) -> None:
    """Move a checkpoint to where as many entries as possible are zero or one."""
    pin_gains(walk)
    kept = independent_translations(walk, whole_first=True)
    rotations = [n for n, s in walk.group.bonds.items() if _skew(s.family)]
    others = [n for n in walk.group.bonds if n not in rotations]
    for _ in range(_SWEEPS):
        sizes = [_slide(walk, name) for name in kept]
        sizes += [_do(walk, name, _rotation) for name in rotations]
        sizes += [_do(walk, name, _block) for name in others]
        sizes += _scales(walk)
        if max(sizes, default=0.0) <= _STILL:
            return


def _slide(walk: Walk, name: str) -> float:
    """To zero where a translation begins: all of it, or as many entries as it has coefficients."""
    family = walk.group.sites[name].family
    step = None if whole(walk, family) else _rows(walk, name, family)
    if step is None:
        return slide_one(walk, name, seeds_only=True, merged=True)
    size = float(step.coefficients.abs().max())
    if size > _STILL:
        walk.do(step)
    return size


def _rows(walk: Walk, name: str, family: Family) -> Flow | None:
    """What makes entries zero that pivoting chooses; None where that is no translation."""
    n, seeds = family.count(), seeds_of(family, merged=True)
    moves = sum(walk.state[k].numel() for k in seeds or ())
    if seeds is None or getattr(family, "loose", False) or n * moves > _DENSE:
        return None
    columns = [walk.group.direction(family, walk.state, c) for c in torch.eye(n).double()]
    field = torch.stack([torch.cat([d[k].reshape(-1) for k in seeds]) for d in columns], 1)
    r, order = _pivoted(field.T)
    pivots = np.abs(np.diag(r))
    if len(pivots) < n or pivots[-1] <= _INDEPENDENT * max(pivots[0], 1e-300):
        return None
    rows = torch.as_tensor(order[:n])
    values = torch.cat([walk.state[k].reshape(-1) for k in seeds])[rows]
    return Flow(name, -torch.linalg.solve(field[rows], values))


def _skew(family: object) -> bool:
    assert isinstance(family, MatrixFamily)
    return bool(family.bond.skew)


def _do(walk: Walk, name: str, find: Callable[[Walk, MatrixFamily], Tensor | None]) -> float:
    family = walk.group.sites[name].family
    assert isinstance(family, MatrixFamily)
    matrix = find(walk, family)
    if matrix is None:
        walk.note(f"{name}: held where it is")
        return 0.0
    size = float((matrix - torch.eye(matrix.shape[-1]).to(matrix)).abs().max())
    if size > 1e-15:
        walk.do(Turn(name, matrix))
    return size


def _rotation(walk: Walk, family: MatrixFamily) -> Tensor | None:
    """Of the first member that is wide enough, a triangle of zeros."""
    if family.bond.ones or family.bond.pairs or family.indexed:
        return None
    env = walk.group.environment(walk.state)
    for member in family.members:
        f = framed(env, family, member)
        n = f.shape[-2]
        if f.shape[-1] >= n - 1:
            _, order = _pivoted(f)
            chosen = torch.as_tensor(np.sort(order[: max(n - 1, 1)]))
            q, r = torch.linalg.qr(f[:, chosen], mode="complete")
            sign = torch.ones(n, dtype=torch.float64)
            sign[: n - 1] = torch.where(torch.diagonal(r)[: n - 1] < 0, -1.0, 1.0)
            return (q * sign).T
    return None


def _block(walk: Walk, family: MatrixFamily) -> Tensor | None:
    """What makes a block of its members the identity, in every copy."""
    if family.bond.ones:
        return None
    env = walk.group.environment(walk.state)
    best: tuple[float, Tensor] | None = None
    for dual in (False, True):
        parts = [framed(env, family, m) for m in family.members if m.dual == dual]
        if not parts or (dual and best is not None):
            continue
        f = torch.cat(parts, -1)
        if family.bond.pairs:
            found = _paired(family, f)
        else:
            sheets = f.reshape(-1, *f.shape[-2:])
            found = torch.stack([_identity(s) for s in sheets]).reshape(*f.shape[:-1], f.shape[-2])
        condition = _WORST if found is None else float(torch.linalg.cond(found).max())
        if found is not None and condition < _WORST:
            best = condition, torch.linalg.inv(found).transpose(-1, -2) if dual else found
    return None if best is None else best[1]


def _pivoted(matrix: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The triangle of a QR factorisation, and the order of the columns that pivoting gives."""
    from scipy.linalg import qr  # which takes longer to load than all else here

    _, r, order = qr(matrix.numpy(), mode="economic", pivoting=True)
    return r, order


def _identity(f: Tensor) -> Tensor:
    """The inverse of the columns that pivoting chooses from [n, rest], filled up to a basis."""
    r, order = _pivoted(f)
    pivots = np.abs(np.diag(r))
    rank = int((pivots > _INDEPENDENT * max(pivots[0], 1e-300)).sum())
    chosen = f[:, torch.as_tensor(np.sort(order[:rank]))]
    rest = torch.linalg.qr(chosen, mode="complete").Q[:, rank:]
    return torch.linalg.inv(torch.cat([chosen, rest], 1))


def _paired(family: MatrixFamily, f: Tensor) -> Tensor | None:
    """For every pair the complex number that makes its largest entry one."""
    (pairs,) = family.bond.pairs
    if 2 * len(pairs) != family.axis.size:
        return None
    result = torch.zeros(*f.shape[:-1], family.axis.size, dtype=torch.float64)
    for i, j in pairs:
        z = torch.complex(f[..., i, :], f[..., j, :])
        at = z.abs().argmax(-1, keepdim=True)
        by = 1.0 / z.gather(-1, at).squeeze(-1)
        result[..., i, i], result[..., j, j] = by.real, by.real
        result[..., j, i], result[..., i, j] = by.imag, -by.imag
    return result


def _scales(walk: Walk) -> list[float]:
    """The largest entry that each coefficient scales in one member to ±1."""
    gains, sizes = gain_wires(walk.group), []
    for name, site in walk.group.scales.items():
        family = site.family
        assert isinstance(family, ScalingFamily)
        if one_for_each(walk.group, walk.state, family, gains) is None:
            step = _largest(walk, name, family)
            if step is not None:
                sizes.append(float(step.coefficients.abs().max()))
                walk.do(step)
    return sizes


def _largest(walk: Walk, name: str, family: ScalingFamily) -> Flow | None:
    env = walk.group.environment(walk.state)
    index = coefficient_of(env, family)
    for m in family.scaling.members:
        if m.source.offset is not None or m.source.origin is not None:
            continue  # a one on the wire would be none in the file
        block = env.take(m.source, m.cell, env.value(m.source)).abs()
        rest = [d for d in range(block.dim()) if d not in m.places]
        top = block.permute([*m.places, *rest]).reshape(index.numel(), -1).amax(-1)
        size = torch.zeros(family.count(), dtype=torch.float64)
        size = size.scatter_reduce(0, index.reshape(-1), top, "amax")
        if bool((size > 0).all()):
            return Flow(name, -size.log() / m.exponent)
    return None


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
    # a field that divides by what is pinned to zero has no value here
    directions = directions[:, torch.isfinite(directions).all(0)]
    u, s, _ = torch.linalg.svd(directions / directions.norm(dim=0).clamp_min(1e-300),
                               full_matrices=False)  # fmt: skip
    basis = u[:, : int((s > 1e-8 * s[:1]).sum())]
    size = values.abs()
    pinned = (size < _EXACT) | ((size - 1).abs() < _EXACT)
    first = _independent(basis, pinned.nonzero().squeeze(-1))
    chosen = [*first, *_independent(basis, (~pinned).nonzero().squeeze(-1), first)]
    mask = torch.zeros(len(values), dtype=torch.bool)
    mask[torch.tensor(chosen, dtype=torch.long)] = True
    parts = mask.split([state[n].numel() for n in group.shapes])
    masks = {n: p.view(state[n].shape) for n, p in zip(group.shapes, parts, strict=True)}
    least = float(torch.linalg.svdvals(basis[mask])[-1]) if chosen else 1.0
    return masks, len(first), least


def _independent(basis: Tensor, rows: Tensor, before: list[int] | None = None) -> list[int]:
    """Rows that are independent, of each other and of those before, by pivoting."""
    if not len(rows) or not basis.shape[1]:
        return []
    part = basis[rows]
    if before:
        q = torch.linalg.qr(basis[torch.tensor(before)].T).Q
        part = part - part @ q @ q.T
    r, order = _pivoted(part.T)
    pivots = np.abs(np.diag(r))
    count = int((pivots > _INDEPENDENT).sum())
    count = min(count, basis.shape[1] - len(before or ()))
    return [int(rows[i]) for i in order[:count]]
