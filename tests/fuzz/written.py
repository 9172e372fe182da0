"""Networks written by hand, of kinds that random ones seldom are; judged like those."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Net, weight

Run = Callable[..., Tensor]


class Written(Net):
    """A network on [batch, *shape], with what the judge asks of a random one."""

    rows = 0  # there are no tokens

    def __init__(self, run: Run, shape: tuple[int, ...], parts: dict[str, Callable]) -> None:
        torch.manual_seed(0)
        super().__init__(run, **{name: make() for name, make in parts.items()})
        self.shape, self.seed = shape, 0

    def example(self, batch: int, generator: torch.Generator) -> Tensor:
        return 1.5 * torch.randn(batch, *self.shape, generator=generator)


def of(run: Run, shape: tuple[int, ...] = (3,), **parts: Any) -> Callable[[], Written]:
    def make(part: Any) -> Callable:
        return (lambda: weight(*part)) if isinstance(part, tuple) else part

    return lambda: Written(run, shape, {name: make(part) for name, part in parts.items()})


def _two(m: Any, x: Tensor) -> Tensor:
    return F.leaky_relu(torch.cat([x @ m.a.T, x @ m.b.T], -1), 0.2)


A, B, C = {"a": (2, 3)}, {"b": (2, 3)}, {"c": (2, 4)}
PAIR: dict[str, Any] = {**A, **B, **C}


def _sparsemax(x: Tensor) -> Tensor:
    z = x.sort(-1, descending=True).values
    k = torch.arange(1, x.shape[-1] + 1)
    support = (1 + k * z > z.cumsum(-1)).to(x.dtype)
    n = support.sum(-1, keepdim=True)
    threshold = ((z * support).sum(-1, keepdim=True) - 1) / n
    return torch.relu(x - threshold)


def _index_put(m: Any, x: Tensor) -> Tensor:
    y = x @ m.a.T
    y[:, [0, 2]] = y[:, [0, 2]] * m.g
    return F.layer_norm(y, (3,), eps=0.0) @ m.c.T


def _masked_rows(m: Any, x: Tensor) -> Tensor:
    y = F.leaky_relu(x @ m.a.T, 0.2)
    y[..., 1:] += m.g
    y[..., :2] *= m.h
    return (y / y.norm(dim=-1, keepdim=True)) @ m.c.T


def _decay(m: Any, x: Tensor) -> Tensor:
    """A diagonal linear recurrence."""
    h, a = torch.zeros(len(x), 2), torch.sigmoid(m.a)
    for t in range(x.shape[1]):
        h = a * h + x[:, t] @ m.w.T
    return h @ m.c.T


def _hyper(m: Any, x: Tensor) -> Tensor:
    w = (x @ m.a.T).unflatten(-1, (2, 3))
    return torch.bmm(w, (x @ m.b.T)[..., None]).squeeze(-1) @ m.c.T


def _positions_norm(m: Any, x: Tensor) -> Tensor:
    y = torch.cat([x @ m.a.T, x @ m.b.T], 1)
    return F.layer_norm(y, y.shape[1:], eps=0.0) @ m.c.T


def _overlap(m: Any, x: Tensor) -> Tensor:
    return F.leaky_relu(x @ m.w[:3].T, 0.2) @ m.c.T + torch.tanh(x @ m.w[1:4].T)


def _cat_kernels(m: Any, x: Tensor) -> Tensor:
    y = F.conv1d(x, torch.cat([m.a, m.b], 0)).relu()
    return F.conv1d(y - y.mean(1, keepdim=True), m.c)


def _grouped(m: Any, x: Tensor) -> Tensor:
    y = F.leaky_relu(torch.cat([F.conv1d(x, m.a), F.conv1d(x, m.b)], 1), 0.2)
    return F.conv1d(F.group_norm(y, 2, eps=0.0), m.c)


def _batch_norm(m: Any, x: Tensor) -> Tensor:
    y = torch.cat([F.conv1d(x, m.a), F.conv1d(x, m.b)], 1)
    y = (y - y.mean((1, 2), keepdim=True)) / y.var((1, 2), keepdim=True).sqrt()
    return F.conv1d(y.relu(), m.c)


def _pools(m: Any, x: Tensor) -> Tensor:
    y = F.max_pool1d(F.conv1d(x, m.a), 2) + F.avg_pool1d(F.conv1d(x, m.a), 2)
    return F.conv1d(F.interpolate(y, scale_factor=2.0), m.c)


def _shuffled(m: Any, x: Tensor) -> Tensor:
    y = F.conv1d(x, m.a, groups=1).relu()
    y = y.unflatten(1, (2, 2)).transpose(1, 2).flatten(1, 2)
    return F.conv1d(y, m.c, groups=2)


def _rotary(m: Any, x: Tensor) -> Tensor:
    q, k = x @ m.q.T, x @ m.k.T
    angle = torch.arange(x.shape[1])[:, None] * torch.tensor([1.0])
    cos, sin = angle.cos(), angle.sin()

    def turn(z: Tensor) -> Tensor:
        one, two, rest = z[..., :1], z[..., 1:2], z[..., 2:]
        return torch.cat([one * cos - two * sin, one * sin + two * cos, rest], -1)

    return (turn(q) @ turn(k).transpose(1, 2)).softmax(-1) @ (x @ m.v.T)


def _grouped_queries(m: Any, x: Tensor) -> Tensor:
    q = (x @ m.q.T).unflatten(-1, (4, 2)).transpose(1, 2)
    k, v = ((x @ w.T).unflatten(-1, (2, 2)).transpose(1, 2) for w in (m.k, m.v))
    k, v = (z.repeat_interleave(2, 1) for z in (k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=m.bias)
    return y.transpose(1, 2).flatten(2) @ m.o.T


def _shared_sink(m: Any, x: Tensor) -> Tensor:
    """Scores beside one of their own that stands for nothing."""
    scores = (x @ m.q.T) @ (x @ m.k.T).transpose(1, 2)
    sink = m.s.expand(len(x), x.shape[1], 1)
    return torch.cat([scores, sink], -1).softmax(-1)[..., :-1] @ (x @ m.v.T)


def _two_norms(m: Any, x: Tensor) -> Tensor:
    h = x @ m.a.T
    u, v = h[..., :2], h[..., 2:]
    u = u / u.norm(dim=-1, keepdim=True)
    return torch.cat([u, v], -1).softmax(-1) @ m.c.T


def _choice(m: Any, x: Tensor) -> Tensor:
    u, v = x @ m.a.T, x @ m.b.T
    return torch.where(u > v, u, v) @ m.c.T


def _capped(m: Any, x: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x @ m.a.T, m.low), m.high) @ m.c.T


def _named(*cases: tuple[str, Callable[[], Written]]) -> dict[str, Callable[[], Written]]:
    return dict(cases)


WRITTEN = _named(
    ("sparsemax", of(lambda m, x: _sparsemax(_two(m, x)) @ m.c.T, **PAIR)),
    ("sorted-join", of(lambda m, x: _two(m, x).sort(-1).values @ m.c.T, **PAIR)),
    ("top-of-join", of(lambda m, x: _two(m, x).topk(3, -1).values @ m.c.T, **A, **B, c=(2, 3))),
    ("median-of-join", of(lambda m, x: _two(m, x).median(-1, True).values * m.c, **A, **B,
                           c=(2,))),
    ("maximum-of-join", of(lambda m, x: _two(m, x).amax(-1, True) * m.c, **A, **B, c=(2,))),
    ("product-of-join", of(lambda m, x: _two(m, x).prod(-1, True) * m.c, **A, **B, c=(2,))),
    ("running-product", of(lambda m, x: _two(m, x).cumprod(-1) @ m.c.T, **PAIR)),
    ("variance-of-join", of(lambda m, x: _two(m, x).var(-1, keepdim=True) * m.c, **A, **B,
                             c=(2,))),
    ("norm-beside-join", of(lambda m, x: torch.cat([_two(m, x) / _two(m, x).norm(
        dim=-1, keepdim=True), _two(m, x)[..., :1]], -1) @ m.c.T, **A, **B, c=(2, 5))),
    ("logsumexp-of-join", of(lambda m, x: (_two(m, x) - _two(m, x).logsumexp(-1, True)) @ m.c.T,
                              **PAIR)),
    ("difference-of-join", of(lambda m, x: _two(m, x).diff(dim=-1) @ m.c.T, **A, **B, c=(2, 3))),
    ("cosine-of-halves", of(lambda m, x: F.cosine_similarity(x @ m.a.T, x @ m.b.T, -1)[:, None]
                             * m.c, a=(4, 3), b=(4, 3), c=(2,))),
    ("distances", of(lambda m, x: torch.cdist(x @ m.a.T, m.p) @ m.c.T, **A, p=(4, 2), **C)),
    ("index-put", of(_index_put, a=(3, 3), g=(2,), c=(2, 3))),
    ("overlapping-slices-in-place", of(_masked_rows, a=(3, 3), g=(2,), h=(2,), c=(2, 3))),
    ("overlapping-slices-of-a-weight", of(_overlap, w=(4, 3), c=(3, 3))),
    ("decay", of(_decay, (3, 3), a=(2,), w=(2, 3), c=(2, 2))),
    ("hypernetwork", of(_hyper, a=(6, 3), b=(3, 3), c=(2, 2))),
    ("norm-over-joined-places", of(_positions_norm, (2, 3), a=(2, 3), b=(2, 3), c=(2, 2))),
    ("joined-kernels", of(_cat_kernels, (2, 4), a=(2, 2, 2), b=(1, 2, 2), c=(2, 3, 1))),
    ("groups-of-joined-channels", of(_grouped, (2, 4), a=(2, 2, 1), b=(2, 2, 1), c=(2, 4, 1))),
    ("groups-across-a-join", of(_grouped, (2, 4), a=(1, 2, 1), b=(3, 2, 1), c=(2, 4, 1))),
    ("norm-of-joined-channels", of(_batch_norm, (2, 4), a=(2, 2, 1), b=(1, 2, 1), c=(2, 3, 1))),
    ("pools", of(_pools, (2, 4), a=(3, 2, 1), c=(2, 3, 1))),
    ("shuffled-channels", of(_shuffled, (2, 3), a=(4, 2, 1), c=(2, 2, 1))),
    ("partly-rotary", of(_rotary, (3, 3), q=(4, 3), k=(4, 3), v=(2, 3))),
    ("grouped-queries", of(_grouped_queries, (3, 3), q=(8, 3), k=(4, 3), v=(4, 3), o=(2, 8),
                            bias=(3, 3))),
    ("sink", of(_shared_sink, (3, 3), q=(2, 3), k=(2, 3), v=(2, 3), s=(1,))),
    ("norm-of-one-piece", of(_two_norms, a=(4, 3), c=(2, 4))),
    ("larger-by-where", of(_choice, a=(3, 3), b=(3, 3), c=(2, 3))),
    ("bounds-learned", of(_capped, a=(3, 3), low=(3,), high=(3,), c=(2, 3))),
    ("exponents-learned", of(lambda m, x: ((x @ m.a.T).abs() + 0.1) ** m.p @ m.c.T, **A, p=(2,),
                              c=(2, 2))),
    ("temperature", of(lambda m, x: (x @ m.a.T * m.s.exp()).softmax(-1) @ m.c.T, a=(3, 3), s=(1,),
                        c=(2, 3))),
    ("frequencies", of(lambda m, x: torch.sin((x @ m.a.T) * m.f + m.p) @ m.c.T, a=(3, 3), f=(3,),
                        p=(3,), c=(2, 3))),
    ("outer-flattened", of(lambda m, x: ((x @ m.a.T)[:, :, None] * (x @ m.b.T)[:, None]).flatten(1)
                            @ m.c.T, **PAIR)),
    ("diagonal-of-a-product", of(lambda m, x: torch.einsum("bi,ij,ij->bj", x, m.a, m.a) @ m.c.T,
                                  a=(3, 2), c=(2, 2))),
    ("quadratic-norm", of(lambda m, x: (x @ m.a.T) / torch.einsum("bi,bi->b", x @ m.b.T, x @ m.b.T
                                                                   )[:, None], **A, b=(3, 3))),
    ("gated-relu", of(lambda m, x: (torch.relu(x @ m.a.T) * torch.relu(x @ m.b.T)) @ m.c.T,
                       a=(3, 3), b=(3, 3), c=(2, 3))),
    ("spelled-rectifier", of(lambda m, x: ((x @ m.a.T) * ((x @ m.a.T) > 0)) @ m.c.T, a=(3, 3),
                              c=(2, 3))),
    ("straight-through", of(lambda m, x: (torch.round(x @ m.a.T) + 0.1 * (x @ m.a.T)) @ m.c.T,
                             a=(3, 3), c=(2, 3))),
    ("remainder", of(lambda m, x: torch.remainder(x @ m.a.T, 1.0) @ m.c.T, a=(3, 3), c=(2, 3))),
    ("sign-times", of(lambda m, x: (torch.sign(x @ m.a.T) * (x @ m.b.T).abs()) @ m.c.T, a=(3, 3),
                       b=(3, 3), c=(2, 3))),
    ("bucket", of(lambda m, x: m.e[torch.bucketize((x @ m.a.T)[:, 0], torch.tensor([-1.0, 1.0]))]
                   .tanh(), a=(1, 3), e=(3, 2))),
    ("count-above", of(lambda m, x: ((x @ m.a.T) > m.t).to(x.dtype).sum(-1, True) * m.c
                        + x @ m.b.T,
                        a=(3, 3), t=(3,), b=(2, 3), c=(2,))),
    ("best-of-pairs", of(lambda m, x: (x @ m.a.T).unflatten(-1, (2, 2)).amax(-1) @ m.c.T, a=(4, 3),
                          c=(2, 2))),
    ("pairs-chosen-by-place", of(lambda m, x: (x @ m.b.T).unflatten(-1, (2, 2)).gather(
        -1, (x @ m.a.T).unflatten(-1, (2, 2)).argmax(-1, keepdim=True)).squeeze(-1) @ m.c.T,
        a=(4, 3), b=(4, 3), c=(2, 2))),
    ("sorted-by-another", of(lambda m, x: (x @ m.b.T).gather(-1, (x @ m.a.T).argsort(-1)) @ m.c.T,
                              a=(3, 3), b=(3, 3), c=(2, 3))),
    ("scatter-by-place", of(lambda m, x: torch.zeros(len(x), 3).to(x).scatter_add(
        -1, (x @ m.a.T).argsort(-1), x @ m.b.T) @ m.c.T, a=(3, 3), b=(3, 3), c=(2, 3))),
    ("capacity", of(lambda m, x: (lambda g: torch.where(g >= g.topk(2, -1).values[..., -1:], g,
        torch.zeros_like(g)))((x @ m.a.T).softmax(-1)) @ m.c.T, a=(4, 3), c=(2, 4))),
    ("mask-learned", of(lambda m, x: (x @ m.a.T).masked_fill(x @ m.b.T > 0, -1.0) @ m.c.T,
                         a=(3, 3), b=(3, 3), c=(2, 3))),
    ("weight-norm-of-a-part", of(lambda m, x: torch.cat([x @ (m.v[:2] / m.v.norm()).T,
                                                          x @ m.v[2:].T], -1) @ m.c.T, v=(4, 3),
                                  **C)),
    ("gated-memory", of(lambda m, x: m.gru(x)[0] @ m.c.T, (3, 3), c=(2, 2),
                         gru=lambda: nn.GRU(3, 2, batch_first=True))),
    ("long-memory", of(lambda m, x: m.lstm(x)[0].relu() @ m.c.T, (3, 3),
                        lstm=lambda: nn.LSTM(3, 2, batch_first=True), c=(2, 2))),
    ("rectified-memory", of(lambda m, x: m.rnn(x)[0] @ m.c.T, (3, 3), c=(2, 2),
                             rnn=lambda: nn.RNN(3, 2, nonlinearity="relu", batch_first=True))),
    ("leaky-per-channel", of(lambda m, x: m.f(x @ m.a.T) @ m.c.T, a=(3, 3), f=lambda: nn.PReLU(3),
                              c=(2, 3))),
)  # fmt: skip
