"""Means whose weights are divided by their sum, however it is bracketed; beside what is none."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, linear, of, weight


def looked(run: Any) -> Any:
    """Attention of some kind, from separate projections."""
    return of(lambda m, x: m.o(run(m.q(x), m.k(x), m.v(x))).tanh(), (9, 4, 4),
              q=lambda: linear(4, 3), k=lambda: linear(4, 3), v=lambda: linear(4, 2),
              o=lambda: linear(2, 3))  # fmt: skip


def kernel(f: Any, g: Any = None, total: Any = lambda k: k.sum(1, True)) -> Any:
    """Linear attention, with a feature map for both sums and maybe another below."""

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        below = (g or f)(q) @ total(f(k)).mT
        return f(q) @ (f(k).mT @ v) / below

    return looked(run)


def inverse_first(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As performers spell it (Choromanski et al. 2021)."""
    q, k = F.softplus(q), F.softplus(k)
    inverse = 1.0 / torch.einsum("...nd,...d->...n", q, k.sum(-2))
    context = torch.einsum("...nd,...ne->...de", k, v)
    return torch.einsum("...de,...nd,...n->...ne", context, q, inverse)


def squared(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.mT).square()
    return scores / scores.sum(-1, keepdim=True) @ v


def rectified(q: Tensor, k: Tensor, v: Tensor, dim: int = -1) -> Tensor:
    scores = (q @ k.mT).sigmoid()
    return (scores / scores.sum(dim, keepdim=True)) @ v


def elu(z: Tensor) -> Tensor:
    return F.elu(z) + 1


def experts(rest: float) -> Any:
    """Gates over their sum, as many as there are experts."""

    def run(m: Any, x: Tensor) -> Tensor:
        gates = m.g(x).sigmoid()
        gates = gates / (gates.sum(-1, keepdim=True) + rest)
        return (gates[..., :1] * m.b(m.a(x).tanh()) + gates[..., 1:] * m.d(m.c(x).tanh())
                + m.s(x)).tanh()  # fmt: skip

    return of(run, (60, 3), g=lambda: linear(3, 2), a=lambda: linear(3, 2), b=lambda: linear(2, 3),
              c=lambda: linear(3, 2), d=lambda: linear(2, 3), s=lambda: linear(3, 3))  # fmt: skip


def two_sums(m: Any, x: Tensor) -> Tensor:
    """Weights that sum to one, and another index that is only added up."""
    p = (m.q(x) @ m.k(x).mT).softmax(-1)
    return (torch.einsum("bij,bjde->bid", p, m.v(x).unflatten(-1, (2, 3))) + m.b).tanh()


CASES = [
    Case("averages that are added up besides", "einsum", of(
         two_sums, (9, 4, 3), q=lambda: linear(3, 2), k=lambda: linear(3, 2),
         v=lambda: linear(3, 6), b=lambda: weight(2)),
         gap="values that are only seen added up", counts=(6, 24)),
    Case("linear attention", "matmul sum div.Tensor", kernel(elu)),
    Case("linear attention with the mean of the keys", "matmul mean", kernel(
         elu, total=lambda k: k.mean(1, True))),
    Case("linear attention of squares", "matmul square", kernel(torch.square)),
    Case("linear attention over another sum", "matmul sum", kernel(elu, torch.exp)),
    Case("linear attention over a little more", "matmul sum", kernel(
         elu, total=lambda k: k.sum(1, True) + 0.1)),
    Case("linear attention over some of the keys", "matmul sum", kernel(
         elu, total=lambda k: k[:, :2].sum(1, True))),
    Case("linear attention, inverse first", "einsum reciprocal", looked(inverse_first)),
    Case("squares of scores over their sum", "square sum", looked(squared)),
    Case("gates of scores over their sum", "sigmoid sum", looked(rectified)),
    Case("gates of scores over the sum of columns", "sigmoid sum", looked(
         lambda q, k, v: rectified(q, k, v, 1))),
    Case("experts over the sum of their gates", "sigmoid sum", experts(0.0)),
    Case("experts over a little more", "sigmoid sum", experts(0.1)),
]  # fmt: skip
