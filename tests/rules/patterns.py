"""Weights in a pattern: triangles, symmetric matrices, Toeplitz matrices, places in memory."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, linear, of, weight


def lags(n: int) -> Tensor:
    """Differences of places, from zero on."""
    return torch.arange(n)[:, None] - torch.arange(n) + n - 1


def alone(make: object, *shape: int, n: int = 3) -> object:
    """A linear map by such a weight, and another one."""
    return of(lambda m, x: m.r(F.linear(x, make(m))), (12, n), v=lambda: weight(*shape),
              u=lambda: weight(*shape), i=lambda: lags(n), r=lambda: linear(n, 2))  # fmt: skip


def bent(make: object, *shape: int, n: int = 3) -> object:
    """The same with a rectifier between."""
    return of(lambda m, x: m.r(F.relu(F.linear(x, make(m)))), (12, n), v=lambda: weight(*shape),
              u=lambda: weight(*shape), i=lambda: lags(n), r=lambda: linear(n, 2))  # fmt: skip


def raw(make: object, *shape: int, n: int = 3) -> object:
    """The weight alone."""
    return of(lambda m, x: F.linear(x, make(m)), (12, n), v=lambda: weight(*shape),
              u=lambda: weight(*shape), i=lambda: lags(n))  # fmt: skip


PATTERNS = {
    "an upper triangle": ("triu", lambda m: m.v.triu(), (3, 3)),
    "a lower triangle without a diagonal": ("tril", lambda m: m.v.tril(-1), (3, 3)),
    "two triangles": ("triu", lambda m: m.v.triu() + m.u.tril(), (3, 3)),
    "a symmetric weight": ("add.Tensor", lambda m: m.v + m.v.T, (3, 3)),
    "a skew weight": ("sub.Tensor", lambda m: m.v - m.v.T, (3, 3)),
    "a weight and twice its transpose": ("add.Tensor", lambda m: m.v + 2 * m.v.T, (3, 3)),
    "a symmetric weight of a triangle": ("triu", lambda m: m.v.triu() + m.v.triu(1).T, (3, 3)),
    "a Toeplitz weight": ("index.Tensor", lambda m: m.v[m.i], (5,)),
    "a Toeplitz weight of ranges": ("unfold", lambda m: m.v.unfold(0, 3, 1), (5,)),
    "a Toeplitz weight by strides": ("as_strided", lambda m: m.v.as_strided((3, 3), (1, 1)), (5,)),
    "a circulant weight": ("roll", lambda m: torch.stack([m.v.roll(i) for i in range(3)]), (3,)),
    "a transpose by strides": ("as_strided", lambda m: m.v.as_strided((3, 3), (1, 3), 1), (10,)),
}
CASES = [
    *(Case(f"{name}, {way}", covers, build(make, *shape))
      for name, (covers, make, shape) in PATTERNS.items()
      for way, build in (("raw", raw), ("linear", alone), ("bent", bent))),
    *(Case(f"an upper triangle of {n} behind a linear map", "triu", of(
        lambda m, x: m.r(F.relu(F.linear(m.a(x), m.v.triu()))), (12, n),
        a=lambda n=n: linear(n, n), v=lambda n=n: weight(n, n), r=lambda n=n: linear(n, 2)))
      for n in (2, 3, 4)),
    Case("entries turned round in a circle", "roll", raw(lambda m: m.v.roll(2), 3, 3)),
    Case("a symmetric weight that something else reads", "add.Tensor", of(
        lambda m, x: F.linear(x, m.v + m.v.T) + F.linear(torch.tanh(x), m.v), (12, 3),
        v=lambda: weight(3, 3))),
]  # fmt: skip
