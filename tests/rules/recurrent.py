"""Recurrent layers with states that are given, learned or projected; single cells."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.rules.harness import Case, Net, linear, of, weight

T, B = 3, 4


def layered(run: Any, *shapes: tuple[int, ...], kind: Any = nn.LSTM, width: int = 3, **how: Any):
    """A recurrent layer 2 -> 3 under a linear head with two outputs."""
    return of(run, (T, B, 2), *shapes, n=lambda: kind(2, 3, **how), r=lambda: linear(width, 2))


def learned(run: Any, *, kind: Any = nn.LSTM, **how: Any) -> Any:
    """The initial state is a linear image of another input."""

    def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
        net = Net(run, e=linear(3, 3), n=kind(2, 3, **how), r=linear(3, 2))
        return net, (torch.randn(T, B, 2), torch.randn(B, 3))

    return build


def plain(m: Any, x: Tensor) -> Tensor:
    return m.r(m.n(x)[0])


def ends(m: Any, x: Tensor) -> Tensor:
    h = m.n(x)[1]
    return m.r(torch.cat([*(h[0] if isinstance(h, tuple) else h)], -1))


def given(m: Any, x: Tensor, h: Tensor) -> Tensor:
    return m.r(m.n(x, h)[0])


def both(m: Any, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
    return m.r(m.n(x, (h, c))[0])


def rectified(m: Any, x: Tensor, y: Tensor) -> Tensor:
    return m.r(m.n(x, m.e(y).relu()[None])[0])


def through_cell(m: Any, x: Tensor, y: Tensor) -> Tensor:
    h = m.e(y).tanh()[None]
    return m.r(m.n(x, (torch.zeros_like(h), h))[0])


def first(m: Any, x: Tensor, y: Tensor) -> Tensor:
    h = m.e(y)[:, None].transpose(0, 1)
    return m.r(m.n(x.transpose(0, 1), h)[0])


def cell(kind: Any, **how: Any) -> Any:
    def run(m: Any, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        two = kind is nn.LSTMCell
        y = m.n(x, (h.exp() @ m.u, c) if two else h.exp() @ m.u)
        return m.r(torch.cat(y, -1) if two else y)

    width = 6 if kind is nn.LSTMCell else 3
    return of(run, (24, 2), (24, 3), (24, 3), u=lambda: weight(3, 3), n=lambda: kind(2, 3, **how),
              r=lambda: linear(width, 2))  # fmt: skip


def loop(kind: Any, **how: Any) -> Any:
    """A cell applied over time, from zero."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[1], 3)
        state: Any = (h, h) if kind is nn.LSTMCell else h
        for row in x:
            state = m.n(row, state)
        return m.r(state[0] if kind is nn.LSTMCell else state)

    return of(run, (T, 12, 2), n=lambda: kind(2, 3, **how), r=lambda: linear(3, 2))


def by_hand(m: Any, x: Tensor) -> Tensor:
    h = c = x.new_zeros(x.shape[1], 3)
    for row in x:
        i, f, g, o = (m.w(row) + m.u(h)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    return m.r(h)


def equilibrium(m: Any, x: Tensor) -> Tensor:
    z = x.new_zeros(x.shape[0], 3)
    for _ in range(3):
        z = (m.u(x) - m.w(z)).tanh()
    return m.r(z)


STATE = (1, B, 3)


def weighed(m: Any, x: Tensor, besides: float = 0.0, sign: float = 1.0) -> Tensor:
    """Means of values, weighed by exponentials of keys, step by step (RWKV)."""
    k, v, r, out = m.k(x), m.v(x), m.r(x).sigmoid(), []
    a = b = k.new_zeros(len(x), 3)
    for t in range(x.shape[1]):
        e, f = k[:, t].exp(), (m.u + sign * k[:, t]).exp()
        out.append(m.o(r[:, t] * (a + f * v[:, t]) / (b + f)))
        a, b = m.w.sigmoid() * a + e * v[:, t], m.w.sigmoid() * b + e
    y = torch.stack(out, 1)
    return y + besides * k.tanh().sum(-1, True) if besides else y


def keys(**how: Any) -> Any:
    return of(lambda m, x: weighed(m, x, **how), (T, 3, 3), k=lambda: linear(3, 3),
              v=lambda: linear(3, 3), r=lambda: linear(3, 3), o=lambda: linear(3, 2),
              u=lambda: weight(3), w=lambda: weight(3))  # fmt: skip


CASES = [
    Case("lstm-projected", "lstm.input", layered(plain, proj_size=2, width=2)),
    Case("lstm-projected-no-bias", "lstm.input", layered(plain, proj_size=2, width=2, bias=False)),
    Case("lstm-projected-twice", "lstm.input",
         layered(plain, proj_size=1, num_layers=2, bidirectional=True, width=2)),
    Case("lstm-projected-given", "lstm.input",
         layered(both, (1, B, 2), STATE, proj_size=2, width=2)),
    Case("rnn-relu-end", "rnn_relu.input", layered(ends, kind=nn.RNN, nonlinearity="relu")),
    Case("lstm-projected-end", "lstm.input",
         layered(ends, proj_size=2, bidirectional=True, batch_first=True, width=4)),
    Case("gru-ends", "gru.input", layered(ends, kind=nn.GRU, num_layers=2, width=6)),
    Case("lstm-given", "lstm.input", layered(both, STATE, STATE)),
    Case("gru-given", "gru.input", layered(given, STATE, kind=nn.GRU)),
    Case("rnn-relu-given", "rnn_relu.input",
         layered(given, STATE, kind=nn.RNN, nonlinearity="relu")),
    Case("rnn-relu-learned", "rnn_relu.input",
         learned(rectified, kind=nn.RNN, nonlinearity="relu")),
    Case("gru-learned", "gru.input", learned(rectified, kind=nn.GRU)),
    Case("lstm-learned", "lstm.input", learned(through_cell)),
    Case("gru-learned-batch-first", "gru.input", learned(first, kind=nn.GRU, batch_first=True)),
    Case("lstm-cell", "lstm_cell", cell(nn.LSTMCell)),
    Case("lstm-cell-no-bias", "lstm_cell", cell(nn.LSTMCell, bias=False)),
    Case("gru-cell", "gru_cell", cell(nn.GRUCell)),
    Case("lstm-cell-loop", "lstm_cell", loop(nn.LSTMCell)),
    Case("gru-cell-loop", "gru_cell", loop(nn.GRUCell)),
    Case("rnn-cell-loop", "rnn_tanh_cell", loop(nn.RNNCell)),
    Case("rnn-cell-relu-loop", "rnn_relu_cell", loop(nn.RNNCell, nonlinearity="relu")),
    Case("lstm-by-hand", "linear", of(by_hand, (T, 12, 2), w=lambda: linear(2, 12),
         u=lambda: linear(3, 12), r=lambda: linear(3, 2))),
    Case("equilibrium", "linear", of(equilibrium, (24, 2), w=lambda: linear(3, 3),
         u=lambda: linear(2, 3), r=lambda: linear(3, 2))),
    Case("means weighed by exponentials of keys", "exp", keys()),
    Case("means weighed by exponentials of keys that are read besides", "exp",
         keys(besides=1.0)),
    Case("means weighed by exponentials of keys and of their opposites", "exp",
         keys(sign=-1.0), gap="what is added to all but the last of them may be twice as much",
         counts=(3, 6)),
    Case("rnn-cell", "rnn_tanh_cell", cell(nn.RNNCell)),
    Case("rnn-cell-relu", "rnn_relu_cell", cell(nn.RNNCell, nonlinearity="relu")),
]  # fmt: skip
