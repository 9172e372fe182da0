"""Running sums, and what is divided by one of its own weights."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, linear, of, weight


def elu1(z: Tensor) -> Tensor:
    return F.elu(z) + 1


def mean(run: Any, t: int = 3, **more: Any) -> Any:
    """Of the values so far, by weights that are a function of keys."""

    def forward(m: Any, x: Tensor) -> Tensor:
        a, v = run(m.k(x)), m.v(x)
        return m.o(torch.cumsum(a * v, 1) / torch.cumsum(a, 1))

    return of(forward, (6, t, 3), k=lambda: linear(3, 3), v=lambda: linear(3, 3),
              o=lambda: linear(3, 2), **more)  # fmt: skip


def attention(m: Any, x: Tensor) -> Tensor:
    """Causal linear attention, one place after the other."""
    q, k, v = elu1(m.q(x)), elu1(m.k(x)), m.v(x)
    memory = torch.einsum("bld,blm->bldm", k, v).cumsum(1)
    total = torch.einsum("bld,bld->bl", q, k.cumsum(1))
    return m.o(torch.einsum("bld,bldm->blm", q, memory) / total[..., None])


def divided(m: Any, x: Tensor) -> Tensor:
    """By the running sum of something else."""
    return m.o(torch.cumsum(m.k(x).exp() * m.v(x), 1) / torch.cumsum(m.q(x).exp(), 1))


LAYERS = {name: (lambda: linear(3, 3)) for name in "qkv"}
CASES = [
    *(Case(f"a running mean of {t} by {name}", "cumsum", mean(run, t)) for t in (2, 3, 4)
      for name, run in (("exponentials", torch.exp), ("gates", torch.sigmoid), ("elu", elu1))),
    Case("causal linear attention", "cumsum", of(
        attention, (6, 3, 3), **LAYERS, o=lambda: linear(3, 2))),
    Case("a running sum over another running sum", "cumsum", of(
        divided, (6, 3, 3), **LAYERS, o=lambda: linear(3, 2))),
    *(Case(f"the mean so far of {t}", "cumsum", of(
        lambda m, x: m.o(m.v(x).cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]), (6, t, 3),
        v=lambda: linear(3, 3), o=lambda: linear(3, 2))) for t in (2, 3)),
    Case("running sums of features", "cumsum", of(
        lambda m, x: m.o(torch.tanh(m.v(x).cumsum(-1))), (9, 3), v=lambda: linear(3, 4),
        o=lambda: linear(4, 2))),
    Case("running sums of places and features", "cumsum", of(
        lambda m, x: m.o(torch.tanh(m.v(x).cumsum(1).cumsum(2))), (6, 3, 3),
        v=lambda: linear(3, 3), o=lambda: linear(3, 2))),
    Case("running sums of rows", "cumsum", of(
        lambda m, x: m.o(torch.tanh(x @ m.w.cumsum(0))), (9, 3), w=lambda: weight(3, 3),
        o=lambda: linear(3, 2))),
]  # fmt: skip
