"""Attention that is used again: what a bias does in one of its uses it does in all."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.asked import attend
from tests.rules.harness import Case, Net, linear, of, weight
from tests.rules.streams import centred, scaled

UNSHIFTED = functools.partial(nn.LayerNorm, bias=False)


def again(
    times: int = 2, *, norm: Any = nn.LayerNorm, packed: str = "", stream: bool = True,
    out: str = "one", n: int = 4,
) -> Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]:  # fmt: skip
    """One layer of attention, several times; `out`: what the uses have of the last map."""

    def leave(m: Any, y: Tensor, i: int) -> Tensor:
        if out == "one bias":
            return y @ m.w[i].T + m.b
        return m.o(y) if out == "one" or i == 0 else y @ m.w[i].T

    def run(m: Any, x: Tensor) -> Tensor:
        x = m.e(x)
        for i in range(times):
            h = m.n(x)
            if packed:
                one, two = (h, h) if packed == "whole" else (m.n(x), m.n(x))
                y = m.a(h, one, two, need_weights=False)[0]
            else:
                y = leave(m, attend(m.q(h), m.k(h), m.v(h), 2), i)
            x = x + y if stream else y
        x = x.amax(1)
        return m.r(x.tanh() if out == "one bias" else x)

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        parts: dict[str, Any] = {"e": linear(n, n), "r": linear(n, 3), "n": norm(n, eps=0.1)}
        if packed:
            parts["a"] = nn.MultiheadAttention(n, 2, batch_first=True)
        else:
            parts |= {w: linear(n, n) for w in ("qkv" if out == "one bias" else "qkvo")}
        if out != "one":
            parts["w"] = weight(times, n, n)
        parts |= {"b": weight(n)} if out == "one bias" else {}
        return Net(run, **parts), (torch.randn(8, 4, n),)

    return build


def stacked(times: int = 2, norm: Any = nn.LayerNorm, n: int = 4) -> Any:
    """A layer with a norm in the middle and one behind it, several times (Lan et al. 2020)."""

    def run(m: Any, x: Tensor) -> Tensor:
        x = m.e(x)
        for _ in range(times):
            x = m.one(x + m.b(torch.tanh(m.a(x))))
            x = m.two(x + m.d(torch.tanh(m.c(x))))
        return m.r(x)

    return of(run, (16, 5), e=lambda: linear(5, n), a=lambda: linear(n, 3), b=lambda: linear(3, n),
              c=lambda: linear(n, 3), d=lambda: linear(3, n), one=lambda: norm(n, eps=0.1),
              two=lambda: norm(n, eps=0.1), r=lambda: linear(n, 2))  # fmt: skip


def tied(norm: Any, n: int = 4) -> Any:
    """A table that is read before a linear map, and behind a norm."""

    def run(m: Any, x: Tensor) -> Any:
        y = norm(m.b(torch.tanh(m.a(x @ m.t)))) * m.g + m.s
        return y @ m.t.T

    return of(run, (16, 5), t=lambda: weight(5, n), a=lambda: linear(n, 5), b=lambda: linear(5, n),
              g=lambda: weight(n), s=lambda: weight(n))  # fmt: skip


BARE = functools.partial(nn.LayerNorm, elementwise_affine=False)


def twice_read(values: str = "v", over: int = -1) -> Any:
    """Rows that read averages of the same values in two steps, by one weight (Locatello 2020)."""

    def run(m: Any, x: Tensor) -> Tensor:
        z, s = m.n(m.e(x)), m.s.expand(len(x), -1, -1)
        for v in ("v", values):
            shares = (m.q(s) @ m.k(z).mT).softmax(1) + 1e-3
            u = shares / shares.sum(over, keepdim=True) @ getattr(m, v)(z)
            s = torch.tanh(m.u(u) + m.w(s))
        return m.o(s)

    return of(run, (4, 5, 2), s=lambda: weight(1, 2, 3), e=lambda: linear(2, 3),
              n=lambda: nn.LayerNorm(3), q=lambda: linear(3, 2), k=lambda: linear(3, 2),
              v=lambda: linear(3, 3, False), h=lambda: linear(3, 3, False),
              u=lambda: linear(3, 3), w=lambda: linear(3, 3, False),
              o=lambda: linear(3, 2))  # fmt: skip


CASES = [
    Case("averages of the same values, read twice", "softmax layer_norm", twice_read()),
    Case("averages of two wires, read by one weight", "softmax layer_norm", twice_read("h"),
         gap="constants that two weights make alike for one bias", counts=(28, 33)),
    Case("sums of the same values, read twice", "softmax layer_norm", twice_read(over=1)),
    Case("attention used twice", "softmax layer_norm", again()),
    Case("attention used three times", "softmax layer_norm", again(3)),
    Case("packed attention used twice", "layer_norm", again(packed="whole")),
    Case("packed attention by pieces used twice", "layer_norm",
         again(packed="pieces", norm=UNSHIFTED)),
    Case("attention used twice behind a root mean square", "softmax rms_norm",
         again(norm=nn.RMSNorm)),
    Case("attention used twice in a row", "softmax layer_norm", again(stream=False)),
    Case("a layer behind its norm, twice", "layer_norm", stacked()),
    Case("a layer behind its norm, three times", "layer_norm", stacked(3)),
    Case("a layer behind a norm without a shift, twice", "layer_norm", stacked(norm=UNSHIFTED)),
    Case("a layer behind a bare norm, twice", "layer_norm", stacked(norm=BARE)),
    Case("a layer behind a root mean square, twice", "rms_norm", stacked(norm=nn.RMSNorm)),
    Case("a table before a linear map and behind a norm", "layer_norm", tied(centred)),
    Case("a table before a linear map and behind a root mean square", "rms_norm", tied(scaled)),
    Case("one use without a bias", "softmax layer_norm", again(out="none")),
    Case("one bias behind two maps", "softmax rms_norm", again(out="one bias",
         norm=nn.RMSNorm)),
]  # fmt: skip
