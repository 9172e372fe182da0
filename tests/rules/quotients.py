"""Wires over a sum of theirs, or over another that is made of the same."""

from typing import Any

import torch
from torch import Tensor

from tests.rules.harness import Case, linear, of, weight


def over(run: Any, bias: bool = True, **parts: Any) -> Any:
    """A layer, what is made of it, and a layer."""
    return of(lambda m, x: m.r(run(m, m.a(x))), (12, 3), a=lambda: linear(3, 4, bias),
              r=lambda: linear(4, 3), **parts)  # fmt: skip


def summed(run: Any, bias: bool = True) -> Any:
    """A layer over what is made of its sum."""
    return over(lambda m, z: z / run(z.sum(-1, keepdim=True)), bias)


def ratio(run: Any = lambda z: z, width: int = 1, last: bool = True) -> Any:
    """One layer over another of the same input."""
    return of(lambda m, x: m.r(m.a(x) / run(m.b(x))), (12, 3), a=lambda: linear(3, 4),
              b=lambda: linear(3, width), r=lambda: linear(4, 3, last))  # fmt: skip


def weighed(m: Any, z: Tensor) -> Tensor:
    return z * m.w / (z * m.w).sum(-1, keepdim=True)


def beside(m: Any, x: Tensor) -> Tensor:
    z = m.a(x)
    return m.r(z / (z.sum(-1, keepdim=True) + x[:, :1].square()))


def placed(m: Any, x: Tensor) -> Tensor:
    z = m.a(x)
    return m.r(z / (1 + z.sum(-1, keepdim=True))) + m.p


def half(m: Any, x: Tensor) -> Tensor:
    """Of which a part is data."""
    z = torch.cat([m.a(x), x], -1)
    return m.r(z / z.sum(-1, keepdim=True))


CASES = [
    Case("over its sum", "sum div.Tensor", summed(lambda d: d)),
    Case("over its sum, without a bias", "sum div.Tensor", summed(lambda d: d, bias=False)),
    Case("over its mean", "mean div.Tensor", over(lambda m, z: z / z.mean(-1, keepdim=True))),
    Case("over the sum of everything", "sum div.Tensor", over(lambda m, z: z / z.sum())),
    Case("over a little and its sum", "sum div.Tensor", summed(lambda d: 1e-3 + d)),
    Case("over one less its sum", "sum", summed(lambda d: 1 - d)),
    Case("over the size of its sum", "sum abs", summed(lambda d: d.abs())),
    Case("over the square of its sum", "sum square", summed(lambda d: d.square())),
    Case("over its sum above a bound", "sum clamp", summed(lambda d: d.clamp(min=1e-6))),
    Case("over a function of its sum", "sum tanh", summed(lambda d: 2 + d.tanh())),
    Case("times its sum", "sum mul.Tensor", over(lambda m, z: z * z.sum(-1, keepdim=True))),
    Case("over its sum, and as it is", "sum div.Tensor", over(
         lambda m, z: z / z.sum(-1, keepdim=True) + z)),
    Case("rectified, over its sum", "sum leaky_relu", over(
         lambda m, z: torch.nn.functional.leaky_relu(z) / z.sum(-1, keepdim=True))),
    Case("gates over their sum", "sum sigmoid", over(
         lambda m, z: z.sigmoid() / z.sigmoid().sum(-1, keepdim=True))),
    Case("weighed, over its sum", "sum mul.Tensor", over(weighed, w=lambda: weight(4))),
    Case("another over a sum", "sum div.Tensor", of(
         lambda m, x: m.r(m.u(x) / m.a(x).sum(-1, keepdim=True)), (12, 3),
         a=lambda: linear(3, 4), u=lambda: linear(3, 4), r=lambda: linear(4, 3))),
    Case("over its sum and data", "sum div.Tensor", of(
         beside, (12, 3), a=lambda: linear(3, 4), r=lambda: linear(4, 3))),
    Case("over a sum that is partly data", "cat sum", of(
         half, (12, 3), a=lambda: linear(3, 2), r=lambda: linear(5, 3)),
         gap="bases of wires that are joined act block by block", counts=(5, 11)),
    Case("one layer over another", "div.Tensor", ratio()),
    Case("one layer over another, entry by entry", "div.Tensor", ratio(width=4)),
    Case("one layer over another, without a bias behind", "div.Tensor", ratio(last=False)),
    Case("one layer over the square of another", "square", ratio(torch.square)),
    Case("one layer over a function of another", "tanh", ratio(lambda d: 2 + d.tanh())),
    Case("a layer and its input over another", "div.Tensor", of(
         lambda m, x: m.r((m.a(m.i(x).tanh()) + m.i(x).tanh()) / m.b(m.i(x).tanh())), (30, 3),
         i=lambda: linear(3, 4), a=lambda: linear(4, 4), b=lambda: linear(4, 1),
         r=lambda: linear(4, 3))),
    Case("places over their sums, behind which each is shifted", "sum div.Tensor", of(
         placed, (30, 3, 3), a=lambda: linear(3, 4), r=lambda: linear(4, 3),
         p=lambda: weight(3, 3))),
    Case("places over their sums, each of its own scale", "sum div.Tensor", of(
         lambda m, x: m.p * placed(m, x), (30, 3, 3), a=lambda: linear(3, 4),
         r=lambda: linear(4, 3), p=lambda: weight(3, 3))),
    Case("over a weighted sum", "matmul", over(
         lambda m, z: z / (z @ m.w)[:, None], w=lambda: weight(4))),
    Case("over a layer of it", "linear", over(lambda m, z: z / m.l(z), l=lambda: linear(4, 1))),
    Case("over a function of a layer of it", "linear tanh", over(
         lambda m, z: z / (2 + m.l(z).tanh()), l=lambda: linear(4, 1))),
]  # fmt: skip
