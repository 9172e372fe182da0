"""Functions and norms of parameters alone: rows of tables, latents, positive weights."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, Net, linear, of, weight


def beside(run: Any, **parts: Any) -> Any:
    """Six tokens, and data that is added to what is made of their rows."""

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        net = Net(lambda m, i, x: m.o(torch.tanh(run(m, m.e(i)) + m.x(x))), x=linear(3, 4),
                  e=nn.Embedding(6, 4), o=linear(4, 2),
                  **{name: make() for name, make in parts.items()})  # fmt: skip
        return net, (torch.arange(12).reshape(2, 6) % 6, torch.randn(2, 6, 3))

    return build


def fields(m: Any, i: Tensor, j: Tensor) -> Tensor:
    return m.o(torch.tanh(torch.cat([m.a(i), m.b(j)], 1)))


def two_tables() -> tuple[nn.Module, tuple[Tensor, ...]]:
    net = Net(fields, a=nn.Embedding(6, 2), b=nn.Embedding(3, 2), o=linear(4, 2))
    return net, (torch.arange(18) // 3, torch.arange(18) % 3)


def asked(run: Any, rows: int = 6, d: int = 4, q: int = 2, **parts: Any) -> Any:
    """Scores of learned rows against data."""
    return of(lambda m, x: torch.tanh(run(m) @ m.k(x).mT), (2, 5, 3), w=lambda: weight(rows, d),
              k=lambda: linear(3, q), **parts)  # fmt: skip


def difference(m: Any, x: Tensor) -> Tensor:
    """The scalar of differential attention."""
    scale = torch.exp((m.a * m.b).sum()) - torch.exp((m.c * m.d).sum()) + 0.8
    return m.r(scale * torch.tanh(m.w(x)))


NORM = {"n": lambda: nn.LayerNorm(4, eps=0.1)}
TABLE = {"0": 6}
CASES = [
    Case("a function of two tables, joined", "embedding", two_tables, bounds={"0": 6, "1": 3}),
    Case("a function of a table beside data", "embedding", beside(lambda m, e: F.gelu(e)),
         bounds=TABLE),
    Case("a table with a norm of its own", "embedding", beside(lambda m, e: m.n(e), **NORM),
         bounds=TABLE),
    Case("a table with a norm that keeps the mean", "embedding",
         beside(lambda m, e: m.n(e), n=lambda: nn.RMSNorm(4, eps=0.1)), bounds=TABLE),
    Case("a norm of a function of a table", "embedding",
         beside(lambda m, e: m.n(F.silu(e)), **NORM), bounds=TABLE),
    Case("a function of a shifted table", "embedding",
         beside(lambda m, e: m.l(F.silu(e + m.s)), s=lambda: weight(4), l=lambda: linear(4, 4)),
         bounds=TABLE),
    Case("queries of a learned latent", "layer_norm", asked(
        lambda m: F.layer_norm(m.w, (4,)) @ m.a, a=lambda: weight(4, 2))),
    Case("queries of a latent behind a norm with gains", "layer_norm", asked(
        lambda m: m.p(m.n(m.w)), n=lambda: nn.LayerNorm(4), p=lambda: linear(4, 2))),
    Case("queries of a latent behind a norm that keeps the mean", "rms_norm", asked(
        lambda m: m.p(m.n(m.w)), n=lambda: nn.RMSNorm(4), p=lambda: linear(4, 2))),
    Case("few latents, and wide queries", "layer_norm", asked(
        lambda m: m.p(F.layer_norm(m.w, (4,))), rows=2, q=3, p=lambda: linear(4, 3))),
    Case("a prompt made by two layers", "tanh", asked(
        lambda m: m.p(torch.tanh(m.h(m.w))), rows=3, h=lambda: linear(4, 5),
        p=lambda: linear(5, 2))),
    Case("a weight kept positive", "softplus", of(
        lambda m, x: m.r(x @ F.softplus(m.w) + m.b), (12, 3), w=lambda: weight(3, 4),
        b=lambda: weight(4), r=lambda: linear(4, 2))),
    Case("gains between zero and one", "sigmoid", of(
        lambda m, x: m.r(torch.sigmoid(m.g) * m.w(x)), (12, 3), g=lambda: weight(4),
        w=lambda: linear(3, 4), r=lambda: linear(4, 2))),
    Case("a gate that opens from zero", "tanh", of(
        lambda m, x: x + torch.tanh(m.g) * m.r(torch.tanh(m.w(x))), (12, 3),
        g=lambda: weight(1), w=lambda: linear(3, 4), r=lambda: linear(4, 3))),
    Case("a difference of exponentials", "exp", of(
        difference, (12, 3), **{n: lambda: weight(2) for n in "abcd"}, w=lambda: linear(3, 4),
        r=lambda: linear(4, 2))),
    Case("a weight that is kept positive and read twice", "softplus", of(
        lambda m, x: m.r(torch.tanh(x @ F.softplus(m.w) + m.w.sum(0))), (12, 3),
        w=lambda: weight(3, 4), r=lambda: linear(4, 2))),
]  # fmt: skip
