"""Streams that are read raw and then centred: what adds to all entries alike is not seen."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight


def encoder(**more: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(4, 2, 3, dropout=0.0, batch_first=True, **more)


def residual(m: Any, x: Tensor, norm: Any) -> Tensor:
    x = m.e(x)
    return m.r(torch.tanh(norm(x + m.b(torch.tanh(m.a(x))))))


def ended(norm: Any, **more: Any) -> Any:
    return of(lambda m, x: residual(m, x, norm), (12, 6), e=lambda: linear(6, 4, False),
              a=lambda: linear(4, 3, False), b=lambda: linear(3, 4, False),
              r=lambda: linear(4, 2), **more)  # fmt: skip


def first_layer(m: Any, x: Tensor) -> Tensor:
    """The first layer of a decoder whose target is zero: its values are all equal."""
    target = torch.zeros_like(m.queries).expand(len(x), -1, -1)
    q, k, v = m.q(target + m.queries), m.k(target + m.queries), m.v(target)
    y = target + m.o((q @ k.mT).softmax(-1) @ v)
    return m.head((x[:, None] + y).tanh())


def halves(m: Any, x: Tensor) -> Tensor:
    """Rotary positions on even and odd entries, which leave as two halves."""
    angle = torch.arange(5.0)[:, None] * torch.tensor([1.0, 0.1])

    def turned(z: Tensor) -> Tensor:
        u, w = z[..., ::2], z[..., 1::2]
        return torch.cat([u * angle.cos() - w * angle.sin(), w * angle.cos() + u * angle.sin()], -1)

    return (turned(m.q(x)) @ turned(m.k(x)).mT).softmax(-1) @ x


def few(m: Any, x: Tensor) -> Tensor:
    """Rotary positions, fewer than each has entries."""
    angle = torch.arange(4.0)[:, None] * torch.linspace(1.0, 0.1, 8).repeat(2)

    def turned(z: Tensor) -> Tensor:
        return z * angle.cos() + torch.cat([-z[..., 8:], z[..., :8]], -1) * angle.sin()

    return (turned(m.q(x)) @ turned(m.k(x)).mT).softmax(-1) @ x


def looked_up(norm: Any) -> Any:
    return rows(lambda m, x, i: m.out(torch.tanh(norm(m.e(i)) + m.x(x))))


def between_norms(before: Any, behind: Any, width: int = 4) -> Any:
    """A gain between two norms: one layer of an encoder, without attention."""

    def run(m: Any, x: Tensor) -> Tensor:
        y = before(m.e(x)) * m.g + m.c
        found: Tensor = m.r(behind(y + m.b(torch.tanh(m.a(y)))))
        return found

    return of(
        run, (16, 5), e=lambda: linear(5, width), g=lambda: weight(width), c=lambda: weight(width),
        a=lambda: linear(width, 3), b=lambda: linear(3, width), r=lambda: linear(width, 2),
    )  # fmt: skip


def centred(z: Tensor) -> Tensor:
    return F.layer_norm(z, z.shape[-1:], eps=0.1)


def scaled(z: Tensor) -> Tensor:
    return F.rms_norm(z, z.shape[-1:], eps=0.1)


def rows(run: Any, **parts: Any) -> Any:
    """A model of some data and of one row of a table for each."""
    make = of(run, (5, 3), e=lambda: nn.Embedding(5, 4), x=lambda: linear(3, 4),
              out=lambda: linear(4, 2), **parts)  # fmt: skip

    def build() -> Any:
        net, (x,) = make()
        return net, (x, torch.arange(5))

    return build


def twice(m: Any, x: Tensor, i: Tensor) -> Tensor:
    """Rows that go on as they are, and through a norm."""
    e = m.e(i)
    return m.out(torch.tanh(e + m.b(torch.tanh(m.a(m.n(e)) + m.z(x))) + m.x(x)))


read_twice = rows(
    twice, n=lambda: nn.LayerNorm(4), z=lambda: linear(3, 3, False),
    a=lambda: linear(4, 3, False), b=lambda: linear(3, 4, False),
)  # fmt: skip


TWICE = {"a": lambda: nn.RMSNorm(4, eps=0.1), "b": lambda: nn.RMSNorm(4, eps=0.2)}


def routed(gate: Any, bias: bool = False) -> Any:
    """A stream behind attention, which a router reads beside two experts with biases."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.e(x).tanh()
        heads = [z.unflatten(-1, (2, 2)).transpose(1, 2) for z in (m.q(h), m.k(h), m.v(h))]
        y = (heads[0] @ heads[1].mT).softmax(-1) @ heads[2]
        h = h + m.o(y.transpose(1, 2).flatten(2))
        g = gate(m.g(h))
        return m.r(h + g[..., :1] * m.a(h).tanh() + g[..., 1:] * m.b(h).tanh())

    parts = {n: (lambda: linear(3, 4)) for n in "qkv"}
    return of(run, (12, 3, 4), e=lambda: linear(4, 3), o=lambda: linear(4, 3, False),
              g=lambda: linear(3, 2, bias), a=lambda: linear(3, 3), b=lambda: linear(3, 3),
              r=lambda: linear(3, 2), **parts)  # fmt: skip


def grouped(norm: Any, bias: bool, gate: Any = lambda z: z.softmax(-1)) -> Any:
    """Two heads of five entries that share keys and values, of a stream of three."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.e(x).tanh()
        q, k, v = (z.unflatten(-1, (-1, 5)).transpose(1, 2) for z in
                   (m.q(m.n(h)), m.k(m.n(h)), m.v(m.n(h))))  # fmt: skip
        return (h + m.o((gate(q @ k.mT) @ v).transpose(1, 2).flatten(2))).tanh()

    return of(run, (12, 3, 4), e=lambda: linear(4, 3), n=norm, q=lambda: linear(3, 10, bias),
              k=lambda: linear(3, 5, bias), v=lambda: linear(3, 5, bias),
              o=lambda: linear(10, 3, bias))  # fmt: skip


def twice(m: Any, x: Tensor, second: Any = None) -> Tensor:
    """Attention without biases behind a norm with one, used twice: it leans on the relation."""
    h = m.e(x).tanh()
    for norm in (m.n, second or m.n):
        n = norm(h)
        h = h + m.o((m.q(n) @ m.k(n).mT).softmax(-1) @ m.v(n))
    return h.tanh()


CASES = [
    Case("a router without a bias", "softmax", routed(lambda z: z.softmax(-1))),
    Case("gates without a bias", "sigmoid", routed(torch.sigmoid)),
    Case("gates with a bias", "sigmoid", routed(torch.sigmoid, True)),
    Case("shared keys wider than the stream", "layer_norm", grouped(
         lambda: nn.LayerNorm(3, bias=False), True)),
    Case("shared keys wider than the stream, no biases", "rms_norm", grouped(
         lambda: nn.RMSNorm(3), False)),
    Case("shared keys wider than the stream, gates", "sigmoid", grouped(
         nn.Identity, False, torch.sigmoid)),
    Case("attention without biases that is used twice", "layer_norm", of(
         twice, (12, 3, 4), e=lambda: linear(4, 4), n=lambda: nn.LayerNorm(4),
         **{n: (lambda: linear(4, 3, False)) for n in "qkv"}, o=lambda: linear(3, 4, False))),
    Case("attention that is used twice behind two norms", "layer_norm", of(
         lambda m, x: twice(m, x, m.p), (12, 3, 4), e=lambda: linear(4, 4),
         n=lambda: nn.LayerNorm(4), p=lambda: nn.LayerNorm(4),
         **{n: (lambda: linear(4, 3, False)) for n in "qkv"}, o=lambda: linear(3, 4, False)),
         gap="gains and shifts of two norms that one layer reads", counts=(19, 22)),
    Case("post-norm stream", "layer_norm", ended(lambda z: F.layer_norm(z, (4,)))),
    Case("post-norm stream, eps zero", "layer_norm",
         ended(lambda z: F.layer_norm(z, (4,), eps=0.0))),
    Case("stream that only its mean leaves", "sub.Tensor",
         ended(lambda z: z - z.mean(-1, keepdim=True))),
    Case("stream before a softmax", "softmax", ended(lambda z: z.softmax(-1))),
    Case("stream before a norm without a mean", "rms_norm",
         ended(lambda z: F.rms_norm(z, (4,), eps=0.1))),
    Case("stream before a norm of groups", "group_norm", ended(lambda z: F.group_norm(z, 2)),
         gap="one direction for each group, and matrices across groups", counts=(10, 18)),
    Case("post-norm stream with a gain and a position", "layer_norm",
         of(lambda m, x: residual(m, x, lambda z: F.layer_norm(z * m.g + m.p, (4,))), (8, 3, 6),
            e=lambda: linear(6, 4), a=lambda: linear(4, 3), b=lambda: linear(3, 4),
            g=lambda: weight(4), p=lambda: weight(3, 4), r=lambda: linear(4, 2))),
    Case("attention over equal values", "softmax", of(
        first_layer, (8, 4), queries=lambda: weight(3, 4), q=lambda: linear(4, 4),
        k=lambda: linear(4, 4), v=lambda: linear(4, 4), o=lambda: linear(4, 4),
        head=lambda: linear(4, 2))),
    Case("rotary halves of even and odd entries", "cat", of(
        halves, (4, 5, 4), q=lambda: linear(4, 4, False), k=lambda: linear(4, 4, False))),
    Case("rotary halves at fewer positions than entries", "cat", of(
        few, (4, 4, 8), q=lambda: linear(8, 16, False), k=lambda: linear(8, 16, False))),
    Case("norm of rows of a table", "rms_norm", looked_up(lambda z: F.rms_norm(z, (4,))),
         bounds={"1": 5}),
    Case("centred norm of rows of a table", "layer_norm",
         looked_up(lambda z: F.layer_norm(z, (4,), eps=0.0)), bounds={"1": 5}),
    Case("norm with a bias, of rows that are read raw as well", "layer_norm",
         read_twice, bounds={"1": 5}),
    Case("encoder layer, norms last", "layer_norm",
         of(lambda m, x: m.r(torch.tanh(m.n(m.e(x)))), (2, 3, 5), e=lambda: linear(5, 4),
            n=encoder, r=lambda: linear(4, 2))),
    Case("one encoder layer before a linear head, norms last", "layer_norm", of(
        lambda m, x: m.r(m.n(m.e(x))), (2, 3, 5), e=lambda: linear(5, 4), n=encoder,
        r=lambda: linear(4, 2))),
    Case("one encoder layer without biases, norms last", "layer_norm", of(
        lambda m, x: m.r(m.n(m.e(x))), (2, 3, 5), e=lambda: linear(5, 4, False),
        n=lambda: encoder(bias=False, activation="gelu"), r=lambda: linear(4, 2))),
    *(Case(f"a gain between two centred norms of width {n}", "layer_norm",
           between_norms(centred, centred, n)) for n in (3, 5)),
    Case("a gain before a centred norm", "layer_norm rms_norm", between_norms(scaled, centred)),
    Case("a gain behind a centred norm", "layer_norm rms_norm", between_norms(centred, scaled)),
    Case("a gain between two norms without a mean", "rms_norm", between_norms(scaled, scaled)),
    Case("one layer with norms last, used again", "layer_norm", of(
        lambda m, x: (lambda once: m.r(once(once(m.o(m.e(x))))))(
            lambda s: m.n(s + m.b(F.gelu(m.a(s))))), (48, 3), e=lambda: linear(3, 3),
        o=lambda: nn.LayerNorm(3), n=lambda: nn.LayerNorm(3), a=lambda: linear(3, 2),
        b=lambda: linear(2, 3), r=lambda: linear(3, 2))),
    Case("one layer with attention, used again", "layer_norm softmax", of(
        lambda m, x: (lambda once: m.r(once(once(m.o(x)))))(
            lambda s: m.n(s + m.b((m.q(s) @ m.k(s).mT).softmax(-1) @ m.v(s)))), (16, 3, 3),
        o=lambda: nn.LayerNorm(3), n=lambda: nn.LayerNorm(3), q=lambda: linear(3, 2),
        k=lambda: linear(3, 2), v=lambda: linear(3, 2), b=lambda: linear(2, 3),
        r=lambda: linear(3, 2))),
    Case("a norm behind another, with gains", "rms_norm", of(
        lambda m, x: m.r(m.b(m.a(m.e(x)))), (16, 5), e=lambda: linear(5, 4), **TWICE,
        r=lambda: linear(4, 3))),
    Case("last norm behind a post-norm block", "rms_norm", of(
        lambda m, x: m.r(m.b(m.a((lambda h: h + m.d(F.silu(m.u(h))))(m.g * m.e(x).tanh())))),
        (16, 5), e=lambda: linear(5, 4), g=lambda: weight(4), **TWICE,
        u=lambda: linear(4, 3), d=lambda: linear(3, 4), r=lambda: linear(4, 3))),
    Case("a norm behind another that is read besides", "rms_norm", of(
        lambda m, x: (lambda h: m.r(torch.tanh(m.b(h) + h)))(m.a(m.e(x).tanh())), (16, 5),
        e=lambda: linear(5, 4), **TWICE, r=lambda: linear(4, 3))),
    Case("a norm behind another, no gain after it", "rms_norm", of(
        lambda m, x: torch.tanh(F.rms_norm(m.a(m.e(x).tanh()), (4,), eps=0.1)), (16, 5),
        e=lambda: linear(5, 4), a=lambda: nn.RMSNorm(4, eps=0.1))),
    Case("encoder layer, norms first", "layer_norm",
         of(lambda m, x: m.r(torch.tanh(m.n(m.e(x)))), (2, 3, 5), e=lambda: linear(5, 4),
            n=lambda: encoder(norm_first=True), r=lambda: linear(4, 2))),
]  # fmt: skip
