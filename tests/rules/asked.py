"""Learned rows that ask, and learned beginnings of streams: pooling, latents, class tokens."""

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, Net, linear, of, weight

Build = Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(-2, -3) for t in (q, k, v))
    return ((q @ k.mT).softmax(-1) @ v).transpose(-2, -3).flatten(-2)


def pooling(
    rows: int = 2, heads: int = 2, *, n: int = 4, bias: bool = True, norm: bool = False,
    bent: bool = False, raw: bool = False, values: bool = True,
) -> Build:  # fmt: skip
    """Pooling by attention of a Set Transformer: learned seeds ask, and begin the result."""

    def run(m: Any, x: Tensor) -> Any:
        q, k = m.q(m.s), m.k(x).tanh() if bent else m.k(x)
        y = q + attend(q.expand(len(x), -1, -1), k, m.v(x), heads)
        y = m.n(y) if norm else y
        y = m.r(y + F.gelu(m.o(y)))
        return (y, k) if raw else y

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        parts: dict[str, Any] = {"s": weight(rows, n), "q": linear(n, n, bias),
                                 "k": linear(n, n, bias), "v":
                                 linear(n, n, values and bias), "o": linear(n, n, bias), "r":
                                 linear(n, n + 1, bias)}  # fmt: skip
        parts |= {"n": nn.LayerNorm(n)} if norm else {}
        return Net(run, **parts), (torch.randn(6, 5, n),)

    return build


def stacked(rows: int = 2, heads: int = 2, *, n: int = 4, weighed: bool = False) -> Build:
    """The same with heads behind one another along the batch, as its authors write it."""

    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = m.q(m.s.repeat(len(x), 1, 1)), m.k(x), m.v(x)
        q_, k_, v_ = (torch.cat(t.split(n // heads, 2), 0) for t in (q, k, v))
        y = q_ + (q_ @ k_.mT).softmax(-1) @ v_
        y = m.w(y) if weighed else y
        y = torch.cat(y.split(len(x), 0), 2)
        return m.r(y + F.gelu(m.o(y)))

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        parts: dict[str, Any] = {w: linear(n, n) for w in "qkvo"}
        parts |= {"w": linear(n // heads, n // heads)} if weighed else {}
        return Net(run, s=weight(1, rows, n), r=linear(n, n + 1), **parts), (torch.randn(6, 5, n),)

    return build


def latents(
    rows: int = 3, n: int = 4, *, norm: Any = nn.LayerNorm, asks: bool = True, bias: bool = True,
    twice: bool = False, packed: bool = False,
) -> Build:  # fmt: skip
    """Latents of a Perceiver: read through a norm, asking the input, in a stream of their own."""

    def run(m: Any, x: Tensor) -> Tensor:
        z = m.z.expand(len(x), -1, -1)
        h = m.n(z) if norm else z
        if packed:
            z = z + m.a(h, x, x, need_weights=False)[0]
        else:
            h = m.q(h) if asks else h
            z = z + m.o(attend(h, m.k(x), m.v(x), 1))
        z = z + m.d(F.gelu(m.u(m.f(z))))
        if twice:
            z = z + m.o2(attend(m.q2(m.n(z)), m.k2(x), m.v2(x), 1))
        return m.r(m.g(z))

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        parts: dict[str, Any] = {
            "z": weight(rows, n), "f": nn.LayerNorm(n, eps=0.1), "u": linear(n, 5),
            "d": linear(5, n), "g": nn.LayerNorm(n, eps=0.1), "r": linear(n, n + 1),
        }  # fmt: skip
        parts |= {"n": norm(n, eps=0.1)} if norm else {}
        for i in ("", "2") if twice else ("",) if not packed else ():
            parts |= {f"{w}{i}": linear(n, n, bias) for w in ("q", "o")[not asks :]}
            parts |= {f"{w}{i}": linear(n, n, False) for w in "kv"}
        parts |= {"a": nn.MultiheadAttention(n, 2, batch_first=True)} if packed else {}
        return Net(run, **parts), (torch.randn(6, 5, n),)

    return build


def token(
    n: int = 4, *, norm: Any = nn.LayerNorm, scales: bool = True, bias: bool = True,
    heads: int = 2, raw: bool = False, last: str = "token", twice: bool = False,
) -> Build:  # fmt: skip
    """A class token that asks patches which it meets in norms alone (CaiT)."""

    def look(m: Any, c: Tensor, x: Tensor, i: str) -> Tensor:
        u = m["n" + i](torch.cat([c, x], 1))
        y = m["o" + i](attend(m["q" + i](u[:, :1]), m["k" + i](u), m["v" + i](u), heads))
        c = c + (m["s"] * y if scales else y)
        return c + m["d" + i](F.gelu(m["u" + i](m["f" + i](c))))

    def run(m: Any, x: Tensor) -> Any:
        parts = {**m._modules, **m._parameters}
        x = m.e(x)
        c = look(parts, m.c.expand(len(x), -1, -1), x, "")
        c = look(parts, c, x, "2") if twice else c
        y = m.g(torch.cat([c, x], 1))
        y = m.r(y[:, 0] if last == "token" else y.mean(1))
        return (y, x) if raw else y

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        parts: dict[str, Any] = {"e": linear(n, n), "c": weight(1, 1, n), "g": norm(n, eps=0.1),
                                 "r": linear(n, n + 1)}  # fmt: skip
        for i in ("", "2") if twice else ("",):
            parts |= {f"n{i}": norm(n, eps=0.1), f"f{i}": norm(n, eps=0.1)}
            parts |= {f"{w}{i}": linear(n, n, bias or w != "v") for w in "qkv"}
            parts |= {f"o{i}": linear(n, n, bias), f"u{i}": linear(n, 6)}
            parts[f"d{i}"] = linear(6, n, bias)
        parts |= {"s": weight(n)} if scales else {}
        return Net(run, **parts), (torch.randn(8, 4, n),)

    return build


CASES = [
    Case("seeds that ask and begin", "softmax", pooling()),
    Case("one seed", "softmax", pooling(1)),
    Case("seeds before a norm", "softmax layer_norm", pooling(norm=True)),
    Case("seeds as many as a head is wide", "softmax", pooling(4, 1)),
    Case("more seeds than a head is wide", "softmax", pooling(3)),
    Case("seeds without biases", "softmax", pooling(bias=False)),
    Case("seeds that no value takes back", "softmax", pooling(values=False)),
    Case("seeds before a function of keys", "softmax tanh", pooling(bent=True)),
    Case("keys that come out", "softmax", pooling(raw=True)),
    Case("heads behind one another", "softmax cat", stacked()),
    Case("heads behind one another, one seed", "softmax cat", stacked(1)),
    Case("heads behind one another, more seeds", "softmax cat", stacked(3)),
    Case(
        "heads behind one another, one weight",
        "softmax cat",
        stacked(weighed=True),
        gap="heads that one weight reads are not asked one by one",
        counts=(34, 38),
    ),
    Case("latents", "softmax layer_norm", latents()),
    Case("latents behind a root mean square", "softmax rms_norm", latents(norm=nn.RMSNorm)),
    Case("latents without a norm", "softmax layer_norm", latents(norm=None)),
    Case("latents without biases", "softmax layer_norm", latents(bias=False)),
    Case("latents as many as they are wide", "softmax layer_norm", latents(4)),
    Case("more latents than they are wide", "softmax layer_norm", latents(5)),
    Case("latents that ask as they are", "softmax layer_norm", latents(asks=False)),
    Case("latents that ask twice", "softmax layer_norm", latents(twice=True)),
    Case("latents of packed heads", "layer_norm", latents(packed=True)),
    Case(
        "a learned row behind a norm and a bias",
        "layer_norm",
        of(
            lambda m, x: m.r((m.w(m.n(m.z)) + x).tanh()),
            (12, 3),
            z=lambda: weight(4),
            n=lambda: nn.LayerNorm(4, eps=0.1),
            w=lambda: linear(4, 3),
            r=lambda: linear(3, 2),
        ),
    ),
    Case(
        "rows of a made-up weight that read a wide bond",
        "_weight_norm",
        of(
            lambda m, x: m.r(m.f(m.w(x))).tanh(),
            (12, 4),
            w=lambda: linear(4, 6),
            f=lambda: nn.utils.parametrizations.weight_norm(linear(6, 6)),
            r=lambda: linear(6, 3),
        ),
    ),
    Case("class token", "softmax layer_norm", token()),
    Case("class token of wide heads", "softmax layer_norm", token(6)),
    Case("class token without scales", "softmax layer_norm", token(scales=False)),
    Case("class token behind a root mean square", "softmax rms_norm", token(norm=nn.RMSNorm)),
    Case(
        "class token that nothing takes back",
        "softmax layer_norm",
        token(bias=False, norm=functools.partial(nn.LayerNorm, bias=False)),
        gap="rotations of the patches about the token alone",
        counts=(92, 93),
    ),
    Case("patches that come out", "softmax layer_norm", token(raw=True)),
    Case("class token among all at last", "softmax layer_norm", token(last="all")),
    Case("class token that asks twice", "softmax layer_norm", token(twice=True)),
]
