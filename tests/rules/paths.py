"""Parallel paths behind gains and ranges, constant maps, translations behind products."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight


def batch_norm(n: int) -> nn.Module:
    norm = nn.BatchNorm2d(n)
    norm.running_mean.copy_(torch.randn(n))  # type: ignore[union-attr, arg-type]
    norm.running_var.copy_(torch.rand(n) + 0.5)  # type: ignore[union-attr, arg-type]
    return norm


def conv(n: int, m: int, k: int = 1, **more: Any) -> nn.Conv2d:
    more = {"padding": k // 2, "bias": False, **more}
    return nn.Conv2d(n, m, k, **more)


def images(run: Any, c: int = 2, **parts: Any) -> Any:
    return of(lambda m, x: m.head(run(m, x).relu()), (3, c, 4, 4), **parts,
              head=lambda: conv(c, 2))  # fmt: skip


def rows(run: Any, **parts: Any) -> Any:
    return of(lambda m, x: torch.tanh(run(m, x)), (12, 4), **parts)


def tokens(run: Any, **parts: Any) -> Any:
    def build() -> Any:
        net, (x,) = of(run, (5, 3), **parts)()
        return net, (torch.arange(5), x)

    return build


def film(m: Any, x: Tensor, c: Tensor) -> Tensor:
    s, t = m.film(c).chunk(2, 1)
    return m.head(F.silu(m.norm(x) * (1 + s) + t))


def unet(m: Any, x: Tensor, c: Tensor) -> Tensor:
    s, t = m.film(F.silu(m.time(c)))[:, :, None, None].chunk(2, 1)
    return m.head(F.silu(m.norm(m.stem(x)) * (1 + s) + t))


def apart(m: Any, x: Tensor, c: Tensor) -> Tensor:
    return m.head(torch.tanh(m.norm(x) * m.s(c) + m.t(c)))


def experts(mixture: Any) -> Any:
    """Three maps of what a bias is added to, and a mixture of them beside it."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.e(x.tanh())
        parts = [f(g(h).sin()) for f, g in ((m.a, m.p), (m.b, m.q), (m.c, m.s))]
        return (h + mixture(m.g(h).softmax(-1), *parts)).tanh()

    return of(run, (40, 4), e=lambda: linear(4, 2), g=lambda: linear(2, 3),
              **{n: lambda: linear(3, 2) for n in "abc"},
              **{n: lambda: linear(2, 3) for n in "pqs"})  # fmt: skip


PATHS = [
    Case("RepVGG", "conv2d batch_norm", images(
        lambda m, x: m.b3(m.w3(x)) + m.b1(m.w1(x)) + m.b0(x), w3=lambda: conv(2, 2, 3),
        w1=lambda: conv(2, 2), b3=lambda: batch_norm(2), b1=lambda: batch_norm(2),
        b0=lambda: batch_norm(2))),
    Case("RepVGG with a stride", "conv2d batch_norm", images(
        lambda m, x: m.b3(m.w3(x)) + m.b1(m.w1(x)), w3=lambda: conv(2, 2, 3, stride=2),
        w1=lambda: conv(2, 2, stride=2), b3=lambda: batch_norm(2), b1=lambda: batch_norm(2))),
    Case("a kernel at the edge of a larger one", "conv2d", images(
        lambda m, x: m.w3(x) + m.w1(x), w3=lambda: conv(2, 2, 3, stride=2),
        w1=lambda: conv(2, 2, 2, stride=2, padding=0))),
    Case("MobileOne, depthwise", "conv2d batch_norm", images(
        lambda m, x: m.b3(m.w3(x)) + m.b1(m.w1(x)) + m.b0(x), 3,
        w3=lambda: conv(3, 3, 3, groups=3), w1=lambda: conv(3, 3, groups=3),
        b3=lambda: batch_norm(3), b1=lambda: batch_norm(3), b0=lambda: batch_norm(3))),
    Case("diverse branches: 1x1 and 3x3 in a row beside 3x3", "conv2d", images(
        lambda m, x: m.g * m.w3(x) + m.v3(m.v1(x)), g=lambda: weight(2, 1, 1),
        w3=lambda: conv(2, 2, 3), v1=lambda: conv(2, 3), v3=lambda: conv(3, 2, 3))),
    Case("low rank beside a convolution", "conv2d", images(
        lambda m, x: m.w(x) + 0.5 * m.b(m.a(x)), w=lambda: conv(2, 2, 3),
        a=lambda: conv(2, 1, 3), b=lambda: conv(1, 2))),
    Case("two gains", "linear", rows(
        lambda m, x: m.g * m.w(x) + m.h * m.v(x), g=lambda: weight(3), h=lambda: weight(3),
        w=lambda: linear(4, 3), v=lambda: linear(4, 3))),
    Case("a gain on one side, a scale on the other", "linear", rows(
        lambda m, x: 2 * (m.g * m.w(x)) - m.s * m.v(x), g=lambda: weight(3), s=lambda: weight(1),
        w=lambda: linear(4, 3), v=lambda: linear(4, 3))),
    Case("a gain beside a matrix", "linear", rows(
        lambda m, x: m.w(x) + m.g * x, g=lambda: weight(4), w=lambda: linear(4, 4))),
    Case("a scale beside a gain", "mul.Tensor", rows(
        lambda m, x: m.s * x + m.g * x, g=lambda: weight(4), s=lambda: weight(1))),
    Case("low rank with biases beside a matrix", "linear", rows(
        lambda m, x: m.w(x) + m.b(m.a(x)), w=lambda: linear(4, 3), a=lambda: linear(4, 2),
        b=lambda: linear(2, 3))),
    Case("a range of a packed weight beside a matrix", "linear", rows(
        lambda m, x: torch.tanh(m.w(x)[:, :3]) + m.w(x)[:, 3:] + m.v(x),
        w=lambda: linear(4, 6), v=lambda: linear(4, 3))),
    Case("a table beside another", "embedding", tokens(
        lambda m, i, x: torch.tanh(m.w(m.e(i)) + m.v(i) + m.x(x)) + torch.sin(m.e(i)),
        e=lambda: nn.Embedding(5, 4), v=lambda: nn.Embedding(5, 4),
        w=lambda: linear(4, 4, False), x=lambda: linear(3, 4)), bounds={"0": 5}),
]  # fmt: skip

PRODUCTS = [
    Case("FiLM behind a norm with a bias", "layer_norm", of(
        film, (8, 4), (8, 5), norm=lambda: nn.LayerNorm(4), film=lambda: linear(5, 8),
        head=lambda: linear(4, 3))),
    Case("FiLM without a bias of its own", "layer_norm", of(
        film, (8, 4), (8, 5), norm=lambda: nn.LayerNorm(4), film=lambda: linear(5, 8, False),
        head=lambda: linear(4, 3))),
    Case("scale and shift from two layers", "layer_norm", of(
        apart, (8, 4), (8, 5), norm=lambda: nn.LayerNorm(4), s=lambda: linear(5, 4),
        t=lambda: linear(5, 4), head=lambda: linear(4, 3))),
    Case("a wire beside its product with another", "mul.Tensor", of(
        lambda m, x, c: m.head(torch.tanh(m.e(x)) * m.s(c) + torch.tanh(m.e(x))), (12, 4), (12, 5),
        e=lambda: linear(4, 4), s=lambda: linear(5, 4), head=lambda: linear(4, 3))),
    Case("a wire beside its product with itself", "mul.Tensor", of(
        lambda m, x: (lambda y: m.head(y + y * m.s(y)))(torch.tanh(m.e(x))), (12, 4),
        e=lambda: linear(4, 4), s=lambda: linear(4, 4), head=lambda: linear(4, 3))),
    Case("shift alone from another wire", "layer_norm", of(
        lambda m, x, c: m.head(torch.tanh(m.norm(x) * m.s(c) + m.t(c.sin()))), (8, 4), (8, 5),
        norm=lambda: nn.LayerNorm(4), s=lambda: linear(5, 4), t=lambda: linear(5, 4),
        head=lambda: linear(4, 3))),
    Case("diffusion block: GroupNorm, scale and shift", "group_norm", of(
        unet, (4, 2, 3, 3), (4, 3), stem=lambda: conv(2, 4), norm=lambda: nn.GroupNorm(2, 4),
        time=lambda: linear(3, 3), film=lambda: linear(3, 8), head=lambda: conv(4, 2))),
    Case("scores with biases", "linear", of(
        lambda m, x, y: torch.sin((m.u(x) * m.v(y)).sum(1) + m.a(x)[:, 0] + m.b(y)[:, 0]),
        (12, 4), (12, 3), u=lambda: linear(4, 2), v=lambda: linear(3, 2), a=lambda: linear(4, 1),
        b=lambda: linear(3, 1, False))),
]  # fmt: skip


def euler(m: Any, x: Tensor) -> Tensor:
    states = [m.e(x)]
    for _ in range(2):
        states.append(states[-1] + 0.1 * m.a(states[-1]))
    return torch.cat([m.r(x) for x in states], 1)


C = torch.randn(3, 4)
MAPS = [
    Case("identity beside a matrix", "linear", rows(
        lambda m, x: (lambda s: s + m.w(s))(m.e(x)), e=lambda: linear(4, 3),
        w=lambda: linear(3, 3))),
    Case("identity minus a matrix, between matrices", "linear", rows(
        lambda m, x: m.r((lambda s: 2 * s - m.w(s))(m.e(x))), e=lambda: linear(4, 3),
        w=lambda: linear(3, 3, False), r=lambda: linear(3, 3))),
    Case("identity beside a gain", "mul.Tensor", rows(
        lambda m, x: m.r((lambda s: s + m.g * s)(torch.relu(m.e(x)))), e=lambda: linear(4, 3),
        g=lambda: weight(3), r=lambda: linear(3, 3))),
    Case("a fixed matrix beside a free one", "linear", rows(
        lambda m, x: m.r((lambda s: F.linear(s, m.c) + m.w(s))(m.e(x))), c=lambda: C.clone(),
        e=lambda: linear(4, 4), w=lambda: linear(4, 3),
        r=lambda: linear(3, 3))),
    Case("steps of a linear flow", "linear", rows(
        euler, e=lambda: linear(4, 3, False), a=lambda: linear(3, 3, False),
        r=lambda: linear(3, 3))),
    Case("identity beside a convolution", "conv2d", images(
        lambda m, x: m.r((lambda s: s + m.w(s))(m.e(x))), 3, e=lambda: conv(3, 3),
        w=lambda: conv(3, 3, 3), r=lambda: conv(3, 3))),
    Case("identity beside a matrix for each head", "einsum", of(
        lambda m, x: torch.tanh(
            (lambda s: s + torch.einsum("bhd,hde->bhe", s, m.w))(m.e(x).view(-1, 2, 3))),
        (12, 4), e=lambda: linear(4, 6, False), w=lambda: weight(2, 3, 3))),
    Case("identity twice beside a matrix", "cat", rows(
        lambda m, x: m.r((lambda s: torch.cat([s, s], -1) + m.w(s))(m.e(x))),
        e=lambda: linear(4, 3, False), w=lambda: linear(3, 6, False), r=lambda: linear(6, 3))),
    Case("identity and a gain, joined, beside a matrix", "cat", rows(
        lambda m, x: m.r((lambda s: torch.cat([s, 2 * s.flip(-1)], -1) + m.w(s))(m.e(x))),
        e=lambda: linear(4, 3, False), w=lambda: linear(3, 6, False), r=lambda: linear(6, 3)),
        gap="a map of several wires is not followed further", counts=(18, 36)),
    Case("two wires, joined, beside a matrix of one", "cat", rows(
        lambda m, x: m.r(torch.cat([m.e(x), m.f(x)], -1) + m.w(m.e(x))),
        e=lambda: linear(4, 3, False), f=lambda: linear(4, 3, False),
        w=lambda: linear(3, 6, False), r=lambda: linear(6, 3)),
        gap="a map of several wires is not followed further", counts=(39, 48)),
    Case("identity beside what is not linear", "linear", rows(
        lambda m, x: (lambda s: s + m.w(torch.sin(s)))(m.e(x)), e=lambda: linear(4, 3, False),
        w=lambda: linear(3, 3, False))),
    Case("a bias beside positions, and one behind", "linear", of(
        lambda m, x: m.r(m.w(x) + m.p).tanh(), (6, 4, 3), w=lambda: linear(3, 3),
        p=lambda: weight(4, 3), r=lambda: linear(3, 2))),
    Case("three biases on one stream", "linear", rows(
        lambda m, x: (lambda s: m.o(s + m.b(m.a(s).tanh())))(m.e(x)), e=lambda: linear(4, 3),
        a=lambda: linear(3, 2), b=lambda: linear(2, 3), o=lambda: linear(3, 3))),
    Case("a shift that a reader without bias does not see", "linear", of(
        lambda m, x: (lambda s: m.r(s + m.o(m.a(s).tanh() * m.b(s))).sin())(m.i(x)), (48, 5),
        i=lambda: linear(5, 5), a=lambda: linear(5, 2, False), b=lambda: linear(5, 2),
        o=lambda: linear(2, 5), r=lambda: linear(5, 3))),
    Case("a shift that readers without bias see", "linear", of(
        lambda m, x: (lambda s: m.r(s + m.o(m.a(s).tanh() * m.b(s))).sin())(m.i(x)), (48, 4),
        i=lambda: linear(4, 4), a=lambda: linear(4, 2, False), b=lambda: linear(4, 2, False),
        o=lambda: linear(2, 4), r=lambda: linear(4, 3))),
    Case("products of a norm and another wire", "einsum softmax", of(
        lambda m, x, y: torch.einsum("bi,bj,oij->bo", m.a(x).softmax(-1), y, m.b).sin(),
        (24, 3), (24, 2), a=lambda: linear(3, 3), b=lambda: weight(2, 3, 2))),
    Case("products of a centred norm and another wire", "einsum layer_norm", of(
        lambda m, x, y: torch.einsum(
            "bi,bj,oij->bo", F.layer_norm(m.a(x), (3,), eps=0.1), y, m.b).sin(),
        (24, 3), (24, 2), a=lambda: linear(3, 3), b=lambda: weight(2, 3, 2))),
    Case("gain beside a matrix", "linear", rows(
        lambda m, x: torch.tanh((lambda s: m.g * s + m.w(s))(m.e(x))), e=lambda: linear(4, 3),
        g=lambda: weight(3), w=lambda: linear(3, 3))),
    Case("identity and a multiple beside a matrix", "linear", rows(
        lambda m, x: torch.tanh((lambda s: s + m.w(s) + m.g * s)(m.e(x))),
        e=lambda: linear(4, 3, False), g=lambda: weight(1), w=lambda: linear(3, 3, False))),
    Case("gain beside a matrix, read as well", "linear", rows(
        lambda m, x: torch.tanh((lambda s: m.g * s + m.w(s) + s.sin())(m.e(x))),
        e=lambda: linear(4, 3), g=lambda: weight(3), w=lambda: linear(3, 3))),
    Case("two gains beside two matrices", "linear", rows(
        lambda m, x: torch.tanh((lambda s: m.g * s + m.w(s))(m.g * m.e(x) + m.v(m.e(x)))),
        e=lambda: linear(4, 3), g=lambda: weight(3), w=lambda: linear(3, 3),
        v=lambda: linear(3, 3))),
    Case("maps mixed by shares", "softmax", rows(
        lambda m, x: (lambda s: s[0] * m.u(x) + s[1] * m.v(x) + m.w(x))(m.s.softmax(0)),
        s=lambda: weight(2), u=lambda: linear(4, 3), v=lambda: linear(4, 3),
        w=lambda: linear(4, 3))),
    Case("a map behind a gate beside another", "sigmoid", rows(
        lambda m, x: m.g.sigmoid() * m.u(x) + m.v(x), g=lambda: weight(1),
        u=lambda: linear(4, 3), v=lambda: linear(4, 3))),
    Case("functions mixed by shares", "softmax", rows(
        lambda m, x: (lambda s: s[0] * m.u(x).tanh() + s[1] * m.v(x).sin())(m.s.softmax(0)),
        s=lambda: weight(2), u=lambda: linear(4, 3), v=lambda: linear(4, 3))),
    Case("identity beside a low rank", "linear", rows(
        lambda m, x: (lambda s: s + m.b(m.a(s)))(m.e(x)), e=lambda: linear(4, 3, False),
        a=lambda: linear(3, 1, False), b=lambda: linear(1, 3, False)),
        gap="what comes before takes up an invertible map", counts=(1, 6)),
]  # fmt: skip

EXPERTS = [
    Case("experts with biases, one by one", "softmax", experts(
        lambda g, a, b, c: g[:, :1] * a + g[:, 1:2] * b + g[:, 2:] * c)),
    Case("experts of which one is left out", "softmax", experts(
        lambda g, a, b, c: g[:, :1] * a + g[:, 1:2] * b + 0.1 * c)),
    Case("a gate and what is left of it", "sigmoid", experts(
        lambda g, a, b, c: (lambda t: t * a + (1 - t) * b + 0 * c)(c.sigmoid()))),
    Case("a gate and what is left of twice as much", "sigmoid", experts(
        lambda g, a, b, c: (lambda t: t * a + (2 - t) * b + 0 * c)(c.sigmoid()))),
    Case("a gate and what another leaves", "sigmoid", experts(
        lambda g, a, b, c: c.sigmoid() * a + (1 - c.sin()) * b)),
    Case("modulated features beside what they are made of", "cat", rows(
        lambda m, x: m.r(torch.cat([m.u(x) * m.v(m.s(x).sin()), x], -1)), s=lambda: linear(4, 3),
        u=lambda: linear(4, 2), v=lambda: linear(3, 2), r=lambda: linear(6, 5))),
    Case("modulated features beside others", "cat", rows(
        lambda m, x: m.r(torch.cat([m.u(x) * m.v(m.s(x).sin()), x.sin()], -1)),
        s=lambda: linear(4, 3), u=lambda: linear(4, 2), v=lambda: linear(3, 2),
        r=lambda: linear(6, 5))),
]  # fmt: skip


def _beside(resize: Any) -> Any:
    """Two convolutions into one sum, one of what has been resized."""
    return of(lambda m, x: m.r((m.a(x) + m.b(resize(x))).tanh()), (4, 2, 4, 4),
              a=lambda: conv(2, 3), b=lambda: conv(2, 3), r=lambda: conv(3, 2))  # fmt: skip


# To the size that it has already, a picture is what it was, but not where a factor is given.
RESIZED = [
    *(Case(f"resized to its own size, {mode}", "conv2d", _beside(
        lambda x, mode=mode: F.interpolate(x, x.shape[2:], mode=mode)))
      for mode in ("nearest", "bilinear", "bicubic")),
    Case("resized there and back", "conv2d", _beside(
        lambda x: F.interpolate(F.interpolate(x, (2, 2)), (4, 4)))),
    Case("resized by a factor that is rounded", "conv2d", _beside(
        lambda x: F.interpolate(x, scale_factor=1.2, mode="bicubic"))),
]  # fmt: skip

CASES = [*PATHS, *PRODUCTS, *MAPS, *EXPERTS, *RESIZED]
