"""Products, norms, windows and losses in the spellings of torch.linalg and torch.nn.functional."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, between, linear, of, pair, weight

JUMPS = "a threshold whose derivative is zero"


def square(z: Tensor) -> Tensor:
    return z.unflatten(-1, (2, 2))


def special(z: Tensor) -> Tensor:
    s = torch.special
    return (z.tanh().erfinv() + z.lgamma() + z.digamma()
            + s.i0(z) + s.ndtr(z) + s.entr(z.square() + 0.1))  # fmt: skip


CASES = [
    Case("tensordot", "tensordot", of(
        lambda m, x: m.r(torch.tensordot(m.w(x), m.c, dims=([1], [0]))), (12, 3),
        w=lambda: linear(3, 4), c=lambda: weight(4, 3),
        r=lambda: linear(3, 2))),
    Case("column-times-row", "addr", of(
        lambda m, x: torch.addr(m.w(x), m.u(x).relu()[:, 0], m.v, beta=0.5, alpha=2.0), (12, 3),
        w=lambda: linear(3, 4), u=lambda: linear(3, 1), v=lambda: weight(4))),
    Case("cross", "cross linalg_cross", pair(
        lambda u, v: torch.linalg.cross(u, v) + torch.cross(v.tanh(), u.sin(), dim=-1))),
    Case("cross-alone", "linalg_cross", pair(lambda u, v: torch.linalg.cross(u, v)),
         gap="cofactors of a change of basis of both", counts=(2, 12)),
    Case("matrix-power", "linalg_matrix_power", between(
        lambda z: torch.linalg.matrix_power(square(z), 3).flatten(1))),
    Case("norm-of-rows", "linalg_norm", between(
        lambda z: z / torch.linalg.norm(z, dim=-1, keepdim=True))),
    Case("norm-of-matrices", "linalg_matrix_norm", between(
        lambda z: z / torch.linalg.matrix_norm(square(z)).unsqueeze(-1)),
        gap="rotations that mix both indices of a matrix", counts=(5, 7)),
    Case("size-of-a-difference", "dist", of(
        lambda m, x: m.w(x) * torch.dist(m.v(x), x), (12, 3), w=lambda: linear(3, 2),
        v=lambda: linear(3, 3)), gap="rotations of what a weight adds to its own input",
        counts=(4, 7)),
    Case("largest-so-far", "cummax", between(lambda z: z.cummax(-1).values),
         gap="a shift of all by the first, which is its own maximum", counts=(2, 3)),
    Case("smallest-so-far", "cummin", between(lambda z: z.cummin(-1).values),
         gap="a shift of all by the first, which is its own minimum", counts=(2, 3)),
    Case("both-extremes", "aminmax", between(lambda z: torch.stack(z.aminmax(dim=-1), -1), b=2)),
    Case("median-of-numbers", "nanmedian.dim", between(
        lambda z: z.nanmedian(-1, keepdim=True).values, b=1)),
    Case("overlapping-windows", "unfold", between(lambda z: z.unfold(-1, 2, 1).flatten(1), b=6),
         gap="entries that are read twice", counts=(2, 32)),
    Case("weighted-sum", "trapezoid.dx", between(
        lambda z: torch.trapezoid(z, dim=-1)[:, None], b=1)),
    Case("special-functions", "erfinv lgamma digamma special_i0 special_ndtr special_entr",
         between(special)),
    Case("soft-shrinkage", "softshrink", between(lambda z: F.softshrink(z, 0.1))),
    Case("hard-shrinkage", "hardshrink", between(lambda z: F.hardshrink(z, 0.1)), gap=JUMPS,
         counts=(0, 4)),
    Case("sign-of-another", "copysign.Tensor", pair(torch.copysign), gap=JUMPS, counts=(6, 15)),
    Case("soft-maximum-of-two", "logaddexp2", pair(torch.logaddexp2)),
    Case("parts-of-a-number", "complex _conj real", between(
        lambda z: (lambda c: (c * c.conj()).real)(torch.complex(z[:, :2], z[:, 2:])), b=2),
        gap="a turn of a complex number", counts=(2, 4)),
    Case("squares-of-differences", "mse_loss", pair(
        lambda u, v: F.mse_loss(u, v, reduction="none"))),
    Case("sizes-of-differences", "l1_loss", pair(
        lambda u, v: F.l1_loss(u, v, reduction="none"))),
    Case("bent-differences", "huber_loss smooth_l1_loss", pair(
        lambda u, v: F.huber_loss(u, v, reduction="none")
        + F.smooth_l1_loss(u, 2 * v, reduction="none"))),
    Case("divergences", "binary_cross_entropy_with_logits kl_div", pair(
        lambda u, v: F.binary_cross_entropy_with_logits(u, v, reduction="none")
        + F.kl_div(u, v.softmax(-1), reduction="none"))),
    Case("surprise", "cross_entropy_loss", between(
        lambda z: F.cross_entropy(z, torch.arange(12) % 4, reduction="none")[:, None], b=1)),
]  # fmt: skip
