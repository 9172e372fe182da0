"""Blocks of fields for quadratic forms and normalised weights."""

import string
from collections.abc import Iterator, Sequence
from typing import Protocol

from symfind.discovery.monomials import Monomial, Source


class ShapeLike(Protocol):
    """A parameter with the sizes that carry an index."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def sizes(self) -> tuple[int, ...]: ...  # noqa: D102
    def dim(self, axis: int) -> int: ...  # noqa: D102


def weighted(shapes: Sequence[ShapeLike]) -> Iterator[Monomial]:
    """Multiplications of an axis by a matrix of constants times the weights of a form.

    `Σ_i a_i (w_i·x)²` keeps its value under `w -> S diag(a) w` with S skew: the group O(p, q) of
    the form, by polynomials.
    """
    for t in shapes:
        letters = string.ascii_lowercase[: len(t.sizes)]
        for v in shapes:
            if len(v.sizes) != 1 or v.name == t.name:
                continue
            for axis, n in enumerate(t.sizes):
                if n != v.sizes[0]:
                    continue
                own = letters.replace(letters[axis], "y")
                factors = ((Source(t.name), own), (Source(v.name), "y"))
                right = len(t.sizes) == 2 and axis == 1
                free = "y" + letters[axis] if right else letters[axis] + "y"
                place = f" on dim {t.dim(axis)}" if len(t.sizes) > 2 else ""
                form = f"diag({v.name})"
                text = f"{t.name} {form} {{}}" if right else f"{{}} {form} {t.name}{place}"
                yield Monomial(t.name, letters, factors, free, (n, n), text)


def normalised(shapes: Sequence[ShapeLike]) -> Iterator[Monomial]:
    """Gains of normalised weights, that take up what a scale along another axis does to the norm.

    With `W_ij = g_i v_ij / |v_i|`, the scaling `v_ij -> s_j v_ij` scales W if g_i moves by
    `g_i s_j v_ij² / |v_i|²`.
    """
    for g in shapes:
        for v in shapes:
            if v.name == g.name or len(g.sizes) > 1 or not v.sizes:
                continue
            letters = string.ascii_lowercase[: len(v.sizes)]
            kept = [a for a, n in enumerate(v.sizes) if g.sizes == (n,)] if g.sizes else [-1]
            for axis in kept:
                own = letters[axis] if axis >= 0 else ""
                rows = (Source(v.name), letters)
                precision = (Source(v.name, "precision", axis), own)
                for by, n in enumerate(v.sizes):
                    if by == axis:
                        continue
                    text = f"{g.name} * ({v.name}^2 {{}})/|{v.name}|^2 along dim {v.dim(by)}"
                    factors = ((Source(g.name), own), rows, rows, precision)
                    yield Monomial(g.name, own, factors, letters[by], (n,), text)


def carried(shapes: Sequence[ShapeLike]) -> Iterator[Monomial]:
    """Vectors that move by what a matrix makes of constants times another vector: `b -> b + W A c`.

    What a map mixes into a piece of a bond that has no bias, the next bias takes back.
    """
    for t in shapes:
        for s in shapes:
            if len(t.sizes) != 1 or len(s.sizes) != 2:
                continue
            for v in shapes:
                if len(v.sizes) != 1:
                    continue
                for axis, n in enumerate(s.sizes):
                    if n != t.sizes[0]:
                        continue
                    own = "xa" if axis == 0 else "ax"
                    name = s.name if axis == 0 else f"{s.name}^T"
                    sizes = (s.sizes[1 - axis], v.sizes[0])
                    factors = ((Source(s.name), own), (Source(v.name), "b"))
                    yield Monomial(t.name, "x", factors, "ab", sizes, f"{name} {{}} {v.name}")
