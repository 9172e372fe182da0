"""The kernel of what a stretch tells, at a point, and which parameters it takes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.numerics.decompose import svd
from symfind.numerics.tolerances import ABSENT, EXACT, PART
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family
from symfind.solve.point.values import Environment
from symfind.solve.stretches.cut import Stretch
from symfind.solve.stretches.told import most, slope
from symfind.trace.graph import Op

_FAINT = 1e-9  # singular values, relative, that are neither there nor absent
_NOISE = 1e-11  # the same, where it is known that none is faint
_DRAWS = 10  # doublings of how many inputs are looked at


def entries(roots: Sequence[Op]) -> int:
    """Of some parameters, or results."""
    return sum(math.prod(r.shape or ()) for r in roots)


@dataclass(frozen=True)
class Untold:
    """Changes of some parameters of a stretch that it does not tell.

    Attributes:
        stretch: what tells.
        roots: the parameters.
        draws: of data: as many as it takes to see all.
    """

    stretch: Stretch
    roots: tuple[Op, ...]
    draws: int = 1

    def numbers(self) -> int:
        """How many there are in all results, for as many sums of what leaves as are taken."""
        return entries(self.stretch.ops) * most(entries(self.roots))

    def settled(self, env: Environment) -> tuple[Tensor, int]:
        """A basis at a point, [entries, number], and how many draws it took.

        What no draw tells, and not as many again, nothing tells, with probability one. The basis
        is empty where it is not clear what is told.
        """
        rng, s, draws = torch.Generator().manual_seed(0), torch.zeros(0), 1
        rows = slope(self.stretch, env, self.roots, rng)
        _, s, vh = svd(rows, full=True)
        for _ in range(_DRAWS):
            more = (slope(self.stretch, env, self.roots, rng) for _ in range(draws))
            rows, draws, before = torch.cat([s[:, None] * vh[: len(s)], *more]), 2 * draws, _rank(s)
            _, s, vh = svd(rows, full=True)
            if _rank(s) == before:
                clear = not bool(((s > EXACT * s[:1]) & (s < _FAINT * s[:1])).any())
                return vh[_rank(s) if clear else len(vh) :].T, draws
        return vh[len(vh) :].T, draws

    def times(self, env: Environment) -> Tensor:
        """Which parameters are multiplied by which, themselves included: truths, [roots, roots]."""
        before = self._each(env)
        found = torch.zeros(len(before), len(before), dtype=torch.bool)
        for i, root in enumerate(self.roots):
            rng = torch.Generator().manual_seed(2 + i)
            other = torch.randn(root.shape or (), generator=rng, dtype=torch.float64)
            after = self._each(Environment({**env.theta, root.key: other.to(**env.like)}))
            for k, (one, two) in enumerate(zip(before, after, strict=True)):
                found[i, k] = float((one - two).abs().max()) > EXACT * float(one.abs().max())
        return found | found.T

    def _each(self, env: Environment) -> tuple[Tensor, ...]:
        rng = torch.Generator().manual_seed(0)
        rows = slope(self.stretch, env, self.roots, rng, even=False)
        return rows.split([math.prod(r.shape or ()) for r in self.roots], 1)

    def directions(self, env: Environment, count: int) -> Tensor:
        """So many of them, [entries, count], that depend smoothly on the point."""
        rng = torch.Generator().manual_seed(0)
        rows = torch.cat([slope(self.stretch, env, self.roots, rng) for _ in range(self.draws)])
        _, s, vh = svd(rows)
        vh = vh * (s > _NOISE * s[:1])[:, None]
        some = torch.randn(vh.shape[1], count, generator=torch.Generator().manual_seed(1),
                           dtype=torch.float64).to(vh)  # fmt: skip
        return some - vh.T @ (vh @ some)


def _rank(s: Tensor) -> int:
    return int((s > _NOISE * s[:1]).sum())


class Beside:
    """What of changes is not among those that families make at a point."""

    def __init__(self, point: Point, families: Sequence[Family], keys: Sequence[str]) -> None:
        """Take the names of parameters in order; families may move others as well."""
        moved = dict.fromkeys(n for f in families for n in f.names)
        self._names = [*keys, *(n for n in moved if n not in keys)]
        self._entries = sum(point.theta[n].numel() for n in self._names)
        columns = [self._columns(point, f) for f in families]
        self._span = _basis(torch.cat([torch.zeros(self._entries, 0).double(), *columns], 1))

    def _columns(self, point: Point, family: Family) -> Tensor:
        env = point.environment()
        basis = torch.eye(family.count(), **env.like)
        each = torch.func.vmap(lambda c: point.direction(family, c, env), randomness="same")
        moved = each(basis)
        return torch.cat([
            moved[n].reshape(len(basis), -1) if n in moved
            else basis.new_zeros(len(basis), point.theta[n].numel()) for n in self._names
        ], 1).T  # fmt: skip

    def __call__(self, changes: Tensor) -> Tensor:
        """What is left of columns of changes of the first parameters, of all."""
        whole = changes.new_zeros(self._entries, changes.shape[1])
        whole[: len(changes)] = changes
        return whole - self._span @ (self._span.T @ whole)

    def add(self, changes: Tensor) -> None:
        """To what is known."""
        self._span = torch.cat([self._span, _basis(self(changes))], 1)

    def new(self, changes: Tensor) -> int:
        """How many of orthonormal changes are independent of what is known."""
        left = self(changes)
        return int((torch.linalg.svdvals(left) > PART).sum()) if left.numel() else 0


def _basis(columns: Tensor) -> Tensor:
    columns = columns[:, torch.isfinite(columns).all(0)]
    columns = columns / columns.norm(dim=0).clamp(min=1e-300)
    if not columns.numel():
        return columns
    u, s, _ = svd(columns)
    return u[:, s > ABSENT * s[0]]


def chosen(
    roots: Sequence[Op], null: Tensor, times: Tensor, beside: Beside
) -> Iterator[tuple[tuple[Op, ...], int]]:
    """Parameters that may be translated together by what is new, and by how much.

    What is told is affine in parameters that are not multiplied by each other: what changes of
    these are not told does not depend on them, and a group of translations acts.

    Args:
        roots: all parameters, in the order of the rows.
        null: orthonormal changes that nothing tells.
        times: which parameters are multiplied by which.
        beside: what is known, to which what is given is added.
    """
    single = [{i} for i in range(len(roots)) if not times[i, i]]
    for some in (*single, *(_apart(i, single, times) for (i,) in single)):
        alone = _on({roots[i] for i in some}, roots, null)
        new = beside.new(alone)
        if not new:
            continue
        for i in sorted(some, key=lambda i: -math.prod(roots[i].shape or ())):
            fewer = _on({roots[k] for k in some if k != i}, roots, null)
            if len(some) > 1 and beside.new(fewer) == new:
                some, alone = some - {i}, fewer
        beside.add(alone)
        yield tuple(roots[i] for i in sorted(some)), new


def _apart(first: int, single: Sequence[set[int]], times: Tensor) -> set[int]:
    """Parameters, one of them given, of which none is multiplied by another."""
    found = {first}
    for (i,) in single:
        if not any(bool(times[i, k]) for k in found):
            found.add(i)
    return found


def _on(some: set[Op], roots: Sequence[Op], null: Tensor) -> Tensor:
    """Those of the changes that move no others."""
    parts = null.split([math.prod(r.shape or ()) for r in roots])
    rest = [part for r, part in zip(roots, parts, strict=True) if r not in some]
    if not rest or not null.shape[1]:
        return null
    _, s, vh = svd(torch.cat(rest), full=True)
    return null @ vh[int((s > ABSENT).sum()) :].T
