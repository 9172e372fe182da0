"""Solutions of linear equations between changes of parameters, and what they have beyond others."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.numerics.decompose import svd
from symfind.solve.families.family import NullFamily
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
