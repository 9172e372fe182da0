"""Numbers that bound, cut, weigh or round: an end of a range is one only where it is reached."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, between, linear, of, pair, weight


def rows(places: Callable[[Tensor], Tensor], count: int = 6) -> Any:
    """Rows of a table that real numbers choose."""
    return of(lambda m, x: F.embedding(places(x), m.e).tanh().sum(1), (40, 3),
              e=lambda: weight(count, 2))  # fmt: skip


def tokens(places: Callable[[Tensor], Tensor], count: int) -> Any:
    """Rows of a table that integers choose."""
    make = of(lambda m, i: F.embedding(places(i), m.e).tanh().sum(1), (1,),
              e=lambda: weight(count, 2))  # fmt: skip

    def build() -> Any:
        return make()[0], (torch.randint(7, (40, 3)),)

    return build


def read(run: Callable[[Tensor], Tensor], n: int = 3, bias: bool = True) -> Any:
    """What is made of data, and a linear layer."""
    return of(lambda m, x: m.a(run(x)), (16, n), a=lambda: linear(n, 2, bias))


def mixed(run: Callable[[Any, Tensor], Tensor], **parts: Any) -> Any:
    """Rows of a table, mixed with shares of the data, and what is made of them."""
    return of(lambda m, x: m.c(run(m, x.softmax(-1) @ m.e)), (20, 6),
              e=lambda: weight(6, 4), c=lambda: linear(4, 5), **parts)  # fmt: skip


def picked(run: Callable[[Any, Tensor], Tensor], **parts: Any) -> Any:
    """The same of rows that the data picks."""
    make = of(lambda m, i: m.c(run(m, F.one_hot(i, 16).to(m.e.dtype) @ m.e)), (1,),
              e=lambda: weight(16, 4), c=lambda: linear(4, 5), **parts)  # fmt: skip

    def build() -> Any:
        return make()[0], (torch.randint(16, (20,)),)

    return build


def less(x: Tensor, part: float, dim: int = -1) -> Tensor:
    """A wire less a part of its mean."""
    return torch.sub(x, x.mean(dim, keepdim=True), alpha=part)


def apart(z: Tensor) -> Tensor:
    """A function of each entry, which nothing passes."""
    return (z + 0.1 * z.sin()).tanh()


def divided(bound: Callable[[Tensor], Tensor], scale: float = 1.0) -> Any:
    """A wire divided by a bound on its squares, and a function of that."""
    return between(lambda z: apart(scale * z / bound(z.square().sum(-1, keepdim=True))))


CASES = [
    Case("fraction of a real input", "linear", read(lambda x: x % 1)),
    Case("remainder of a real input", "linear", read(lambda x: torch.remainder(x, 2))),
    Case("fraction as a phase", "sin", of(
         lambda m, x: ((x % 1) * m.w + m.p).sin() @ m.c, (20, 3), w=lambda: weight(3),
         p=lambda: weight(3), c=lambda: weight(3, 2))),
    Case("rows by a remainder of a real number", "embedding", rows(
         lambda x: ((x % 3) * 2).long())),
    Case("rows by a number that is cut off", "embedding", rows(
         lambda x: (3 * x).clamp(0.2, 4.8).long())),
    Case("rows by a negative number that is cut off", "embedding", rows(
         lambda x: (3 * x).clamp(-0.9, 0.9).long() + 1, 3)),
    Case("rows by a remainder of an integer", "embedding", tokens(lambda i: i % 3, 5),
         bounds={"0": 7}),
    Case("rows by a sum over no dimension", "embedding", tokens(
         lambda i: (i[:, :1] > 5).long() + 0 * (i > 2).long().sum(dim=()), 3),
         bounds={"0": 7}),
    Case("half of the mean taken off", "sub.Tensor", between(lambda z: apart(less(z, 0.5)))),
    Case("the whole mean taken off", "sub.Tensor", between(lambda z: apart(less(z, 1.0)))),
    Case("twice the mean taken off", "sub.Tensor", between(lambda z: apart(less(z, 2.0)))),
    Case("half of the mean taken off data", "linear", read(lambda x: less(x, 0.5))),
    Case("the whole mean taken off data", "linear", read(lambda x: less(x, 1.0))),
    Case("the whole mean taken off data, in single precision", "linear", read(
         lambda x: less(x, 1.0).float().to(x.dtype))),
    Case("the whole mean taken off data, and rounded", "linear", read(
         lambda x: less(9 * x, 1.0).to(torch.int32).to(x.dtype))),
    Case("added no times", "add.Tensor", of(
         lambda m, x: apart(torch.add(m.w(x), m.v(x), alpha=0)), (12, 3), w=lambda: linear(3, 3),
         v=lambda: linear(3, 3))),
    Case("taken off no times", "sub.Tensor", of(
         lambda m, x: apart(torch.sub(m.w(x), m.v, alpha=0)), (12, 3), w=lambda: linear(3, 3),
         v=lambda: weight(1, 3))),
    Case("a product that is added to nothing", "addmm", of(
         lambda m, x: apart(torch.addmm(m.b, x, m.a, beta=0)), (12, 3), a=lambda: weight(3, 2),
         b=lambda: weight(2))),
    Case("a product that is added no times", "addmm", of(
         lambda m, x: apart(torch.addmm(m.b, x, m.a, alpha=0)), (12, 3), a=lambda: weight(3, 2),
         b=lambda: weight(2))),
    Case("an angle, guarded", "cosine_similarity", pair(
         lambda u, v: F.cosine_similarity(u, v)[:, None], 3, 1)),
    Case("an angle of long wires only", "cosine_similarity", pair(
         lambda u, v: apart(F.cosine_similarity(u, v, eps=1.0)[:, None]), 3, 1)),
    Case("normalised where it is long", "clamp_min", between(
         lambda z: apart(F.normalize(z, eps=1.0)))),
    Case("a distance from a number", "pairwise_distance", pair(
         lambda u, v: apart(F.pairwise_distance(u, v, eps=0.7)[:, None]), 3, 1)),
    Case("guarded from above", "clamp_max", divided(lambda s: s.clamp_max(1e-6), 1e-7)),
    Case("guarded from above by name", "clamp", divided(
         lambda s: torch.clamp(s, None, 1e-6), 1e-7)),
    Case("guarded below zero", "clamp", divided(lambda s: (-s).clamp(min=1e-6), 1e-7)),
    Case("guarded, and tiny", "clamp", divided(lambda s: (1e-9 * s).clamp(min=1e-6), 1e-7)),
    Case("guarded between two bounds", "clamp", divided(
         lambda s: s.clamp(min=1e-6, max=1e-5), 1e-6)),
    Case("guarded", "clamp_min", divided(lambda s: s.sqrt().clamp_min(1e-6))),
    Case("guarded mean of squares", "clamp", divided(lambda s: (s / 4).sqrt().clamp(min=1e-6))),
    Case("mixed rows", "matmul", mixed(lambda m, y: y)),
    Case("a function of mixed rows", "tanh", mixed(lambda m, y: y.tanh())),
    Case("a function of picked rows", "tanh", picked(lambda m, y: y.tanh()),
         bounds={"0": 16}),
    Case("mixed rows, normed", "rms_norm", mixed(lambda m, y: F.rms_norm(y, (4,), eps=0.0))),
    Case("picked rows, normed", "rms_norm", picked(lambda m, y: F.rms_norm(y, (4,), eps=0.0)),
         bounds={"0": 16}),
    Case("mixed rows, centred and normed", "layer_norm", mixed(
         lambda m, y: m.n(y), n=lambda: nn.LayerNorm(4, eps=0.1))),
    Case("picked rows, centred and normed", "layer_norm", picked(
         lambda m, y: m.n(y), n=lambda: nn.LayerNorm(4, eps=0.1)), bounds={"0": 16}),
    Case("mixed rows and a shift", "add.Tensor", mixed(
         lambda m, y: apart(y + m.b), b=lambda: weight(4))),
    Case("shares along the rows", "linear", read(lambda x: x.softmax(-1))),
    Case("shares of another dimension", "linear", read(lambda x: x.softmax(0))),
    Case("shares that are rounded", "linear", read(
         lambda x: (9 * x).softmax(-1).to(torch.int32).to(x.dtype))),
    Case("shares that are turned into truths", "linear", read(
         lambda x: (x.softmax(-1) * (x > 0)).to(torch.bool).to(x.dtype))),
    Case("shares in single precision", "linear", read(
         lambda x: x.softmax(-1).float().to(x.dtype))),
]  # fmt: skip
