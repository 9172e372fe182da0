"""Rotations that make entries zero, and maps 1 + 1 κᵀ that make entries zero or one.

A rotation of n entries makes n − 1 columns triangular. One that fixes the all-ones vector cannot:
it keeps the mean of every column. But where a norm takes the mean away, what writes it may add the
same to all entries of a column, and modulo that there is a triangle: the images of e₁ … eₙ₋₁ span
the complement H of the ones, their Gram–Schmidt basis U there and that of the chosen columns V make
R = U Vᵀ + 11ᵀ/n, and column j of R F is in the span of e₁ … eⱼ and the ones. A translation then
makes its first entry zero, and with it all below the triangle.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from symfind.orbit.frames import Block, block_of, framed
from symfind.orbit.gauge import off_ones
from symfind.orbit.pivots import Pivots
from symfind.orbit.walk import Walk
from symfind.solve.bonds.matrices import Member
from symfind.solve.families.family import MatrixFamily
from symfind.solve.point.columns import beside

_FLAT = 1e-7  # determinant of 1 + 1 κᵀ, below which it is taken elsewhere
_SPANNED = 1e-8  # of a field, relative, that is left beside what spans it


def triangle(walk: Walk, name: str, family: MatrixFamily, pivots: Pivots) -> Tensor | None:
    """The rotation [*copies, n, n] that makes columns of members triangular; None without any."""
    parts = _alone_first(walk, family, family.members)
    if family.bond.pairs:
        return _turned_pairs(family, parts, name, pivots)
    return _each(parts, _centred if family.bond.ones else _turned, name, pivots)


def _alone_first(walk: Walk, family: MatrixFamily, members: Sequence[Member]) -> list[Tensor]:
    """Members as matrices [*copies, n, rest], by how many other matrix groups act on them."""
    acting: Counter[Block] = Counter()
    for site in walk.group.bonds.values():
        assert isinstance(site.family, MatrixFamily)
        for m in site.family.members:  # of most groups the first side is made the identity
            acting[block_of(m.source, m.cell)] += 1 if m.dual else 2
    env = walk.group.environment(walk.state)
    tiers: dict[int, list[Tensor]] = {}
    for m in members:
        tier = acting[block_of(m.source, m.cell)]
        tiers.setdefault(tier, []).append(framed(env, family, m))
    return [torch.cat(tiers[k], -1) for k in sorted(tiers)]


def _each(parts: Sequence[Tensor], one: Callable[..., Tensor], name: str, pivots: Pivots) -> Tensor:
    flat = [f.reshape(-1, *f.shape[-2:]) for f in parts]
    copies = zip(*flat, strict=True)
    turns = [one(sheets, f"{name}.{k}", pivots) for k, sheets in enumerate(copies)]
    n = parts[0].shape[-2]
    return torch.stack(turns).reshape(*parts[0].shape[:-2], n, n)


def _turned(parts: Sequence[Tensor], name: str, pivots: Pivots) -> Tensor:
    """The rotation or reflection that makes chosen columns of [n, m] upper triangular."""
    f = torch.cat(list(parts), -1)
    chosen = pivots.columns(name, parts, len(f) - 1)
    q, r = torch.linalg.qr(f[:, chosen], mode="complete")
    return _upwards(q, r).T


def _upwards(q: Tensor, r: Tensor) -> Tensor:
    """With signs for which the diagonal of the triangle is positive."""
    k = min(r.shape[1], len(q) - 1)
    sign = torch.ones(len(q), dtype=torch.float64)
    sign[:k] = torch.where(torch.diagonal(r)[:k] < 0, -1.0, 1.0)
    return q * sign


def _centred(parts: Sequence[Tensor], name: str, pivots: Pivots) -> Tensor:
    """The same of one that fixes the all-ones vector, modulo the same in all entries."""
    n = len(parts[0])
    h = off_ones(n)
    within = [h.T @ f for f in parts]
    chosen = pivots.columns(name, within, n - 2)
    u, _ = torch.linalg.qr(h.T[:, 1:])
    q, r = torch.linalg.qr(torch.cat(within, -1)[:, chosen], mode="complete")
    return h @ u @ _upwards(q, r).T @ h.T + torch.ones(n, n).double() / n


def _turned_pairs(
    family: MatrixFamily, parts: Sequence[Tensor], name: str, pivots: Pivots
) -> Tensor:
    """For every pair the turn that makes the second of its largest entries zero."""
    (pairs,) = family.bond.pairs
    n, f = family.axis.size, torch.cat(list(parts), -1)
    result = torch.zeros(*f.shape[:-1], n, dtype=torch.float64)
    for i, j in pairs:
        z = torch.complex(f[..., i, :], f[..., j, :])
        at = pivots.kept(f"{name}.{i}", partial(torch.argmax, z.abs(), -1, keepdim=True))
        top = z.gather(-1, at).squeeze(-1)
        by = top.conj() / top.abs().clamp_min(1e-300)
        by = torch.where(top.abs() > 0, by, torch.ones_like(by))
        result[..., i, i], result[..., j, j] = by.real, by.real
        result[..., j, i], result[..., i, j] = by.imag, -by.imag
    used = {a for pair in pairs for a in pair}
    rest = torch.tensor([a for a in range(n) if a not in used], dtype=torch.long)
    if len(rest):
        result[..., rest[:, None], rest] = _each(
            [x[..., rest, :] for x in parts], _turned, name, pivots
        )
    return result


def same_added(walk: Walk, name: str, family: MatrixFamily, pivots: Pivots) -> Tensor | None:
    """The 1 + 1 κᵀ that makes the first entries of columns zero, of n columns but for one.

    All of n cannot be zero: e₁ᵀ(1 + 1 κᵀ) = (e₁ + κ)ᵀ would be, and 1 + 1 κᵀ singular; so one is
    ±1. The columns are those that a rotation beside it makes triangular, and two more. Where what
    writes has none, a row of what reads becomes zero but for one entry.
    """
    n = family.axis.size
    eye, ones = torch.eye(n, dtype=torch.float64), torch.ones(n, dtype=torch.float64)
    writing = [m for m in family.members if not m.dual and not _added(walk, m)]
    parts = _alone_first(walk, family, writing)
    if not parts or parts[0].dim() != 2:
        reading = _alone_first(walk, family, [m for m in family.members if m.dual])
        return _read_row(reading[0].T, name, pivots) if reading else None
    f = torch.cat(parts, -1)
    inner = pivots.columns(name, [off_ones(n).T @ x for x in parts], n - 2)
    q = torch.linalg.qr(f[:, inner]).Q
    more = pivots.columns(f"{name}.more", [x - q @ (q.T @ x) for x in parts], n - len(inner))
    chosen = f[:, torch.cat([inner, more])]
    basis, r = torch.linalg.qr(chosen)
    if float(torch.linalg.cond(r)) > 1.0 / _FLAT:
        return None
    row = eye[0] - basis @ basis[0]  # e₁ + κ, at right angles to the columns
    if chosen.shape[1] == n:
        sizes = torch.linalg.solve(chosen, ones)  # det(1 + 1 κᵀ), by where the one is
        at = pivots.kept(f"{name}.one", lambda: n - 2 + sizes[-2:].abs().argmax())
        row = torch.linalg.solve(chosen.T, eye[at] * sizes[at].sign())
    if abs(float(row.sum())) < _FLAT:
        return None
    return eye + torch.outer(ones, row - eye[0])


def _added(walk: Walk, member: Member) -> bool:
    """Whether translations add the same to all entries of a column anyhow."""
    env = walk.group.environment(walk.state)
    block = env.take(member.source, member.cell, env.value(member.source))
    drawn = torch.randn(block.shape, generator=torch.Generator().manual_seed(0)).double()
    field = drawn.select(member.atom, 0).unsqueeze(member.atom).expand(block.shape)
    name = member.source.key
    families = [s.family for s in walk.group.translations.values() if name in s.family.names]
    moves = {member.source: env.put(member.source, member.cell, field)}
    named = walk.group.changes(walk.state, moves)
    return beside(walk.group.point(walk.state), families, named) <= _SPANNED


def _read_row(w: Tensor, name: str, pivots: Pivots) -> Tensor | None:
    """The same for a row of what reads, [m, n]: w (1 + 1 κᵀ)⁻¹ = w − (w·1) κᵀ / (1 + κᵀ1)."""
    sums = w.sum(-1)
    row = pivots.kept(f"{name}.row", lambda: sums.abs().argmax())
    size = float(sums[row].abs())
    if size <= _FLAT:
        return None
    at = pivots.kept(f"{name}.at", lambda: w[row].abs().argmax())
    n = w.shape[1]
    wanted = torch.zeros(n, dtype=torch.float64)
    wanted[at] = sums[row].sign()
    kappa = size * (w[row] - wanted) / sums[row]
    return torch.eye(n, dtype=torch.float64) + torch.outer(torch.ones_like(wanted), kappa)
