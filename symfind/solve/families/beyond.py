"""Solutions of linear equations between changes of parameters, and what they have beyond others."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.numerics.decompose import svd
from symfind.solve.families.family import MatrixFamily, NullFamily, ScalingFamily
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family
from symfind.solve.point.values import Environment

NOISE = 1e-9  # of the largest singular value: no equation
NEAR = 1e-6  # of a direction of norm one: the same as others


def solutions(equations: Tensor, count: int, noise: float = NOISE) -> Tensor:
    """So many solutions, [unknowns, count], that depend smoothly on the equations.

    Args:
        equations: [equations, unknowns].
        count: how many.
        noise: singular values below this, over the largest, are no equations.
    """
    _, s, v = svd(equations)
    v = v * (s > noise * s[:1])[:, None]
    generator = torch.Generator().manual_seed(equations.shape[1])
    drawn = torch.randn(equations.shape[1], count, generator=generator, dtype=torch.float64)
    drawn = drawn.to(equations)
    return drawn - v.T @ (v @ drawn)


def more(family: Family, known: Sequence[Family], env: Environment) -> bool:
    """Whether a family has directions that others do not have together."""
    moved = set(family.sources)
    near = [f for f in known if f.count() and moved & set(f.sources)]
    plain = [f for f in near if not isinstance(f, MatrixFamily | ScalingFamily)]
    own = _directions(family, env)
    for some in (plain, near):
        parts = [_directions(f, env) for f in some]
        wires = list(dict.fromkeys(w for part in (*parts, own) for w in part))
        before, after = (_rank(_stacked(some, wires, env)) for some in (parts, [*parts, own]))
        if after == before:
            return False
    return True


class Beyond:
    """What families have together near some parameters, and what directions there add to it.

    By names, for families of graphs in which weights are made up have wires of their own.
    """

    def __init__(
        self, known: Sequence[Family], wires: Sequence[p.Source], env: Environment
    ) -> None:
        """Of the families that move any of the wires."""
        self._env, self._point = env, Point(env.theta)
        named = {w.key for w in wires}
        near = [f for f in known if f.count() and named & set(f.names)]
        parts = [self._moves(f, f.count()) for f in near]
        lengths = [math.prod(w.shape) for w in wires]
        free = NullFamily(
            kind="parallel", sources=tuple(wires), width=lambda _: sum(lengths),
            build=lambda _, c: {w: t.reshape(w.shape)
                                for w, t in zip(wires, c.split(lengths), strict=True)},
        )  # fmt: skip
        own = self._moves(free, sum(lengths))
        names = list(dict.fromkeys(n for part in (own, *parts) for n in part))
        self._own = self._rows(own, names, sum(lengths))
        rows = [self._rows(part, names, f.count()) for part, f in zip(parts, near, strict=True)]
        known_rows = torch.cat([self._own[:0], *rows])
        sizes = known_rows.norm(dim=1, keepdim=True)
        _, s, v = svd(known_rows / sizes.clamp(min=1e-300))
        self._basis = v[: int((s > NEAR).sum())]

    def gain(self, rows: Tensor) -> int:
        """How much orthonormal directions, [count, entries of the wires], add."""
        rows = rows @ self._own
        rest = rows - (rows @ self._basis.T) @ self._basis
        return int((torch.linalg.svdvals(rest) > NEAR).sum())

    def _moves(self, family: Family, n: int) -> dict[str, Tensor]:
        each = torch.func.vmap(
            lambda c: self._point.direction(family, c, self._env), randomness="same"
        )
        found = each(torch.eye(n, **self._env.like))
        return {name: t.reshape(n, -1) for name, t in found.items()}

    def _rows(self, part: Mapping[str, Tensor], names: Sequence[str], n: int) -> Tensor:
        return torch.cat([
            part[name] if name in part
            else torch.zeros(n, self._env.theta[name].numel(), **self._env.like) for name in names
        ], 1)  # fmt: skip


def _directions(family: Family, env: Environment) -> Mapping[p.Source, Tensor]:
    """All basis directions, one matrix [count, entries] for every wire."""
    basis = torch.eye(family.count(), **env.like)
    each = torch.func.vmap(lambda c: family.direction(env, c), randomness="same")
    return {w: change.reshape(len(basis), -1) for w, change in each(basis).items()}


def _stacked(
    parts: Sequence[Mapping[p.Source, Tensor]], wires: Sequence[p.Source], env: Environment
) -> Tensor:
    """Directions as rows over the entries of some wires."""
    rows = [torch.zeros(0, sum(env.value(w).numel() for w in wires), **env.like)]
    for part in parts:
        n = len(next(iter(part.values()))) if part else 0
        rows.append(torch.cat([
            part[w] if w in part else torch.zeros(n, env.value(w).numel(), **env.like)
            for w in wires
        ], 1))  # fmt: skip
    return torch.cat(rows)


def _rank(rows: Tensor) -> int:
    sizes = rows.norm(dim=1, keepdim=True)
    rows = (
        (rows / sizes.clamp(min=1e-300))[sizes[:, 0] > NOISE * sizes.max()] if len(rows) else rows
    )
    return int((torch.linalg.svdvals(rows) > 1e-8).sum()) if len(rows) else 0
