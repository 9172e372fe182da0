"""Sums and products with nothing between: what several weights make together, and few places."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight

MADE = "weights that are multiplied by each other, beside others"


def read(seen: Any, conv: Any = None, places: tuple[int, ...] = (2, 2), out: int = 2) -> Any:
    """A convolution of units on few places, of which something is read by a linear map."""
    make = conv or (lambda: nn.Conv2d(3, 3, 3, padding=1))
    with torch.random.fork_rng(devices=[]):
        width = seen(make()(torch.zeros(1, 3, *places))).shape[-1]
    return of(lambda m, x: m.h(seen(m.c(m.a(x).tanh()))), (9, 2, *places),
              a=lambda: nn.Conv2d(2, 3, 1), c=make, h=lambda: linear(width, out))  # fmt: skip


def both(m: Any, x: Tensor) -> Tensor:
    """A picture beside what a map makes of it, and a map of the mean of both."""
    z = m.a(x).tanh()
    return m.h(m.c(torch.cat([z, m.b(z)], 1)).mean((2, 3)))


def looked(last: Any) -> Any:
    """One head of attention, of whose values few sums are seen."""

    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = (w(x)[:, None] for w in (m.q, m.k, m.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0]
        return m.h(last(y @ m.o.T))

    return of(run, (6, 3, 4), q=lambda: linear(4, 5), k=lambda: linear(4, 5),
              v=lambda: linear(4, 5), o=lambda: weight(4, 5), h=lambda: linear(4, 2))  # fmt: skip


def normed(m: Any, x: Tensor) -> Tensor:
    """Between two norms, of which the second is blind to constants."""
    z = F.layer_norm(m.a(x).tanh(), (4,), m.g, m.s)
    return m.h(F.layer_norm(z @ m.u.T @ m.w.T + x @ m.u.T @ m.w.T, (4,), eps=0.1).tanh())


def mean(y: Tensor) -> Tensor:
    return y.mean((2, 3))


def made(m: Any, x: Tensor) -> Tensor:
    """A weight times its own size, beside one that makes up for it."""
    w = m.w * torch.linalg.vector_norm(m.w)
    return m.h(m.a(x).tanh() @ w.T + m.a(x).tanh() @ m.u.T)


def beside(m: Any, x: Tensor) -> Tensor:
    """A map of what a fixed map adds to."""
    z = m.a(x).tanh()
    return (z + m.b(z) @ torch.ones(3, 3).triu().to(z)) @ m.w.T


CASES = [
    Case("a mean of few places", "conv2d", read(mean)),
    Case("a mean of few places, without biases", "conv2d",
         read(mean, lambda: nn.Conv2d(3, 3, 3, padding=1, bias=False))),
    Case("a mean of few places, in groups", "conv2d",
         read(mean, lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3))),
    Case("a mean of few places, with steps", "conv2d",
         read(mean, lambda: nn.Conv2d(3, 3, 3, padding=1, stride=2), (4, 4))),
    Case("a mean of few places, dilated", "conv2d",
         read(mean, lambda: nn.Conv2d(3, 3, 3, padding=2, dilation=2), (3, 3))),
    Case("a mean of few places, in a circle", "conv2d",
         read(mean, lambda: nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"))),
    Case("a mean of few places, of what is enlarged", "conv_transpose2d",
         read(mean, lambda: nn.ConvTranspose2d(3, 3, 2, stride=2))),
    Case("few places, flat", "conv2d", read(lambda y: y.flatten(1))),
    Case("few places, and many outputs", "conv2d", read(lambda y: y.flatten(1), out=9)),
    Case("one of few places", "conv2d", read(lambda y: y[:, :, 0, 0])),
    Case("a mean of a picture and of a map of it", "cat", of(
        both, (9, 2, 2, 2), a=lambda: nn.Conv2d(2, 3, 1), b=lambda: nn.Conv2d(3, 2, 3, padding=1),
        c=lambda: nn.Conv2d(5, 4, 1), h=lambda: linear(4, 2))),
    Case("values of few sums", "scaled_dot_product_attention", looked(lambda y: y)),
    Case("a weight beside one that depends on its size", "linalg_vector_norm", of(
        made, (12, 3), a=lambda: linear(3, 3), w=lambda: weight(2, 3), u=lambda: weight(2, 3),
        h=lambda: linear(2, 4)), gap=MADE, counts=(2, 10)),
    Case("a map of what a fixed map adds to", "matmul", of(
        beside, (12, 3), a=lambda: linear(3, 3), b=lambda: linear(3, 3), w=lambda: weight(2, 3)),
         gap=MADE, counts=(4, 10)),
    # near misses
    Case("a mean of functions of few places", "conv2d", read(lambda y: y.tanh().mean((2, 3)))),
    Case("a mean of few places, and of their sizes", "abs",
         read(lambda y: torch.cat([y.mean((2, 3)), y.abs().mean((2, 3))], 1))),
    Case("a mean of few places, and the first", "conv2d",
         read(lambda y: torch.cat([y.mean((2, 3)), y[:, :, 0, 0]], 1))),
    Case("a mean of few places, and its square", "conv2d",
         read(lambda y: torch.cat([mean(y), mean(y).square()], 1), out=4)),
    Case("few places, flat, and functions", "conv2d", read(lambda y: y.flatten(1).tanh())),
    Case("values and functions of few sums", "scaled_dot_product_attention", looked(torch.tanh)),
]  # fmt: skip
