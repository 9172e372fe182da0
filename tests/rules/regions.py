"""What no coefficient of a region sees: weights in a row and side by side, edges, norms."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight


def conv(n: int, m: int, k: int = 3, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(n, m, k, padding=k // 2, **more)


def pictures(run: Any, n: int = 2, size: int = 3, **parts: Any) -> Any:
    return of(run, (3, n, size, size), **parts)


def dense(m: Any, x: Tensor) -> Tensor:
    """A stream beside what a block adds to it (DenseNet, Huang et al. 2017)."""
    return m.f(torch.cat([x + m.b(x.tanh()), x], 1)).tanh()


def behind(m: Any, x: Tensor) -> Tensor:
    """A norm of which few numbers are read."""
    return m.h(F.layer_norm(m.d(x.tanh()), (m.h.in_features,)) * m.g)


CASES = [
    *(Case(f"a kernel beside its own picture, {n} channels into {c}", "conv2d cat", pictures(
        lambda m, x: m.f(torch.cat([m.c(x), x], 1)).tanh(), n, c=lambda n=n, c=c: conv(n, c),
        f=lambda n=n, c=c: conv(n + c, 2, 1))) for n, c in ((1, 2), (2, 2), (3, 1))),
    Case("a kernel beside its own picture, resized", "conv2d cat upsample_nearest2d", pictures(
        lambda m, x: m.f(torch.cat([F.interpolate(m.c(x), scale_factor=2),
                                    F.interpolate(x, scale_factor=2)], 1)).tanh(),
        c=lambda: conv(2, 2), f=lambda: conv(4, 2, 1))),
    Case("two kernels in a row at the edges", "conv2d mean", pictures(
        lambda m, x: m.b(m.a(x)).mean((2, 3)).tanh(), a=lambda: conv(2, 2), b=lambda: conv(2, 2))),
    Case("a bias before a border, all places added up", "conv2d mean", pictures(
        lambda m, x: m.b(m.a(x)).mean((2, 3)).tanh(), a=lambda: conv(2, 3, 1),
        b=lambda: conv(3, 2, groups=1))),
    Case("a bias before a border, each place read", "conv2d", pictures(
        lambda m, x: m.b(m.a(x)).tanh(), a=lambda: conv(2, 2, 1), b=lambda: conv(2, 2))),
    Case("places that a kernel makes, read one by one", "conv_transpose2d", pictures(
        lambda m, x: m.h(m.c(x.tanh())), 2, 2, c=lambda: nn.ConvTranspose2d(2, 2, 2, stride=2),
        h=lambda: linear(4, 3))),
    Case("a divisor of its own", "avg_pool2d", pictures(
        lambda m, x: m.b(F.avg_pool2d(m.a(x), 2, divisor_override=3)).tanh(), 2, 4,
        a=lambda: conv(2, 3, 1), b=lambda: conv(3, 2, 1))),
    *(Case(f"what a block adds, beside the stream, {n}", "linear cat", of(
        dense, (12, n), b=lambda n=n: linear(n, n, False), f=lambda n=n: linear(2 * n, 3)))
      for n in (2, 3)),
    *(Case(f"{k} numbers of a norm of {n}", "linear layer_norm", of(
        behind, (16, 3), d=lambda n=n: linear(3, n), g=lambda n=n: weight(n),
        h=lambda n=n, k=k: linear(n, k))) for n, k in ((4, 1), (5, 2), (3, 3))),
]  # fmt: skip
