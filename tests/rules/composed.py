"""Operations that are several in one, entries scattered by an index, derivatives as operations."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, between, linear, of, pair, sequences, weight

ROWS = torch.tensor([2, 0, 2, 1])


def named(z: Tensor) -> Tensor:
    """The rows as an index into [batch, rows, features], the same for all features."""
    return ROWS.view(1, 4, 1).expand_as(z)


def put(x: Tensor, rows: Tensor, y: Tensor, add: bool = False) -> Tensor:
    return torch.ops.aten.index_put(x, [None, rows], y, add)


def messages(z: Tensor) -> Tensor:
    return torch.zeros(4, 3, 4, dtype=z.dtype).scatter_add(1, named(z), z)


def largest(z: Tensor, normed: bool = False) -> Tensor:
    """The two largest entries where they were, all others zero."""
    best = z.topk(2, -1)
    values = best.values / best.values.sum(-1, True) if normed else best.values
    return torch.zeros_like(z).scatter(-1, best.indices, values)


def reduced(how: str, start: float, own: bool) -> Any:
    def run(z: Tensor) -> Tensor:
        first = torch.full((4, 3, 4), start, dtype=z.dtype)
        return first.scatter_reduce(1, named(z), z, how, include_self=own).relu()

    return sequences(run)


def ragged(z: Tensor) -> Tensor:
    places = torch.tensor([[2, 0, 1, 1], [1, 1, 0, 2], [0, 2, 2, 1], [2, 2, 0, 0]]).T
    return torch.zeros(4, 3, 4, dtype=z.dtype).scatter_add(1, places.expand(4, 4, 4), z)


def towers(run: Any) -> Any:
    return of(lambda m, x, y: run(m.u(x), m.v(y)), (6, 3), (6, 3), u=lambda: linear(3, 2),
              v=lambda: linear(3, 2))  # fmt: skip


def slope(act: Any) -> Any:
    """The gradient of a perceptron by its input."""

    def run(m: Any, x: Tensor) -> Tensor:
        x = x.requires_grad_(True)
        y = m.r(act(m.w(x))).square().sum()
        return torch.autograd.grad(y, x, create_graph=True)[0]

    return of(run, (24, 3), w=lambda: linear(3, 3), r=lambda: linear(3, 2))


def kronecker(m: Any, x: Tensor) -> Tensor:
    return m.r(torch.tanh(x @ torch.kron(m.a, m.c).T))


def spread(m: Any, x: Tensor) -> Tensor:
    one, two = torch.broadcast_tensors(m.w(x)[:, None], m.t)
    return m.r((one * two).sin())


def steps(m: Any, z: Tensor, n: int = 3) -> Tensor:
    """Explicit steps of one flow: every step reads and adds with the same weights."""
    for _ in range(n):
        z = z + 0.5 * m.b(torch.tanh(m.a(z)))
    return z


def of_two(m: Any, z: Tensor) -> Tensor:
    """Two steps that share nothing but a bias."""
    z = z + torch.tanh(m.a(z) + m.s)
    return z + torch.tanh(m.b(z) + m.s)


CASES = [
    Case("steps of a flow between wider layers", "add.Tensor", of(
        lambda m, x: m.r(steps(m, m.w(x))), (12, 2), w=lambda: linear(2, 3),
        a=lambda: linear(3, 4), b=lambda: linear(4, 3), r=lambda: linear(3, 2))),
    Case("a sum over pieces that are stacked", "sum", of(
        lambda m, x: torch.tanh(torch.stack([m.a(x), torch.tanh(m.b(x)) + m.s], 1).sum(1) + m.c),
        (12, 3), a=lambda: linear(3, 2), b=lambda: linear(3, 2), s=lambda: weight(2),
        c=lambda: weight(2))),
    Case("a mean over pieces that are stacked", "mean", of(
        lambda m, x: torch.tanh(torch.stack([m.a(x), torch.tanh(m.b(x)) + m.s], 1).mean(1) + m.c),
        (12, 3), a=lambda: linear(3, 2), b=lambda: linear(3, 2), s=lambda: weight(2),
        c=lambda: weight(2))),
    Case("steps that share a bias alone", "add.Tensor", of(
        lambda m, x: m.r(of_two(m, m.w(x))), (12, 3), w=lambda: linear(3, 3),
        a=lambda: linear(3, 3, False), b=lambda: linear(3, 3, False), s=lambda: weight(3),
        r=lambda: linear(3, 2))),
    Case("noise", "randn_like rand_like randint_like", between(
         lambda z: (z + torch.randn_like(z) - 1 / (1 + torch.rand_like(z))
                    + torch.randint_like(z, 3)).relu())),
    Case("bilinear-form", "bilinear", of(
         lambda m, x, y: m.r(m.n(m.u(x), y)), (16, 3), (16, 2), u=lambda: linear(3, 3, False),
         n=lambda: torch.nn.Bilinear(3, 2, 2), r=lambda: linear(2, 2))),
    Case("vdot", "vdot", of(
         lambda m, x: m.r((x @ m.w / torch.vdot(m.u, m.w @ m.v)).tanh()), (16, 3),
         w=lambda: weight(3, 4), u=lambda: torch.randn(3), v=lambda: torch.randn(4),
         r=lambda: linear(4, 2))),
    Case("inner", "inner", towers(lambda u, v: torch.inner(u.relu(), v.relu()))),
    Case("kron", "kron", of(kronecker, (24, 4), a=lambda: weight(2, 2), c=lambda: weight(2, 2),
         r=lambda: linear(4, 2))),
    Case("broadcast-tensors", "broadcast_tensors", of(spread, (16, 3), w=lambda: linear(3, 4),
         t=lambda: weight(2, 4), r=lambda: linear(4, 2))),
    Case("cdist", "cdist", towers(torch.cdist)),
    Case("cdist-one", "cdist", towers(lambda u, v: torch.cdist(u, v, p=1.0))),
    Case("pairwise-distance", "pairwise_distance", towers(F.pairwise_distance)),
    Case("cumprod", "cumprod", sequences(lambda z: z.cumprod(1), 2)),
    Case("rot90", "rot90", of(
         lambda m, x: m.r(F.conv2d(x, torch.rot90(m.k, 1, (2, 3))).relu()), (4, 2, 4, 4),
         k=lambda: weight(3, 2, 2, 2), r=lambda: torch.nn.Conv2d(3, 2, 1))),
    Case("scatter-add", "scatter_add", sequences(messages)),
    Case("scatter-add-relu", "scatter_add", sequences(lambda z: messages(z).relu())),
    Case("scatter-add-ragged", "scatter_add", sequences(lambda z: ragged(z.relu()))),
    Case("scatter-mean", "scatter_reduce.two", reduced("mean", 0.0, False)),
    Case("scatter-max", "scatter_reduce.two", reduced("amax", -torch.inf, True)),
    Case("scatter-max-own", "scatter_reduce.two", sequences(
         lambda z: z[:, :3].scatter_reduce(1, named(z), z, "amax")),
         gap="equal shifts of rows that are compared", counts=(4, 8)),
    Case("scatter-product", "scatter_reduce.two", reduced("prod", 1.0, True),
         rigid=("aten.scatter_reduce.two",)),
    Case("scatter-rows", "scatter.src", sequences(
         lambda z: z.relu().scatter(1, named(z)[:, :2], z[:, 2:].relu()))),
    Case("scatter-largest", "topk scatter.src", between(largest),
         gap="a choice that no derivative sees", counts=(1, 4)),
    Case("scatter-gates", "softmax topk scatter.src", of(
         lambda m, x: (lambda g: g[:, :1] * m.a(x).tanh() + g[:, 1:2] * m.b(x).sin()
                       + g[:, 2:] * m.c(x).sigmoid())(largest(m.w(x).softmax(-1), True)),
         (48, 3), w=lambda: linear(3, 3), a=lambda: linear(3, 2), b=lambda: linear(3, 2),
         c=lambda: linear(3, 2))),
    Case("index-copy", "index_copy", sequences(
         lambda z: z.relu().index_copy(1, ROWS[:2], z[:, 2:].relu()))),
    Case("index-put", "index_put", sequences(
         lambda z: put(z.relu(), ROWS[:2], z[:, 2:].relu()))),
    Case("index-put-otherwise", "index_put", sequences(
         lambda z: put(z.relu(), ROWS[:2], z[:, 2:].tanh()))),
    Case("index-put-mask", "index_put", sequences(
         lambda z: put(z.relu(), ROWS == 2, z[:, 2:].relu()))),
    Case("index-put-mask-of-bytes", "index_put", sequences(  # a mask, not the rows 1, 0, 1, 0
         lambda z: put(z.relu(), (ROWS == 2).to(torch.uint8), z[:, 2:].relu()))),
    Case("index-put-one", "index_put", sequences(
         lambda z: put(z.relu(), ROWS[:2], z[:, 2:3].relu()))),
    Case("index-put-sum", "index_put", sequences(
         lambda z: put(z.relu(), ROWS[:2], z[:, 2:].relu(), True))),
    Case("index-put-all", "index_put", sequences(
         lambda z: put(torch.zeros_like(z), ROWS < 3, z) + z.tanh().cos())),
    Case("index-put-all-of-a-norm", "index_put", sequences(
         lambda z: F.layer_norm(put(torch.zeros_like(z), ROWS < 3, z), (4,)).tanh())),
    Case("log-softmax-spelled", "sub.Tensor logsumexp", between(
         lambda z: z - z.logsumexp(-1, keepdim=True))),
    Case("log-softmax-spelled-late", "sub.Tensor logsumexp", between(
         lambda z: z - z.logsumexp(-1).unsqueeze(-1))),
    Case("logsumexp-of-another", "sub.Tensor logsumexp", pair(
         lambda u, v: (u - v.logsumexp(-1, keepdim=True)).tanh())),
    *(
        Case(f"slope-{name}", f"{name}_backward", slope(act))
        for name, act in {
            "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu,
            "softplus": F.softplus, "threshold": torch.relu,
        }.items()
    ),
]  # fmt: skip
