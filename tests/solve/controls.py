"""Networks in which blocks, places and rounded values must not be taken for free."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight

Run = Any
EPS = 0.0


def _case(name: str, run: Run, *shapes: tuple[int, ...], **parts: Any) -> Case:
    return Case(name, "", of(run, *(shapes or ((12, 3),)), **parts))


def _pair(m: Any, x: Tensor) -> Tensor:
    return F.leaky_relu(torch.cat([m.a(x), m.b(x)], -1), 0.3)


def _two(name: str, run: Run, **more: Any) -> Case:
    """Two layers, joined."""
    parts = {"a": lambda: linear(3, 2), "b": lambda: linear(3, 2), "c": lambda: linear(4, 2)}
    return _case(name, run, **parts, **more)


def _joint_mean(m: Any, x: Tensor) -> Tensor:
    h = _pair(m, x)
    return m.c((h - h.mean(-1, keepdim=True)).relu())


def _joint_maximum(m: Any, x: Tensor) -> Tensor:
    h = _pair(m, x)
    return m.c((h - h.amax(-1, keepdim=True)).abs())


def _slices(m: Any, x: Tensor) -> Tensor:
    y = F.leaky_relu(m.w(x), 0.3)
    y[:, :2] *= m.g
    y[:, 2:] *= m.h
    return m.c(F.layer_norm(y, (4,), eps=EPS).relu())


def _standardised(m: Any, x: Tensor) -> Tensor:
    h = torch.cat([x @ m.a[:1].T, x @ m.a[1:].T], -1).relu()
    return (h.unsqueeze(-2) * (m.p - m.p.mean(1, keepdim=True))).sum(-1)


def _chunks(norm: Run) -> Run:
    def run(m: Any, x: Tensor) -> Tensor:
        u, v = norm(m.a(x)).chunk(2, -1)
        return m.c(u.relu()) + m.d(v.relu())

    return run


def _positions(m: Any, x: Tensor) -> Tensor:
    """Two sets of positions, a mean over all of them, and readers of each set."""
    h = torch.cat([torch.einsum("bi,pik->bpk", x, m.a), torch.einsum("bi,pik->bpk", x, m.b)], 1)
    h = h - h.mean(1, keepdim=True)
    return torch.einsum("bpk,pko->bpo", h[:, :2], m.c).sum(1) + torch.einsum(
        "bpk,pko->bpo", h[:, 2:], m.d
    ).sum(1)


def _per_position(m: Any, x: Tensor) -> Tensor:
    h = torch.einsum("bi,pik->bpk", x, m.a)
    h = h - h.mean(1, keepdim=True)
    return torch.einsum("bpk,pko->bo", h, m.c)


def _softmaxed(m: Any, x: Tensor) -> Tensor:
    """Hidden units per place, shares over the places of both sets."""
    h = torch.cat([torch.einsum("bi,pik->bpk", x, m.a), torch.einsum("bi,pik->bpk", x, m.b)], 1)
    return torch.einsum("bpk,pko->bo", h.softmax(1), torch.cat([m.c, m.d], 0))


def _running(m: Any, x: Tensor) -> Tensor:
    return m.c(_pair(m, x).cumsum(-1).relu())


BLOCKS = [
    _two("joint-mean", _joint_mean),
    _two("joint-maximum", _joint_maximum),
    _two("joint-layer-norm", lambda m, x: m.c(F.layer_norm(_pair(m, x), (4,), eps=EPS))),
    _two("joint-rms-norm", lambda m, x: m.c(F.rms_norm(_pair(m, x), (4,), eps=EPS))),
    _two("joint-group-norm", lambda m, x: m.c(F.group_norm(_pair(m, x), 1, eps=EPS).relu())),
    _two("joint-unit-norm", lambda m, x: m.c(F.normalize(_pair(m, x), dim=-1, eps=1e-30))),
    _two("joint-deviation", lambda m, x: m.c(_pair(m, x) / _pair(m, x).std(-1, keepdim=True))),
    _two("joint-sum", lambda m, x: m.c(_pair(m, x) * _pair(m, x).sum(-1, keepdim=True))),
    _two("joint-softmax", lambda m, x: m.c(_pair(m, x).softmax(-1))),
    _two("joint-running-sum", _running),
    _case("slices-scaled-in-place", _slices, w=lambda: linear(3, 4), c=lambda: linear(4, 2),
          g=lambda: weight(2), h=lambda: weight(2)),
    _case("standardised-weight-reads-a-join", _standardised, a=lambda: weight(2, 3),
          p=lambda: weight(3, 2)),
    *(_case(f"chunks-of-{name}", _chunks(norm), a=lambda: linear(3, 4),
            c=lambda: linear(2, 2), d=lambda: linear(2, 2))
      for name, norm in (("layer-norm", lambda h: F.layer_norm(h, (4,), eps=EPS)),
                         ("rms-norm", lambda h: F.rms_norm(h, (4,), eps=EPS)),
                         ("centred", lambda h: h - h.mean(-1, keepdim=True)))),
    _case("mean-over-joined-positions", _positions, a=lambda: weight(2, 3, 2),
          b=lambda: weight(2, 3, 2), c=lambda: weight(2, 2, 2), d=lambda: weight(2, 2, 2)),
    _case("mean-over-positions", _per_position, a=lambda: weight(3, 3, 2),
          c=lambda: weight(3, 2, 2)),
    _case("shares-over-joined-positions", _softmaxed, a=lambda: weight(2, 3, 2),
          b=lambda: weight(2, 3, 2), c=lambda: weight(2, 2, 2), d=lambda: weight(2, 2, 2)),
]  # fmt: skip


# values that are read without a derivative ------------------------------------------------------
def _places(m: Any, x: Tensor) -> Tensor:
    r = m.router(x)
    return m.out(torch.zeros_like(r).scatter(-1, r.topk(2, -1).indices, 1.0))


def _routed(m: Any, x: Tensor) -> Tensor:
    chosen = m.router(x).topk(1, -1).indices
    experts = torch.einsum("bi,eio->beo", x, m.e)
    return experts.gather(1, chosen.unsqueeze(-1).expand(-1, -1, experts.shape[-1])).squeeze(1)


def _constant_table(m: Any, x: Tensor) -> Tensor:
    return m.out(m.table[m.router(x).argmax(-1)])


def _packed(m: Any, x: Tensor) -> Tensor:
    chosen = m.router(x).topk(2, -1).indices.reshape(-1)
    starts = torch.arange(0, 2 * len(x), 2)
    return m.out(F.embedding_bag(chosen, m.e.weight, starts, mode="sum"))


def _joint_order(m: Any, x: Tensor) -> Tensor:
    return m.out(m.e(_pair(m, x).argmax(-1)).relu())


def _hard(name: str, run: Run, **more: Any) -> Case:
    return _case(name, run, (64, 3), router=lambda: linear(3, 4), **more)


def _table() -> nn.Embedding:
    return nn.Embedding(4, 3)


def _last() -> nn.Linear:
    return linear(3, 2)


PLACES = [
    _hard("top-k-mask", _places, out=lambda: linear(4, 2)),
    _hard("row-of-the-largest", lambda m, x: m.out(m.e(m.router(x).argmax(-1)).tanh()),
          e=_table, out=_last),
    _hard("rows-in-order", lambda m, x: m.out(m.e(m.router(x).argsort(-1)).tanh().flatten(1)),
          e=_table, out=lambda: linear(12, 2)),
    _hard("index-of-maximum", lambda m, x: m.out(m.e(m.router(x).max(-1).indices).tanh()),
          e=_table, out=_last),
    _hard("routed-experts", _routed, e=lambda: weight(4, 3, 2)),
    _hard("table-of-constants", _constant_table, table=lambda: torch.randn(4, 3), out=_last),
    _hard("parameters-by-place", lambda m, x: m.out(m.e[m.router(x).argmin(-1)].tanh()),
          e=lambda: weight(4, 3), out=_last),
    _hard("selected-rows",
          lambda m, x: m.out(m.e.index_select(0, m.router(x).argmax(-1)).tanh()),
          e=lambda: weight(4, 3), out=_last),
    _hard("bags", _packed, e=_table, out=_last),
    _hard("rounded-to-a-row",
          lambda m, x: m.out(m.e((m.router(x)[:, 0] * 2).long().clamp(0, 3)).tanh()),
          e=_table, out=_last),
    _hard("rounded", lambda m, x: m.last(m.router(x).long().to(x.dtype)),
          last=lambda: linear(4, 2)),
    _hard("bits", lambda m, x: m.last(m.router(x).view(torch.int32).sign().to(x.dtype)),
          last=lambda: linear(4, 2)),
    _hard("truths", lambda m, x: m.last((m.router(x).relu()).bool().to(x.dtype)),
          last=lambda: linear(4, 2)),
    _case("order-of-a-join", _joint_order, (64, 3), a=lambda: linear(3, 2),
          b=lambda: linear(3, 2), e=_table, out=_last),
]  # fmt: skip
