"""Bonds wider than what is written into them, or than what reads them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight


def pooled(m: Any, x: Tensor) -> Tensor:
    """Attention by one query that is learned: of the keys, one direction is seen."""
    scores = torch.einsum("d,bnd->bn", m.p(m.q), m.k(x))
    return m.r(torch.einsum("bn,bnd->bd", scores.softmax(-1), m.v(x)).tanh())


def asked(m: Any, x: Tensor) -> Tensor:
    """A few learned queries, which are the beginning of a stream as well."""
    scores = torch.einsum("qd,bnd->bqn", m.p(m.q), m.k(x))
    return m.r((m.o(torch.einsum("bqn,bnd->bqd", scores.softmax(-1), m.v(x))) + m.q).tanh())


def latents(norm: Any, copies: Any, n: int = 8, d: int = 3) -> Any:
    """Latents, copied for every example, that ask the input through a norm and begin a stream."""

    def run(m: Any, x: Tensor) -> Tensor:
        z = copies(m.z, x)
        scores = m.q(m.n(z)) @ m.k(x).mT
        z = z + m.o(scores.softmax(-1) @ m.v(x))
        return m.r(m.f(z)).tanh()

    return of(run, (8, 4, 3), z=lambda: weight(n, d), n=lambda: norm(d), q=lambda: linear(d, 2),
              k=lambda: linear(3, 2), v=lambda: linear(3, 3), o=lambda: linear(3, d),
              f=lambda: norm(d), r=lambda: linear(d, 2))  # fmt: skip


def partly(m: Any, x: Tensor) -> Tensor:
    """Packed heads of which only queries are cut inside: values keep all of their basis."""
    q, k, v = m.w(x).view(*x.shape[:2], 2, 3, 3).unbind(3)
    q = torch.cat([q[..., :1].tanh(), q[..., 1:]], -1)
    y = F.scaled_dot_product_attention(*(z.transpose(1, 2) for z in (q, k, v)))
    return m.r(y.transpose(1, 2).flatten(2))


def heads(outputs: int, n: int, count: int, read: Any = lambda y: y) -> Any:
    """Attention of several heads, of which few outputs are read."""
    return of(lambda m, x: m.r(read(m.a(x, x, x)[0])), (12, 4, n), r=lambda: linear(n, outputs),
              a=lambda: nn.MultiheadAttention(n, count, batch_first=True))  # fmt: skip


def packed(queries: int) -> Any:
    def build() -> Any:
        def run(m: Any, x: Tensor) -> Tensor:
            return m.r(m.a(m.q.expand(len(x), -1, -1), x, x)[0].tanh())

        return of(run, (12, 5, 4), q=lambda: weight(1, queries, 4), r=lambda: linear(4, 2),
                  a=lambda: nn.MultiheadAttention(4, 2, batch_first=True))()  # fmt: skip

    return build


def stream(m: Any, x: Tensor) -> Tensor:
    """A wide stream into which little is written."""
    s = m.w(x)
    s = s + m.b(m.a(s).tanh())
    return m.r(m.norm(s) if hasattr(m, "norm") else s).tanh()


def streamed(norm: Any, n: int = 3, d: int = 8) -> Any:
    """A block with biases in a stream that is wider than what is written into it at first."""
    return of(
        lambda m, x: m.r(m.f((lambda z: z + m.b(F.gelu(m.a(m.n(z)))))(m.e(x)))), (8, n),
        e=lambda: linear(n, d), n=lambda: norm(d), a=lambda: linear(d, 9),
        b=lambda: linear(9, d), f=lambda: norm(d), r=lambda: linear(d, 11),
    )  # fmt: skip


def narrow(width: int, **norm: Any) -> Any:
    return of(stream, (48, 2), w=lambda: linear(2, 7, width > 1), a=lambda: linear(7, width),
              b=lambda: linear(width, 7, False), r=lambda: linear(7, 4), **norm)  # fmt: skip


def averaged(m: Any, x: Tensor) -> Tensor:
    """A value bias without an output bias, before a centred norm: one direction is a constant."""
    weights = (m.q(x) @ m.k(x).mT).softmax(-1)
    return m.r(F.layer_norm(x + m.o(weights @ m.v(x)), (3,), eps=0.1)).tanh()


def maxout(pieces: int, reduce: Any = torch.amax) -> Any:
    return of(lambda m, x: m.r(reduce(m.w(x).view(-1, 4, pieces), -1)), (48, 3),
              w=lambda: linear(3, 4 * pieces), r=lambda: linear(4, 2))  # fmt: skip


def softened(m: Any, x: Tensor) -> Tensor:
    z = m.w(x)
    e = (z - z.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def shared(x: Tensor, dim: int = -1) -> Tensor:
    return x.exp() / x.exp().sum(dim)[..., None]


EDGE = torch.tensor([[0, 1, 2], [1, 2, 0]])
CASES = [
    *(Case(f"positions of which {i} is read", "linear", of(
         lambda m, x, i=i: m.r((x + m.p)[:, i]), (24, 4, 5), p=lambda: weight(4, 5),
         r=lambda k=k: linear(5, k))) for i, k in ((0, 3), (2, 1), (3, 6))),
    Case("positions of which the first two are read", "linear", of(
         lambda m, x: m.r((x + m.p)[:, :2].tanh() + (x + m.p)[:, :2] @ m.s), (24, 4, 5),
         p=lambda: weight(4, 5), s=lambda: weight(5, 5), r=lambda: linear(5, 3))),
    Case("packed-cut-inside", "unbind", of(partly, (8, 4, 5), w=lambda: linear(5, 18),
         r=lambda: linear(6, 4))),
    Case("pooled", "einsum softmax", of(pooled, (16, 5, 3), q=lambda: weight(3),
         p=lambda: linear(3, 3), k=lambda: linear(3, 3), v=lambda: linear(3, 2),
         r=lambda: linear(2, 2))),
    *(Case(f"{outputs} read of {count} heads of {n}", "bmm softmax", heads(outputs, n, count))
      for outputs, n, count in ((2, 6, 2), (3, 8, 2), (1, 6, 3), (5, 6, 2))),
    Case("few read of heads, at one place", "bmm softmax", heads(2, 6, 2, lambda y: y[:, -1])),
    Case("few read of heads, at some places", "bmm softmax", heads(2, 6, 2, lambda y: y[:, :2])),
    Case("heads before a function", "bmm softmax", heads(2, 6, 2, lambda y: y.tanh())),
    Case("pooled-packed", "bmm softmax", packed(1)),
    Case("pooled-packed-three", "bmm softmax", packed(3)),
    Case("asked", "einsum softmax", of(asked, (16, 5, 3), q=lambda: weight(2, 4),
         p=lambda: linear(4, 2), k=lambda: linear(3, 2), v=lambda: linear(3, 2),
         o=lambda: linear(2, 4), r=lambda: linear(4, 2))),
    Case("asked-affine", "einsum softmax", of(asked, (16, 5, 3), q=lambda: weight(3, 3),
         p=lambda: linear(3, 2), k=lambda: linear(3, 2), v=lambda: linear(3, 2),
         o=lambda: linear(2, 3), r=lambda: linear(3, 2))),
    Case("latents copied by expansion", "expand layer_norm", latents(
         nn.LayerNorm, lambda z, x: z.expand(len(x), -1, -1))),
    Case("latents copied by repetition", "repeat rms_norm", latents(
         nn.RMSNorm, lambda z, x: z.unsqueeze(0).repeat(len(x), 1, 1))),
    Case("few latents copied", "expand layer_norm", of(
         lambda m, x: (m.q(m.n(m.z.expand(len(x), -1, -1))) @ m.k(x).mT).softmax(-1) @ m.v(x),
         (6, 4, 3), z=lambda: weight(2, 5), n=lambda: nn.LayerNorm(5), q=lambda: linear(5, 3),
         k=lambda: linear(3, 3), v=lambda: linear(3, 2))),
    Case("copies that differ by what is added", "expand layer_norm", of(
         lambda m, x: m.w(F.layer_norm(m.z.expand(4, -1, -1) + m.e[:, None], (3,))) * m.r(x),
         (6, 4, 2, 3), z=lambda: weight(2, 3), e=lambda: weight(4, 3), w=lambda: linear(3, 2),
         r=lambda: linear(3, 2))),
    Case("wide-stream", "linear add.Tensor", narrow(1)),
    Case("wide-stream-bias", "linear add.Tensor", narrow(2)),
    Case("wide-stream-rms", "linear rms_norm", narrow(1, norm=lambda: nn.RMSNorm(7, eps=0.1))),
    Case("wide-bond-norm", "linear layer_norm", of(
         lambda m, x: m.r(m.n(m.w(x))).tanh(), (48, 2), w=lambda: linear(2, 6, False),
         n=lambda: nn.LayerNorm(6, eps=0.1), r=lambda: linear(6, 4))),
    Case("wide-bond-shifted", "linear layer_norm", of(
         lambda m, x: m.r(m.n(m.w(x))).tanh(), (48, 2), w=lambda: linear(2, 6),
         n=lambda: nn.LayerNorm(6, eps=0.0), r=lambda: linear(6, 4))),
    Case("wide-behind-norm", "linear layer_norm", of(
         lambda m, x: m.r(m.w(F.layer_norm(m.e(x), (3,), m.g, m.h, 0.1))).tanh(), (48, 3),
         e=lambda: linear(3, 3), g=lambda: weight(3), h=lambda: weight(3), w=lambda: linear(3, 5),
         r=lambda: linear(5, 4))),
    Case("wide-bond-pointwise-convolutions", "conv2d", of(
         lambda m, x: m.r(m.w(x)).tanh(), (6, 2, 3, 3), w=lambda: nn.Conv2d(2, 3, 1),
         r=lambda: nn.Conv2d(3, 5, 1))),
    Case("narrow-channels-before-kernels", "conv2d", of(
         lambda m, x: m.r(m.w(x)).tanh(), (6, 2, 4, 4), w=lambda: nn.Conv2d(2, 3, 1),
         r=lambda: nn.Conv2d(3, 2, 2, stride=2))),
    Case("narrow-channels-before-padding", "conv2d", of(
         lambda m, x: m.r(m.w(x)).tanh(), (6, 2, 4, 4), w=lambda: nn.Conv2d(2, 3, 1),
         r=lambda: nn.Conv2d(3, 2, 3, padding=1)), counts=(9, 11),
         gap="the middle of a kernel never meets the padding"),
    Case("centred-and-permuted", "linear", of(
         lambda m, x: m.w(F.layer_norm(x, (3,)).transpose(0, 1).permute(1, 0, 2)).tanh(), (8, 4, 3),
         w=lambda: linear(3, 2))),
    Case("value-bias-at-joined-places", "cat", of(
         lambda m, x: (lambda h: m.f(h, h, h)[0])(torch.cat([m.u(x[:, :1]), m.v(x[:, 1:])], 1)),
         (12, 3, 3), u=lambda: linear(3, 4), v=lambda: linear(3, 4),
         f=lambda: nn.MultiheadAttention(4, 2, batch_first=True))),
    Case("values behind a shifted norm, without biases", "matmul layer_norm", of(
         lambda m, x: (lambda h: m.r(F.layer_norm(
             h + m.o((m.q(m.n(h)) @ m.k(m.n(h)).mT).softmax(-1) @ m.v(m.n(h))), (3,), eps=0.1))
             .tanh())(m.e(x)), (24, 4, 3), e=lambda: linear(3, 3), n=lambda: nn.LayerNorm(3),
         q=lambda: linear(3, 2, False), k=lambda: linear(3, 2, False),
         v=lambda: linear(3, 3, False), o=lambda: linear(3, 3, False), r=lambda: linear(3, 2))),
    Case("value-bias-alone", "matmul layer_norm", of(averaged, (24, 4, 3),
         q=lambda: linear(3, 2), k=lambda: linear(3, 2), v=lambda: linear(3, 3),
         o=lambda: linear(3, 3, False), r=lambda: linear(3, 2))),
    Case("maxout", "amax", maxout(2)),
    Case("maxout-three", "amin", maxout(3, torch.amin)),
    Case("softmax-spelled", "exp sum div.Tensor amax sub.Tensor", of(softened, (16, 3),
         w=lambda: linear(3, 4))),
    Case("softmax-spelled-plainly", "exp sum div.Tensor", of(lambda m, x: m.r(shared(m.w(x))),
         (16, 3), w=lambda: linear(3, 4), r=lambda: linear(4, 2))),
    Case("shares-of-another-sum", "exp sum div.Tensor", of(
         lambda m, x: m.w(x).exp() / (2 * m.w(x)).exp().sum(-1, True), (16, 3),
         w=lambda: linear(3, 4))),
    Case("below-the-maximum", "amax sub.Tensor", of(
         lambda m, x: (lambda z: z - z.amax(-1, keepdim=True))(m.w(x)).sin(), (16, 3),
         w=lambda: linear(3, 4))),
    Case("logarithm-of-shares", "log exp sum sub.Tensor", of(
         lambda m, x: (lambda z: z - z.exp().sum(-1, keepdim=True).log())(m.w(x)), (16, 3),
         w=lambda: linear(3, 4))),
    Case("narrow stream with biases, no mean taken off", "rms_norm", streamed(nn.RMSNorm)),
    Case("narrow stream with biases, the mean taken off", "layer_norm", streamed(nn.LayerNorm)),
    Case("two maps of a narrow wire, added up before a norm", "rms_norm", of(
        lambda m, x: torch.tanh(m.r(F.rms_norm(
            (lambda h: m.a(h) + m.b(h))(m.e(x)), (6,), eps=0.1))), (12, 2),
        e=lambda: linear(2, 4), a=lambda: linear(4, 6), b=lambda: linear(4, 6),
        r=lambda: linear(6, 3))),
    Case("a bias beside a narrow wire before a norm", "layer_norm", of(
        lambda m, x: m.r(F.layer_norm(m.e(x), (6,), eps=0.1)).tanh(), (24, 2),
        e=lambda: linear(2, 6), r=lambda: linear(6, 3))),
    Case("a bias beside a narrow wire before a norm with gains", "rms_norm", of(
        lambda m, x: m.r(m.n(m.e(x))).tanh(), (24, 2), e=lambda: linear(2, 5),
        n=lambda: nn.RMSNorm(5, eps=0.1), r=lambda: linear(5, 3))),
    Case("a bias beside a narrow wire before a norm that is bent", "rms_norm", of(
        lambda m, x: m.r(m.n(m.e(x)).sin()).tanh(), (48, 2), e=lambda: linear(2, 5),
        n=lambda: nn.RMSNorm(5, eps=0.1), r=lambda: linear(5, 3))),
    Case("narrow stream, normed before the last block", "rms_norm", of(
        lambda m, x: (lambda s: m.r(s + m.b(m.a(F.rms_norm(s, (5,), eps=0.1)).tanh())))(m.e(x)),
        (48, 2), e=lambda: linear(2, 5, False), a=lambda: linear(5, 2), b=lambda: linear(2, 5),
        r=lambda: linear(5, 3))),
    Case("narrow stream, normed before and after the last block", "rms_norm", of(
        lambda m, x: (lambda s: m.r(F.rms_norm(
            s + m.b(m.a(F.rms_norm(s, (5,), eps=0.1)).tanh()), (5,), eps=0.1)))(m.e(x)),
        (48, 2), e=lambda: linear(2, 5, False), a=lambda: linear(5, 2),
        b=lambda: linear(2, 5, False), r=lambda: linear(5, 3))),
    Case("a norm at the beginning of a sum", "layer_norm", of(
        lambda m, x: (lambda s: m.r(s + m.b(m.a(s).tanh())))(m.n(m.e(x))), (48, 4),
        e=lambda: linear(4, 4), n=lambda: nn.LayerNorm(4), a=lambda: linear(4, 3),
        b=lambda: linear(3, 4), r=lambda: linear(4, 3))),
    Case("one layer behind one norm, twice", "layer_norm", of(
        lambda m, x: (lambda s: m.r(m.b(F.gelu(m.a(m.n(s)))) + s))(
            (lambda s: s + m.b(F.gelu(m.a(m.n(s)))))(m.e(x))).tanh(), (48, 3),
        e=lambda: linear(3, 3), n=lambda: nn.LayerNorm(3), a=lambda: linear(3, 2),
        b=lambda: linear(2, 3), r=lambda: linear(3, 3))),
    Case("one layer behind two norms", "layer_norm rms_norm", of(
        lambda m, x, y: m.r(F.gelu(m.a(F.layer_norm(m.e(x), (3,), eps=0.1)))
                            * m.a(F.rms_norm(m.d(y), (3,), eps=0.1)).sin()), (24, 3), (24, 3),
        e=lambda: linear(3, 3, False), d=lambda: linear(3, 3, False), a=lambda: linear(3, 2),
        r=lambda: linear(2, 2))),
    Case("joined-narrow", "cat", of(
         lambda m, x, y: m.o(m.r(torch.cat([m.w(x), y], 1)).tanh()), (24, 2), (24, 2),
         w=lambda: linear(2, 4), r=lambda: linear(6, 3), o=lambda: linear(3, 2))),
    Case("joined-stream", "cat add.Tensor", of(
         lambda m, x, y: (lambda h: m.o(h + m.s(m.r(torch.cat([h, y], 1)).tanh())))(m.w(x)),
         (48, 2), (48, 1), w=lambda: linear(2, 5), r=lambda: linear(6, 3), s=lambda: linear(3, 5),
         o=lambda: linear(5, 5))),
    Case("joined-two-narrow", "cat", of(
         lambda m, x, y: m.o(m.r(torch.cat([m.u(x), m.v(y)], 1)).tanh()), (24, 2), (24, 1),
         u=lambda: linear(2, 4, False), v=lambda: linear(1, 3), r=lambda: linear(7, 3),
         o=lambda: linear(3, 2))),
    Case("a bias of which what reads it sees a part, along two indices", "view", of(
        lambda m, x: m.r(m.d(F.celu(m.c(x)).flatten(1)) + m.c(x).sin().flatten(1)), (24, 2, 3),
        c=lambda: nn.Conv1d(2, 2, 1), d=lambda: linear(6, 6), r=lambda: linear(6, 2, False))),
    Case("joined-edges", "cat", of(
         lambda m, x: (lambda h: m.o(h + m.s(m.r(torch.cat([h[:, EDGE[0]], h[:, EDGE[1]]], -1))
                                             .tanh())))(m.w(x)), (24, 3, 2),
         w=lambda: linear(2, 4), r=lambda: linear(8, 3), s=lambda: linear(3, 4),
         o=lambda: linear(4, 4))),
]  # fmt: skip
