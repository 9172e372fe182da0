"""Changes of basis on either side of fixed maps, and what no map lets through."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight

HADAMARD = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
COSINES = torch.cos(math.pi / 4 * torch.arange(4)[:, None] * (torch.arange(4) + 0.5))
BETWEEN = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]])
SQUARE = torch.arange(25.0).square().sin().reshape(5, 5)
AVERAGE = torch.tensor([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def fixed(c: Tensor, run: Any = lambda z, c: z @ c.mT, bias: bool = True) -> Any:
    """Two layers with a constant between."""
    return of(lambda m, x: m.b(run(m.a(x), m.c)), (12, 3), a=lambda: linear(3, c.shape[1], bias),
              b=lambda: linear(c.shape[0], 2), c=lambda: c.clone())  # fmt: skip


def mixed(run: Any, made: int = 4) -> Any:
    """Two layers with an operation between."""
    return of(lambda m, x: m.b(run(m.a(x))), (12, 3), a=lambda: linear(3, 4, False),
              b=lambda: linear(made, 2))  # fmt: skip


def attention(c: Tensor) -> Any:
    """Queries and keys in another basis."""

    def run(m: Any, x: Tensor) -> Tensor:
        return m.o(F.scaled_dot_product_attention(m.q(x) @ m.c, m.k(x) @ m.c, m.v(x)))

    return of(run, (6, 4, 4), q=lambda: linear(4, 4), k=lambda: linear(4, 4),
              v=lambda: linear(4, 2), o=lambda: linear(2, 3), c=lambda: c.clone())  # fmt: skip


def twice(m: Any, x: Tensor) -> Tensor:
    return m.b(m.a(x) @ m.c.mT) + m.d(m.a(x)).tanh()


def filtered(z: Tensor, c: Tensor) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(z) * torch.view_as_complex(c), n=4)


def tied(m: Any, x: Tensor) -> Tensor:
    return F.linear(F.linear(x, m.w) @ m.c.mT, m.w.T)


def tokens(m: Any, x: Tensor) -> Tensor:
    x = torch.einsum("tv,bvd->btd", m.a, x)
    return torch.einsum("us,bsd->bud", m.b, torch.einsum("st,btd->bsd", m.c, x))


CASES = [
    Case("a fixed square matrix", "matmul", fixed(drawn(4, 4))),
    Case("a fixed matrix that makes more", "matmul", fixed(drawn(6, 4))),
    Case("a fixed matrix that makes less", "matmul", fixed(drawn(3, 5), bias=False)),
    Case("a fixed average", "matmul", fixed(AVERAGE)),
    Case("a fixed permutation", "matmul", fixed(torch.eye(4)[[2, 0, 3, 1]])),
    Case("cosines", "matmul", fixed(COSINES)),
    Case("a fixed interpolation", "matmul", fixed(BETWEEN)),
    Case("a fixed matrix of nothing", "matmul", fixed(torch.zeros(4, 4))),
    Case("a fixed matrix before a rectifier", "matmul", fixed(
         drawn(3, 5), lambda z, c: (z @ c.mT).relu())),
    Case("a fixed matrix behind a rectifier", "matmul", fixed(
         drawn(5, 4), lambda z, c: z.relu() @ c.mT)),
    Case("a fixed matrix behind another function", "matmul", fixed(
         drawn(4, 4), lambda z, c: z.tanh() @ c.mT)),
    Case("a permutation between rectifiers", "matmul", fixed(
         torch.eye(4)[[2, 0, 3, 1]], lambda z, c: (F.leaky_relu(z) @ c.mT).abs())),
    Case("a fixed matrix between rectifiers", "matmul", fixed(
         drawn(4, 4), lambda z, c: (F.leaky_relu(z) @ c.mT).abs())),
    Case("squares of multiples of squares", "square", fixed(
         torch.diag(torch.arange(1.0, 5)), lambda z, c: (z.square() @ c.mT).square())),
    Case("a rotation between norms", "rms_norm", fixed(
         HADAMARD, lambda z, c: F.rms_norm(F.rms_norm(z, (4,)) @ c.mT, (4,)))),
    Case("another matrix behind a norm", "rms_norm", fixed(
         drawn(4, 4), lambda z, c: F.leaky_relu(F.rms_norm(z, (4,)) @ c.mT))),
    Case("two fixed matrices", "matmul", fixed(
         drawn(5, 4), lambda z, c: z @ c.mT @ SQUARE.to(z))),
    Case("queries and keys that are rotated", "scaled_dot_product_attention",
         attention(HADAMARD)),
    Case("queries and keys in another basis", "scaled_dot_product_attention",
         attention(drawn(4, 4))),
    Case("read as it is, and behind a fixed matrix", "matmul", of(
         twice, (12, 3), a=lambda: linear(3, 4), b=lambda: linear(5, 2), d=lambda: linear(4, 2),
         c=lambda: drawn(5, 4))),
    Case("a weight on both sides of a skew matrix", "matmul", of(
         tied, (12, 4), w=lambda: weight(4, 4), c=lambda: drawn(4, 4) - drawn(4, 4).mT)),
    Case("places in another basis", "einsum", of(
         tokens, (12, 3, 2), a=lambda: weight(4, 3), b=lambda: weight(2, 5),
         c=lambda: drawn(5, 4))),
    Case("channels in another basis", "conv2d", of(
         lambda m, x: m.b(F.conv2d(m.a(x), m.c)), (3, 2, 5, 5), a=lambda: nn.Conv2d(2, 4, 1),
         b=lambda: nn.Conv2d(5, 2, 1), c=lambda: drawn(5, 4, 1, 1))),
    Case("a basis that all heads share", "matmul", of(
         lambda m, x: m.b((m.a(x).unflatten(-1, (2, 3)) @ m.c.mT).flatten(-2)), (12, 4),
         a=lambda: linear(4, 6), b=lambda: linear(6, 2), c=lambda: drawn(3, 3))),
    Case("gains on both sides of a fixed matrix", "mul.Tensor matmul", of(
         lambda m, x: m.b((m.a(x) * m.g) @ m.c.mT * m.h), (12, 3), a=lambda: linear(3, 4),
         b=lambda: linear(4, 2), g=lambda: weight(4), h=lambda: weight(4), c=lambda: drawn(4, 4))),
    Case("sums of the first features", "cumsum", mixed(lambda z: z.cumsum(-1))),
    Case("differences of features", "diff", mixed(lambda z: z.diff(dim=-1), 3)),
    Case("differences of features and a bias", "diff", of(
         lambda m, x: m.b(m.a(x).diff(dim=-1)), (12, 3), a=lambda: linear(3, 4),
         b=lambda: linear(3, 2))),
    Case("differences of features before a function", "diff tanh", of(
         lambda m, x: m.b(m.a(x).diff(dim=-1).tanh()), (12, 3), a=lambda: linear(3, 4),
         b=lambda: linear(3, 2))),
    Case("a frozen layer between", "linear", of(
         lambda m, x: m.b(F.linear(m.a(x), m.c, m.d)), (12, 3), a=lambda: linear(3, 4),
         b=lambda: linear(5, 2), c=lambda: drawn(5, 4), d=lambda: drawn(5))),
    Case("a frozen layer before a function", "linear gelu", of(
         lambda m, x: m.b(F.gelu(F.linear(m.a(x), m.c, m.d))), (12, 3), a=lambda: linear(3, 4),
         b=lambda: linear(5, 2), c=lambda: drawn(5, 4), d=lambda: drawn(5))),
    Case("a frozen layer before one without a bias", "linear", of(
         lambda m, x: m.b(F.linear(m.a(x), m.c, m.d)), (12, 3), a=lambda: linear(3, 4),
         b=lambda: linear(5, 2, False), c=lambda: drawn(5, 4), d=lambda: drawn(5)),
         gap="a constant that only what is before it takes up", counts=(10, 18)),
    Case("a low rank with a frozen half", "linear", of(
         lambda m, x: m.w(x) + m.b(x @ m.c.mT), (12, 4), w=lambda: linear(4, 3),
         b=lambda: linear(2, 3, False), c=lambda: drawn(2, 4))),
    Case("a low rank with a frozen half, of another wire", "linear", of(
         lambda m, x: m.w(x) + m.b(x.square() @ m.c.mT), (12, 4), w=lambda: linear(4, 3),
         b=lambda: linear(2, 3, False), c=lambda: drawn(2, 4))),
    Case("fixed features of data", "linear", of(
         lambda m, x: m.b(m.a(x @ m.c.mT)), (12, 3), a=lambda: linear(5, 4),
         b=lambda: linear(4, 2), c=lambda: drawn(5, 3))),
    Case("fixed features of data behind a function", "linear", of(
         lambda m, x: m.b(m.a((x @ m.c.mT).cos())), (12, 3), a=lambda: linear(5, 4),
         b=lambda: linear(4, 2), c=lambda: drawn(5, 3))),
    Case("averages of two features", "avg_pool1d", mixed(
         lambda z: F.avg_pool1d(z[:, None], 2)[:, 0], 2)),
    Case("features in between", "upsample_linear1d", mixed(
         lambda z: F.interpolate(z[:, None], size=7, mode="linear")[:, 0], 7)),
    Case("a filter between layers", "fft_rfft fft_irfft", of(
         lambda m, x: m.b(filtered(m.a(x), m.c)), (12, 3), a=lambda: linear(3, 4, False),
         b=lambda: linear(4, 3, False), c=lambda: weight(3, 2)),
         gap="complex numbers between real bases", counts=(4, 21)),
]  # fmt: skip
