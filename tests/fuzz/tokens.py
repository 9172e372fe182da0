"""Layers and blocks on [batch, places, features], as torch.nn offers them and papers publish."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.fuzz.draw import Draw, Run, Shape, Step
from tests.fuzz.layers import EPS, activation, divisor, matrix, norm_of


class First(nn.Module):
    """The first output of a layer with several."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f = f

    def forward(self, *values: Tensor) -> Tensor:
        first: Tensor = self.f(*values)[0]
        return first


def attention(d: Draw, x: Shape) -> Step:
    """As torch.nn spells it."""
    n = x[-1]
    heads, bias = divisor(d, n), d.chance(0.6)
    f = First(nn.MultiheadAttention(n, heads, bias=bias, batch_first=True,
                                    add_bias_kv=d.chance(0.1)))  # fmt: skip
    skip = d.chance(0.8)
    return Step(lambda m, x: x * skip + m.f(m.norm(x), m.norm(x), m.norm(x)),
                f"MultiheadAttention, {heads} heads", f=f, norm=norm_of(d, n))  # fmt: skip


def encoder(d: Draw, x: Shape) -> Step:
    n, before, rectified = x[-1], d.chance(0.5), d.one((F.relu, F.gelu))
    f = nn.TransformerEncoderLayer(n, divisor(d, n), d.one((4, 6)), 0.0, batch_first=True,
                                   norm_first=before, activation=rectified)  # fmt: skip
    return Step(lambda m, x: m.f(x), f"TransformerEncoderLayer, norm first {before}", f=f)


def decoder(d: Draw, x: Shape) -> Step:
    n, before = x[-1], d.chance(0.5)
    f = nn.TransformerDecoderLayer(n, divisor(d, n), 4, 0.0, batch_first=True, norm_first=before)
    return Step(lambda m, x: m.f(x, x.flip(1)), f"TransformerDecoderLayer, norm first {before}",
                f=f)  # fmt: skip


def recurrent(d: Draw, x: Shape) -> Step:
    make, k = d.one((nn.LSTM, nn.GRU, nn.RNN)), d.one((4, 5))
    f = make(x[-1], k, batch_first=True, bias=d.chance(0.7), bidirectional=d.chance(0.2))
    return Step(lambda m, x: m.f(x), make.__name__, f=First(f))


def _turned(x: Tensor, apart: bool) -> Tensor:
    """Rotary positions on [batch, heads, places, width]."""
    k = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2])[:, None] * 0.5 ** torch.arange(k)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    if apart:
        one, two = x[..., ::2], x[..., 1::2]
        return torch.stack([one * cos - two * sin, one * sin + two * cos], -1).flatten(-2)
    one, two = x.chunk(2, -1)
    return torch.cat([one * cos - two * sin, one * sin + two * cos], -1)


def heads(d: Draw, x: Shape) -> Step:
    """Attention as papers write it."""
    n, count, k = x[-1], d.one((1, 2)), d.one((2, 4))
    how = d.one(("rotary", "interleaved", "grouped", "slopes", "normed", "linear", "retention",
                 "relative", "window", "sigmoid"))  # fmt: skip
    inner, few = count * k, k if how == "grouped" else count * k
    parts: dict[str, Any] = {
        "q": matrix(d, n, inner), "k": matrix(d, n, few), "v": matrix(d, n, few),
        "o": matrix(d, inner, n), "norm": norm_of(d, n),
    }  # fmt: skip
    if how == "normed":
        parts |= {"qn": nn.RMSNorm(k, EPS), "kn": nn.RMSNorm(k, EPS)}
    if how == "relative":
        parts["table"] = d.weight(2 * x[0] - 1, count)

    def split(t: Tensor) -> Tensor:
        return t.unflatten(-1, (t.shape[-1] // k, k)).transpose(1, 2)

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.norm(x)
        q, key, v = split(m.q(h)), split(m.k(h)), split(m.v(h))
        if how in ("rotary", "interleaved"):
            q, key = _turned(q, how == "interleaved"), _turned(key, how == "interleaved")
        if how == "normed":
            q, key = m.qn(q), m.kn(key)
        if how == "linear":
            q, key = F.elu(q) + 1, F.elu(key) + 1
            y = q @ (key.mT @ v) / (q @ key.sum(2, True).mT)
        else:
            place = torch.arange(x.shape[1])
            apart = place[:, None] - place
            scores = q @ key.mT / k**0.5
            if how == "slopes":
                scores = scores - apart.abs() * 0.5 ** torch.arange(1, count + 1)[:, None, None]
            if how == "relative":
                scores = scores + m.table[apart + x.shape[1] - 1].permute(2, 0, 1)
            if how == "window":
                scores = scores.masked_fill(apart.abs() > 1, -torch.inf)
            if how == "retention":
                y = scores * torch.where(apart < 0, 0.0, 0.8 ** apart.clamp(min=0)) @ v
            else:
                y = (scores.sigmoid() if how == "sigmoid" else scores.softmax(-1)) @ v
        return x + m.o(y.transpose(1, 2).flatten(2))

    return Step(run, f"heads: {how}, {count} of {k}", **parts)


def queries(d: Draw, x: Shape) -> Step:
    """A few learned queries look at all places."""
    n, count = x[-1], d.one((2, 3))
    f = First(nn.MultiheadAttention(n, divisor(d, n), batch_first=True))
    return Step(lambda m, x: m.f(m.q.expand(len(x), -1, -1), x, x), "learned queries", f=f,
                q=d.weight(count, n))  # fmt: skip


def scan(d: Draw, x: Shape) -> Step:
    """Selective state spaces, a channel and a state at a time."""
    n, s = d.one((3, 4)), d.one((2, 3))

    def run(m: Any, x: Tensor) -> Tensor:
        u, z = m.enter(x).chunk(2, -1)
        u = F.silu(u)
        dt = F.softplus(m.dt(u))
        b, c = m.b(u), m.c(u)
        decay, h, out = -torch.exp(m.a), u.new_zeros(len(u), n, s), []
        for t in range(u.shape[1]):
            step = dt[:, t, :, None]
            h = torch.exp(step * decay) * h + step * b[:, t, None] * u[:, t, :, None]
            out.append((h * c[:, t, None]).sum(-1) + m.d * u[:, t])
        return x + m.leave(torch.stack(out, 1) * F.silu(z))

    return Step(run, "selective scan", enter=matrix(d, x[-1], 2 * n, False), dt=nn.Linear(n, n),
                b=nn.Linear(n, s, bias=False), c=nn.Linear(n, s, bias=False), a=d.weight(n, s),
                d=d.weight(n), leave=matrix(d, n, x[-1], False))  # fmt: skip


def decay(d: Draw, x: Shape) -> Step:
    """Linear attention with a learned decay for every channel, and diagonal state spaces."""
    n, k, how = x[-1], d.one((3, 4)), d.one(("receptance", "diagonal", "gated recurrence"))

    def run(m: Any, x: Tensor) -> Tensor:
        if how == "receptance":
            x0 = F.pad(x, (0, 0, 1, 0))[:, :-1]
            r, key, v = (
                w(x * u + x0 * (1 - u)) for w, u in zip((m.r, m.k, m.v), m.mu, strict=True)
            )
            a, b, out = key.new_zeros(len(x), k), key.new_zeros(len(x), k), []
            for t in range(x.shape[1]):
                e = key[:, t].exp()
                out.append((a + (m.u + key[:, t]).exp() * v[:, t]) / (b + (m.u + key[:, t]).exp()))
                a, b = m.w.sigmoid() * a + e * v[:, t], m.w.sigmoid() * b + e
            return x + m.o(r.sigmoid() * torch.stack(out, 1))
        h, out, u = x.new_zeros(len(x), k), [], m.k(x)
        gate = m.r(x).sigmoid()
        for t in range(x.shape[1]):
            keep = m.w.sigmoid() if how == "diagonal" else gate[:, t]
            h = keep * h + (u[:, t] if how == "diagonal" else (1 - gate[:, t]) * u[:, t])
            out.append(h)
        y = torch.stack(out, 1)
        return x + m.o(y * gate if how == "diagonal" else y)

    parts: dict[str, Any] = {"r": matrix(d, n, k), "k": matrix(d, n, k), "o": matrix(d, k, n)}
    if how == "receptance":
        parts |= {"v": matrix(d, n, k), "mu": d.weight(3, n), "u": d.weight(k)}
    if how != "gated recurrence":
        parts["w"] = d.weight(k)
    return Step(run, f"decay: {how}", **parts)


def along(d: Draw, x: Shape) -> Step:
    """What mixes places, or tells them apart."""
    t, n = x
    how = d.one(("positions", "class token", "mixer", "spatial gate", "convolution", "merge",
                 "pointwise"))  # fmt: skip
    parts: dict[str, Any] = {
        "positions": lambda: {"p": d.weight(t, n)},
        "class token": lambda: {"p": d.weight(1, n)},
        "mixer": lambda: {"norm": norm_of(d, n), "a": nn.Linear(t, 4), "f": activation(d),
                          "b": nn.Linear(4, t)},
        "spatial gate": lambda: {"a": matrix(d, n, 2 * n), "norm": norm_of(d, n),
                                 "s": nn.Linear(t, t), "b": matrix(d, n, n)},
        "convolution": lambda: {"c": nn.Conv1d(n, n, 3, padding=2, groups=n), "f": activation(d)},
        "merge": lambda: {"a": matrix(d, 2 * n, n, False), "norm": norm_of(d, 2 * n)},
        "pointwise": lambda: {"a": nn.Conv1d(n, 4, 1), "f": activation(d), "b": nn.Conv1d(4, n, 1)},
    }[how]()  # fmt: skip

    def gate(m: Any, x: Tensor) -> Tensor:
        u, v = F.gelu(m.a(x)).chunk(2, -1)
        return x + m.b(u * m.s(m.norm(v).mT).mT)

    runs: dict[str, Run] = {
        "positions": lambda m, x: x + m.p,
        "class token": lambda m, x: torch.cat([m.p.expand(len(x), 1, -1), x], 1),
        "mixer": lambda m, x: x + m.b(m.f(m.a(m.norm(x).mT))).mT,
        "spatial gate": gate,
        "convolution": lambda m, x: x + m.f(m.c(x.mT)[..., :-2].mT),
        "merge": lambda m, x: m.a(m.norm(torch.cat([x[:, : t // 2 * 2 : 2], x[:, 1::2]], -1))),
        "pointwise": lambda m, x: m.b(m.f(m.a(x.mT))).mT,
    }  # fmt: skip
    return Step(runs[how], f"places: {how}", **parts)


def gathered(d: Draw, x: Shape) -> Step:
    """One vector of all places."""
    how = d.one(("mean", "largest", "last", "weighted", "all", "first"))
    runs: dict[str, Run] = {
        "mean": lambda m, x: x.mean(1), "largest": lambda m, x: x.amax(1),
        "last": lambda m, x: x[:, -1], "first": lambda m, x: x[:, 0],
        "weighted": lambda m, x: (m.w(x).softmax(1) * x).sum(1),
        "all": lambda m, x: x.flatten(1),
    }  # fmt: skip
    parts = {"w": nn.Linear(x[-1], 1)} if how == "weighted" else {}
    return Step(runs[how], f"gathered: {how}", **parts)


MIXING = [attention, encoder, decoder, recurrent, heads, heads, scan, decay]
TOKENS = [attention, attention, encoder, encoder, decoder, recurrent, recurrent, heads, heads,
          heads, heads, queries, scan, decay, decay, along, along, along]  # fmt: skip
