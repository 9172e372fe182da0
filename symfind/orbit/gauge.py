"""A common gauge: gains pinned to one, bonds and scales balanced, translations centred.

Balance is the minimum of the norm on an orbit: by Kempf and Ness (1979) it is reached at one orbit
of the compact part, where all moment maps (the laws of gradient flow) vanish. A gain is pinned
first: a rotation behind it is conjugate by it, and with it the norm is not convex along the orbit.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from symfind.discrete.signs import SignFlip
from symfind.orbit.checkpoint import distance
from symfind.orbit.frames import coefficient_of, gathered, gram, scaled_squares
from symfind.orbit.given import commuting
from symfind.orbit.group import Group, Site, State
from symfind.orbit.leastsquares import bending, nearest
from symfind.orbit.steps import Flip, Flow, Turn
from symfind.orbit.walk import Walk
from symfind.solve.families.family import MatrixFamily, NullFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.columns import beside
from symfind.solve.point.family import Family

_SWEEPS = 400
_STILL = 1e-12  # of all weights, by which a sweep moves them when it does no more; steps may cancel
_WATCHED = 15  # sweeps, of which it is seen how fast what they move shrinks
_NEAR = 1e-6  # of all weights, that is moved after all sweeps at that pace: not worth their time
_SAME = 1e-15  # of logarithms, and of a matrix that is the identity
_SPANNED = 1e-8  # of a field, that is left beside what spans it
_SINGULAR = 1e-11  # of the largest eigenvalue: a bond that is not filled
_NEWTON = 60
_SHOWN = 8  # units that a note names


def common_gauge(walk: Walk, sweeps: int = _SWEEPS) -> None:
    """Gains and translations pinned, bonds and scales balanced, until nothing moves any more.

    Translations are pinned where they begin (a value bias is moved into the bias behind it), which
    is solved in one pass; the least norm of all would couple them to the bonds.
    """
    _settle(walk, sweeps, seeds_only=True)


def least_norm(walk: Walk, sweeps: int = _SWEEPS) -> None:
    """To the least norm: gains pinned, bonds and scales balanced, translations centred."""
    _settle(walk, sweeps, seeds_only=False)


def _settle(walk: Walk, sweeps: int, seeds_only: bool) -> None:
    pin_gains(walk)
    kept, bent = independent_translations(walk), _with_field(walk, walk.group.lifted_scales)
    moved: list[float] = []
    for _ in range(sweeps):
        before = dict(walk.state)
        for name in kept:
            slide_one(walk, name, seeds_only=seeds_only)
        balance_scales(walk)
        for name in bent:
            slide_one(walk, name, seeds_only=False)
        balance_bonds(walk)
        moved.append(distance(before, walk.state, list(walk.group.shapes)))
        if moved[-1] <= _STILL or _stuck(moved, sweeps):
            break
    walk.unrest = moved[-1] if moved and moved[-1] > _STILL else 0.0


def _stuck(moved: list[float], sweeps: int) -> bool:
    """Whether what sweeps move shrinks so slowly that all of them would not bring rest."""
    if len(moved) < 2 * _WATCHED:
        return False
    pace = (moved[-1] / moved[-1 - _WATCHED]) ** (1 / _WATCHED)
    return moved[-1] * pace ** (sweeps - len(moved)) > _NEAR


def pin_gains(walk: Walk) -> None:
    """Gains between a rotation and a linear map to one: their sizes, and where free their signs."""
    gains = gain_wires(walk.group)
    turning = walk.group.turning(walk.state)
    for name in walk.group.bonds:
        if name not in turning:
            walk.note(f"{name}: held where it is: a gain that it divides by is zero")
    for name, site in walk.group.scales.items():
        logs = _gain_logs(walk, name, site.family, gains)
        if logs is not None:
            walk.do(Flow(name, logs))
    for name, flip in walk.group.signs.items():
        bits = _gain_signs(walk, flip, gains)
        if bits is not None and bool(bits.any()):
            walk.do(Flip(name, bits))


def gain_wires(group: Group) -> set[int]:
    """Wires of which the gains are made that stand between a matrix group and what it acts on."""
    found: set[int] = set()
    for site in group.bonds.values():
        assert isinstance(site.family, MatrixFamily)
        found |= site.family.gains()
    return found


def _gain_logs(walk: Walk, name: str, family: object, gains: set[int]) -> Tensor | None:
    assert isinstance(family, ScalingFamily)
    value = one_for_each(walk.group, walk.state, family, gains)
    if value is None:
        return None
    exponent, entries = value
    live = entries.abs() > 0
    note_dead(walk, name, ~live, "its gain is zero")
    return torch.where(live, -entries.abs().clamp_min(1e-300).log() / exponent, 0.0)


def _gain_signs(walk: Walk, flip: SignFlip, gains: set[int]) -> Tensor | None:
    value = one_for_each(walk.group, walk.state, flip, gains)
    return None if value is None else (value[1] < 0).double()


def note_dead(walk: Walk, name: str, dead: Tensor, why: str) -> None:
    """Say which units [count] no form is chosen for."""
    which = dead.nonzero().squeeze(-1).tolist()
    if which:
        units = "unit" if len(which) == 1 else "units"
        shown = ", ".join(map(str, which[:_SHOWN])) + (", …" if len(which) > _SHOWN else "")
        walk.note(f"{name}: dead {units} {shown}, left as found: {why}")


def one_for_each(
    group: Group, state: State, family: ScalingFamily, gains: set[int]
) -> tuple[float, Tensor] | None:
    """A gain among the members that has one entry for every coefficient: exponent, entries."""
    env = group.environment(state)
    index = coefficient_of(env, family)
    for m in family.scaling.members:
        if id(m.source) in gains and index.numel() == family.count():
            block = env.take(m.source, m.cell, env.value(m.source))
            if block.numel() == family.count():
                return m.exponent, gathered(family, m.places, block, index)
    return None


def balance_scales(walk: Walk) -> None:
    """Every free scale to where the norm is least: a convex function of its logarithm.

    What can only grow or only shrink is given the size of a drawn matrix: the square of its norm
    is the root of the number of its entries.
    """
    gains = gain_wires(walk.group)
    for name, site in walk.group.scales.items():
        family = site.family
        assert isinstance(family, ScalingFamily)
        if one_for_each(walk.group, walk.state, family, gains) is not None:
            continue
        terms = list(scaled_squares(walk.group.environment(walk.state), family))
        logs, dead = _least(terms, _entries(family))
        note_dead(walk, name, dead, "zero on one side")
        if float(logs.abs().max()) > _SAME:
            walk.do(Flow(name, logs))


def _entries(family: ScalingFamily) -> float:
    """How many entries one coefficient scales."""
    total = 0
    for m in family.scaling.members:
        total += math.prod(a.size for a in m.source.cells[m.cell].atoms)
    return total / max(family.count(), 1)


def _least(terms: list[tuple[float, Tensor]], entries: float) -> tuple[Tensor, Tensor]:
    """The minimum of Σ N exp(2 e t) in t, for every coefficient; zero where all is zero.

    Also for which there is none, as one side is zero: there t is zero.
    """
    t = torch.zeros_like(terms[0][1])
    up = sum((n for e, n in terms if e > 0), torch.zeros_like(t))
    down = sum((n for e, n in terms if e < 0), torch.zeros_like(t))
    live = (up > 0) & (down > 0)
    dead = (up > 0) ^ (down > 0)
    for _ in range(_NEWTON):
        first, second = torch.zeros_like(t), torch.zeros_like(t)
        for e, n in terms:
            grown = n * torch.exp(2 * e * t)
            first, second = first + e * grown, second + 2 * e * e * grown
        step = (first / second.clamp_min(1e-300)).clamp(-1.0, 1.0)
        t = torch.where(live, t - step, 0.0)
        if float(step[live].abs().max() if live.any() else 0.0) < 1e-15:
            break
    rates = {e for e, n in terms if bool((n > 0).any())}
    if len(rates) == 1:  # one-sided: there is no least norm
        (e,) = rates
        total = up + down
        t = torch.where(total > 0, (entries**0.5 / total.clamp_min(1e-300)).log() / (2 * e), 0.0)
        dead = torch.zeros_like(dead)
    return t, dead


def balance_bonds(walk: Walk) -> None:
    """Every gl(n) to where the norm is least: GᵀG is a geometric mean of the two Grams."""
    for name, site in walk.group.turning(walk.state).items():
        family = site.family
        assert isinstance(family, MatrixFamily)
        if family.bond.skew:
            continue
        env = walk.group.environment(walk.state)
        one, two = gram(env, family, False), gram(env, family, True)
        if one is None or two is None:
            walk.note(f"{name}: acts on one side only, which has no least norm")
            continue
        matrix = _balancing(family, one, two)
        if matrix is None:
            walk.note(f"{name}: a bond of less than full rank, which has no least norm")
        elif float((matrix - torch.eye(matrix.shape[-1]).to(matrix)).abs().max()) > _SAME:
            walk.do(Turn(name, matrix))


def _balancing(family: MatrixFamily, one: Tensor, two: Tensor) -> Tensor | None:
    """The symmetric positive element of the group that makes both Grams equal."""
    if family.bond.pairs:
        one, two = commuting(family, one), commuting(family, two)
    q: Tensor | None = None
    if family.bond.ones:
        q = off_ones(one.shape[-1]).to(one)
        one, two = q.T @ one @ q, q.T @ two @ q
    support = _support(one + two)
    if support is not None:
        one, two = (support.T @ x @ support for x in (one, two))
    for x in (one, two) if one.shape[-1] else ():  # else nothing is left to be balanced
        values = torch.linalg.eigvalsh(x)
        if bool((values[..., 0] <= _SINGULAR * values[..., -1]).any()):
            return None
    root, back = _power(one, 0.5), _power(one, -0.5)
    g = _power(back @ _power(root @ two @ root, 0.5) @ back, 0.5)
    for basis in (support, q):
        if basis is not None:
            g = basis @ g @ basis.T + torch.eye(len(basis)).to(g) - basis @ basis.T
    return g


def _support(s: Tensor) -> Tensor | None:
    """Columns that span what a bond carries, None where that is all of it."""
    if s.dim() > 2:
        return None
    values, vectors = torch.linalg.eigh(s)
    live = values > _SINGULAR * values[-1]
    return None if bool(live.all()) else vectors[:, live]


def off_ones(n: int) -> Tensor:
    """Orthonormal columns orthogonal to the all-ones vector: [n, n − 1]."""
    full = torch.eye(n, dtype=torch.float64)
    full[:, 0] = 1.0
    return torch.linalg.qr(full).Q[:, 1:]


def _power(s: Tensor, exponent: float) -> Tensor:
    """Of symmetric positive matrices."""
    values, vectors = torch.linalg.eigh((s + s.transpose(-1, -2)) / 2)
    scaled = vectors * values.clamp_min(0).pow(exponent).unsqueeze(-2)
    return scaled @ vectors.transpose(-1, -2)


def independent_translations(walk: Walk, whole_first: bool = False) -> list[str]:
    """Families of translations that those before them do not contain.

    Args:
        walk: the checkpoint.
        whole_first: those that can set all of a tensor to zero come before those that cannot: a
            bias before a table of positions that takes it up.

    One that divides by what is zero at this checkpoint has no field there, and is left out.
    """
    rng = torch.Generator().manual_seed(0)
    kept: list[str] = []
    sites = walk.group.translations
    names = sorted(sites, key=lambda n: not whole(walk, sites[n].family)) if whole_first else sites
    for name in names:
        site = sites[name]
        field = _field(walk, site, rng)
        if field is None:
            continue
        others = [
            walk.group.sites[k].family
            for k in kept
            if set(walk.group.sites[k].family.names) & set(field)
        ]
        if beside(walk.group.point(walk.state), others, field) > _SPANNED:
            kept.append(name)
    return kept


def _with_field(walk: Walk, sites: Mapping[str, Site]) -> list[str]:
    """Those that do not divide by what is zero at this checkpoint."""
    rng = torch.Generator().manual_seed(0)
    return [name for name, site in sites.items() if _field(walk, site, rng) is not None]


def _field(walk: Walk, site: Site, rng: torch.Generator) -> dict[str, Tensor] | None:
    """The field of a random element; None where it has no value."""
    c = torch.randn(site.family.count(), generator=rng, dtype=torch.float64)
    field = walk.group.direction(site.family, walk.state, c)
    finite = all(bool(torch.isfinite(d).all()) for d in field.values())
    return field if finite else None


def slide_one(walk: Walk, name: str, seeds_only: bool, merged: bool = False) -> float:
    """Along one family of translations to its pin, or to the least norm; how far, relatively.

    Args:
        walk: the checkpoint that moves.
        name: of the site.
        seeds_only: to where the translation begins with zero; to the least norm of all without.
        merged: one of two parallel paths becomes zero, too.
    """
    family = walk.group.sites[name].family
    seeds = seeds_of(family, merged) if seeds_only else None
    before = walk.state
    c = nearest(walk.group, family, before, None, seeds)
    if c is None:
        return 0.0
    bent = getattr(family, "loose", False) and family.kind != "reach"
    c = bending(walk.group, family, before) if bent else c
    if c is None:
        return 0.0
    moved = Flow(name, c)(walk.group, before)
    while seeds is None and _squares(moved) > _squares({n: before[n] for n in moved}):
        if float(c.norm()) < 1e-12:
            return 0.0
        c = c / 2
        moved = Flow(name, c)(walk.group, before)
    step = Flow(name, c)
    gap = sum(float((v - before[n]).square().sum()) for n, v in moved.items()) ** 0.5
    size = sum(float(before[n].square().sum()) for n in moved) ** 0.5
    walk.state = {**before, **moved}
    walk.steps.append(step)
    return gap / (size or 1.0)


def whole(walk: Walk, family: Family) -> bool:
    """Whether all of the tensor where a translation begins can be set to zero."""
    seeds = seeds_of(family, merged=True)
    return seeds is not None and all(walk.state[n].numel() == family.count() for n in seeds)


def _squares(tensors: dict[str, Tensor]) -> float:
    return sum(float(v.square().sum()) for v in tensors.values())


def seeds_of(family: Family, merged: bool = False) -> set[str] | None:
    """Where a translation begins: what is set to zero; None for all that it moves."""
    if merged and isinstance(family, NullFamily) and family.kind == "parallel":
        return {family.sources[0].key}
    if isinstance(family, ShiftFamily) and not family.loose:
        return {family.seed.key}
    if family.kind == "reach":
        return {family.sources[0].key}
    return None
