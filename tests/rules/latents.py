"""Queries that no input reaches, made of what others read too: class tokens, decoders' targets."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight


def attend(m: Any, q: Tensor, x: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(m.q(q), m.k(x), m.v(x))


def token(run: Any, *, d: int = 3, a: int = 5, h: int = 2, r: int = 2, rms: bool = False,
          **more: Any) -> Any:  # fmt: skip
    """A class token before three others, all normed."""

    def whole(m: Any, x: Tensor) -> Tensor:
        z = torch.cat([m.c.expand(len(x), -1, -1), m.e(x)], 1)
        return run(m, z, m.n(z))

    norm = (nn.RMSNorm if rms else nn.LayerNorm)(d, eps=0.1)
    return of(whole, (4, 3, a), c=lambda: weight(1, 1, d), e=lambda: linear(a, d),
              q=lambda: linear(d, h), k=lambda: linear(d, h), v=lambda: linear(d, r),
              o=lambda: linear(r, 2), n=lambda: norm, **more)  # fmt: skip


def read(first: int, last: int) -> Any:
    return lambda m, z, y: m.o(torch.tanh(attend(m, y, y)[:, first:last]))


def beside(m: Any, z: Tensor, y: Tensor) -> Tensor:
    """What the query is made of is seen by itself as well."""
    return m.o(torch.tanh(attend(m, y, y)[:, 0])) + torch.tanh(m.s * m.q.bias)


def packed(m: Any, z: Tensor, y: Tensor) -> Tensor:
    q, k, v = m.w(y).chunk(3, -1)
    return m.o(torch.tanh(F.scaled_dot_product_attention(q, k, v)[:, 0]))


def stream(m: Any, z: Tensor, y: Tensor) -> Tensor:
    return m.o(torch.tanh((z + attend(m, y, y))[:, 0]))


def decoder(run: Any, *, h: int = 2, n: int = 2) -> Any:
    """Learned queries, with an attention and a norm of their own before they ask."""
    return of(run, (4, 5, 2), w=lambda: weight(n, 3), n=lambda: nn.LayerNorm(3, eps=0.1),
              a=lambda: nn.MultiheadAttention(3, 1, batch_first=True), q=lambda: linear(3, h),
              k=lambda: linear(2, h), v=lambda: linear(2, 3), o=lambda: linear(3, 2))  # fmt: skip


def target(kept: bool) -> Any:
    """A target that is zero, to which queries are added (Carion et al. 2020)."""

    def run(m: Any, x: Tensor) -> Tensor:
        t = torch.zeros(len(x), *m.w.shape, dtype=x.dtype)
        w = m.w.expand_as(t)
        t = m.n(t + m.a(t + w, t + w, t, need_weights=False)[0])
        y = attend(m, t + w, x)
        return m.o(torch.tanh(t + y)) if kept else m.o(y)

    return run


def each_other(normed: bool) -> Any:
    """Queries that attend to each other first."""

    def run(m: Any, x: Tensor) -> Tensor:
        t = m.w.expand(len(x), -1, -1)
        t = t + m.a(t, t, t, need_weights=False)[0]
        if not normed:
            return m.o(attend(m, t, x))
        t = m.n(t)
        return m.o(torch.tanh(t + attend(m, t, x)))

    return run


def asked(rows: Any, d: int = 3, n: int = 3, **parts: Any) -> Any:
    """Queries made by a weight of some rows, as many as they have numbers."""

    def run(m: Any, x: Tensor) -> Tensor:
        q = m.q(rows(m)).expand(len(x), -1, -1)
        return F.scaled_dot_product_attention(q, m.k(x), x)

    return of(run, (2, 3, d), c=lambda: weight(n, d), q=lambda: linear(d, d, False),
              k=lambda: linear(d, d, False), **parts)  # fmt: skip


def ranges(d: int, *, normed: bool = False, twice: bool = True) -> Any:
    """Queries by a range of a weight of which keys and values are made as well."""

    def run(m: Any, x: Tensor) -> Tensor:
        c = m.c.repeat(len(x), 1, 1)
        y = F.layer_norm(c, (d,), eps=1.0) if normed else torch.tanh(c)
        return m.a(y + c if twice else y, x, x, need_weights=False)[0]

    return of(run, (2, 3, d), c=lambda: weight(1, 2, d),
              a=lambda: nn.MultiheadAttention(d, 1, bias=False, batch_first=True))  # fmt: skip


def nested(run: Any, d: int = 2, n: int = 2) -> Any:
    """A wire that is seen by itself, and of which another is made that is as free."""

    def whole(m: Any, x: Tensor) -> Tensor:
        t = torch.tanh(m.c + m.e).expand(len(x), -1, -1)
        return run(lambda q: F.scaled_dot_product_attention(m.q(q), m.k(x), x), t, m.p.expand_as(t))

    return of(whole, (2, 3, d), c=lambda: weight(n, d), e=lambda: weight(d),
              p=lambda: weight(n, d), q=lambda: linear(d, d, False),
              k=lambda: linear(d, d, False))  # fmt: skip


def seen(attend: Any, t: Tensor, p: Tensor) -> Tensor:
    return torch.sin(t + attend(t + p)) + torch.tanh(t + p)


def again(attend: Any, t: Tensor, p: Tensor) -> Tensor:
    u = t + attend(t + p)
    return torch.sin(u + attend(u + p))


def once_and_twice(m: Any, x: Tensor) -> Tensor:
    """The same two are added in two sums, one of them twice in the second."""
    t = torch.tanh(m.c) + m.p
    return torch.tanh(x @ m.w + (t + m.p)) + torch.sin(x + t)


def affine(m: Any) -> Tensor:
    return F.layer_norm(m.c, (3,), m.g, m.h, eps=1.0)


FEW = "gains and shifts behind a norm of learned rows, which these rows take back"
ALONE = "a stream of which one place is read at the end turns by itself at all others"
CASES = [
    Case("rows that sum to zero, as many as dimensions", "layer_norm",
         asked(lambda m: F.layer_norm(m.c, (3,), eps=1.0))),
    Case("the same rows, one fewer", "layer_norm",
         asked(lambda m: F.layer_norm(m.c, (3,), eps=1.0), n=2)),
    Case("the same rows with gains and shifts", "layer_norm",
         asked(affine, g=lambda: weight(3), h=lambda: weight(3))),
    Case("rows made through one number", "tanh",
         asked(lambda m: m.e(torch.tanh(m.c[:, :1])), e=lambda: linear(1, 3, False))),
    Case("a range that makes as much as it holds", "tanh", ranges(2)),
    Case("a range that holds more than it makes", "tanh", ranges(3)),
    Case("a sum with one parameter once, another with it twice", "tanh",
         of(once_and_twice, (4, 2), c=lambda: weight(1, 2), p=lambda: weight(1, 2),
            w=lambda: weight(2, 2))),
    Case("a wire of another, both seen", "tanh", nested(seen)),
    Case("a wire of another, both seen, wide", "tanh", nested(seen, 3)),
    Case("a stream that asks twice with the same positions", "tanh", nested(again)),
    Case("more places that ask twice", "tanh", nested(again, n=3)),
    Case("a range behind a norm", "layer_norm", ranges(2, normed=True)),
    Case("a range behind a norm alone", "layer_norm", ranges(2, normed=True, twice=False)),
    Case("a class token that asks alone", "cat", token(read(0, 1))),
    Case("a class token that asks alone, wide", "cat", token(read(0, 1), h=3, r=3)),
    Case("a class token behind a norm that keeps the mean", "cat", token(read(0, 1), rms=True)),
    Case("two places are read", "cat", token(read(0, 2))),
    Case("the places behind it are read", "cat", token(read(1, 3))),
    Case("a class token whose bias is read besides", "cat",
         token(beside, s=lambda: weight(2))),
    Case("a class token behind a packed weight", "cat",
         token(packed, w=lambda: linear(3, 6))),
    Case("a class token that is kept", "cat", token(stream, r=3), gap=ALONE, counts=(30, 31)),
    Case("a target of zeros", "expand", decoder(target(kept=False))),
    Case("a target of zeros, wide", "expand", decoder(target(kept=False), h=3)),
    Case("a target of zeros that is kept", "expand", decoder(target(kept=True))),
    Case("more queries than dimensions", "expand", decoder(target(kept=True), n=4)),
    Case("queries that attend to each other", "expand", decoder(each_other(normed=False))),
    Case("queries that are normed and kept", "expand", decoder(each_other(normed=True)),
         gap=FEW, counts=(63, 67)),
]  # fmt: skip
