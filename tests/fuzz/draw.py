"""Random choices of a network: sizes, operands, parameters, and weights made from parameters."""

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, ...]
Run = Callable[..., Tensor]


class Step(nn.Module):
    """One operation of a random network.

    Attributes:
        reads: which of the values before it are its operands.
        text: what it is, for people.
    """

    def __init__(self, run: Run, text: str, **parts: Any) -> None:
        super().__init__()
        self.run, self.text, self.reads = run, text, (-1,)
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *values: Tensor) -> Tensor:
        return self.run(self, *values)


class Draw:
    """A source of choices, all of them decided by one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.made: dict[Shape, list[nn.Parameter]] = {}

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def one(self, options: Any) -> Any:
        return self.rng.choice(list(options))

    def size(self) -> int:
        return self.rng.randint(2, 4)

    def numbers(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def weight(self, *shape: int) -> nn.Parameter:
        """A parameter: now and then one that is in use already."""
        known = self.made.setdefault(shape, [])
        if known and self.chance(0.1):
            return self.one(known)
        known.append(nn.Parameter(self.numbers(*shape)))
        return known[-1]

    def matrix(self, rows: int, columns: int) -> nn.Module:
        """A module that makes a matrix from parameters."""
        if self.chance(0.55):
            return Made(lambda m: m.w, "W", w=self.weight(rows, columns))
        makers = [normed, standardised, positive, factored, masked, summed, scaled, stacked,
                  shares, cut, unit_rows, doubled, transposed, halves_scaled]  # fmt: skip
        if rows == columns:
            makers += [triangular, symmetric, skew]
        return self.one(makers)(self, rows, columns)


class Made(nn.Module):
    """A weight that is computed from other weights."""

    def __init__(self, run: Callable[..., Tensor], text: str, **parts: Any) -> None:
        super().__init__()
        self.run, self.text = run, text
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self) -> Tensor:
        return self.run(self)


def normed(d: Draw, n: int, k: int) -> Made:
    run = lambda m: m.g[:, None] * m.w / m.w.norm(dim=1, keepdim=True)  # noqa: E731
    return Made(run, "g v / |v|", w=d.weight(n, k), g=d.weight(n))


def standardised(d: Draw, n: int, k: int) -> Made:
    dim, spread = d.one((0, 1)), d.chance(0.5)

    def run(m: Any) -> Tensor:
        w = m.w - m.w.mean(dim, keepdim=True)
        return w / (w.std(dim, keepdim=True) + 1e-5) if spread else w

    return Made(run, f"standardised along {dim}", w=d.weight(n, k))


def positive(d: Draw, n: int, k: int) -> Made:
    f = d.one((torch.exp, F.softplus, torch.square, torch.abs, torch.sigmoid, torch.tanh))
    return Made(lambda m: f(0.5 * m.w), f"{f.__name__} W / 2", w=d.weight(n, k))


def factored(d: Draw, n: int, k: int) -> Made:
    r = d.one((1, 2))
    return Made(lambda m: m.a @ m.b, f"rank {r}", a=d.weight(n, r), b=d.weight(r, k))


def masked(d: Draw, n: int, k: int) -> Made:
    mask = (torch.rand(n, k, generator=d.generator) < 0.7).float()
    return Made(lambda m: m.w * mask.to(m.w), "masked", w=d.weight(n, k))


def summed(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.a + m.b * m.g, "a + g b", a=d.weight(n, k), b=d.weight(n, k),
                g=d.weight(k))  # fmt: skip


def scaled(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w * m.s, "s W", w=d.weight(n, k), s=d.weight(1))


def stacked(d: Draw, n: int, k: int) -> Made:
    if n < 2:
        return scaled(d, n, k)
    run = lambda m: torch.cat([m.a, m.b], 0)  # noqa: E731
    return Made(run, "cat", a=d.weight(1, k), b=d.weight(n - 1, k))


def shares(d: Draw, n: int, k: int) -> Made:
    dim = d.one((0, 1))
    return Made(lambda m: m.w.softmax(dim), f"softmax W along {dim}", w=d.weight(n, k))


def cut(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w[1 : n + 1, :k], "a part of W", w=d.weight(n + 1, k + 1))


def unit_rows(d: Draw, n: int, k: int) -> Made:
    dim = d.one((0, 1))
    return Made(lambda m: F.normalize(m.w, dim=dim), f"unit along {dim}", w=d.weight(n, k))


def doubled(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w[d_index(n)], "rows repeated", w=d.weight((n + 1) // 2, k))


def d_index(n: int) -> Tensor:
    return torch.arange(n) // 2


def transposed(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w.T, "Wᵀ", w=d.weight(k, n))


def halves_scaled(d: Draw, n: int, k: int) -> Made:
    cut_at = max(1, k // 2)

    def run(m: Any) -> Tensor:
        w = m.w.clone()
        w[:, :cut_at] *= m.g
        return w

    return Made(run, "columns scaled in place", w=d.weight(n, k), g=d.weight(n, 1))


def triangular(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w.tril(), "tril", w=d.weight(n, k))


def symmetric(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w + m.w.T, "W + Wᵀ", w=d.weight(n, k))


def skew(d: Draw, n: int, k: int) -> Made:
    return Made(lambda m: m.w - m.w.T, "W - Wᵀ", w=d.weight(n, k))
