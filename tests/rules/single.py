"""Dimensions with one entry: shares of one, means of one, a single step; beside those of two."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of


def attended(places: int) -> Any:
    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = m.i(x).chunk(3, -1)
        return m.o((q @ k.mT).softmax(-1) @ v).tanh()

    return of(run, (30, places, 4), i=lambda: linear(4, 9), o=lambda: linear(3, 2))


def pooled(places: int) -> Any:
    return of(lambda m, x: m.h((m.w(x).softmax(1) * x).sum(1)), (30, places, 3),
              w=lambda: linear(3, 1), h=lambda: linear(3, 2))  # fmt: skip


def gated(count: int) -> Any:
    """The sum of the gates is one."""

    def run(m: Any, x: Tensor) -> Tensor:
        gates = m.g(x).sigmoid()
        return m.h(m.a(x).tanh()) * (gates / gates.sum(-1, keepdim=True))[:, :1]

    return of(run, (40, 3), g=lambda: linear(3, count), a=lambda: linear(3, 2),
              h=lambda: linear(2, 2))  # fmt: skip


def chosen(m: Any, x: Tensor) -> Tensor:
    """The gate of the best of three over itself is one, and no derivative tells which it is of."""
    best = m.g(x).softmax(-1).topk(1, -1)
    each = torch.stack([m.a(x), m.b(x), m.c(x)], 1)
    return m.h(each.gather(1, best.indices[..., None].expand(-1, -1, 2))[:, 0].tanh()) * (
        best.values / best.values.sum(-1, keepdim=True))  # fmt: skip


def stepped(kind: Any, steps: int, width: int = 2, **options: Any) -> Any:
    return of(lambda m, x: m.h(m.f(x)[0]), (9, steps, 3),
              f=lambda: kind(3, 2, batch_first=True, **options),
              h=lambda: linear(width, 2))  # fmt: skip


def normed(size: int) -> Any:
    return of(lambda m, x: m.h(m.n(m.w(x))), (9, 2, size, size),
              w=lambda: nn.Conv2d(2, 3, 1), n=lambda: nn.GroupNorm(3, 3),
              h=lambda: nn.Conv2d(3, 2, 1))  # fmt: skip


CASES = [
    Case("attention to one place", "matmul softmax", attended(1)),
    Case("attention to two places", "matmul softmax", attended(2)),
    Case("pooling of one place", "softmax", pooled(1)),
    Case("pooling of two places", "softmax", pooled(2)),
    Case("one gate over its sum", "sum div.Tensor", gated(1)),
    Case("two gates over their sum", "sum div.Tensor", gated(2)),
    Case("the best gate over itself", "topk sum div.Tensor", of(
         chosen, (40, 3), g=lambda: linear(3, 3), a=lambda: linear(3, 2), b=lambda: linear(3, 2),
         c=lambda: linear(3, 2), h=lambda: linear(2, 2)),
         gap="moved by the router, the choice jumps", counts=(4, 12)),
    Case("gru of one step", "gru.input", stepped(nn.GRU, 1)),
    Case("gru of two steps", "gru.input", stepped(nn.GRU, 2)),
    Case("lstm of one step", "lstm.input", stepped(nn.LSTM, 1)),
    Case("lstm of one step, projected", "lstm.input", stepped(nn.LSTM, 1, 1, proj_size=1)),
    Case("rnn of one step", "rnn_relu.input", stepped(nn.RNN, 1, nonlinearity="relu")),
    Case("group norm of one entry", "group_norm", normed(1)),
    Case("group norm of four entries", "group_norm", normed(2)),
]  # fmt: skip
