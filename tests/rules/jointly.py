"""Translations that only several parameters together make unseen, and nets where they are seen."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, linear, of, weight


def tokens(run: Any, rows: int = 12, places: int = 3, **parts: Any) -> Any:
    """Of rows of a table that are looked up."""

    def build() -> Any:
        net, _ = of(run, (1,), **parts)()
        return net, (torch.randint(rows, (16, places)),)

    return build


def stream(gate: int, key: int, n: int = 5, bias: bool = False, last: Any = None) -> Any:
    """A stream of tokens that one projection with a bias reads, and one without."""

    def run(m: Any, x: Tensor) -> Tensor:
        e = F.embedding(x, m.t)
        y = e + m.o(m.r(e).sigmoid() * m.k(e.roll(1, 1)).tanh())
        return m.h((last or F.layer_norm)(y, (n,)))

    return tokens(run, t=lambda: weight(12, n), r=lambda: linear(n, gate),
                  k=lambda: linear(n, key, bias), o=lambda: linear(gate, n),
                  h=lambda: linear(n, 2))  # fmt: skip


def again(between: Any, n: int = 4) -> Any:
    """A block that is used twice, and one between."""

    def run(m: Any, x: Tensor) -> Tensor:
        y = m.a(x)
        y = y + m.o(m.i(y).tanh())
        y = between(m, y)
        y = y + m.o(m.i(y).tanh())
        return m.h(y.sin())

    return of(run, (24, 3), a=lambda: linear(3, n), i=lambda: linear(n, 3), o=lambda: linear(3, n),
              p=lambda: linear(n, 2), q=lambda: linear(2, n), h=lambda: linear(n, 2))  # fmt: skip


def beside(norm: Any, n: int = 4, more: Any = None) -> Any:
    """A stream of tokens to which a weight that reads the table is added behind a block."""

    def run(m: Any, x: Tensor) -> Tensor:
        e = F.embedding(x, m.t)
        h = norm(e, (n,)).tanh()
        y = e + m.o(h * h.roll(1, 1)) + m.w(e)
        return m.h((y + more(m, e) if more else y).sin())

    return tokens(run, t=lambda: weight(12, n), o=lambda: linear(n, n),
                  w=lambda: linear(n, n, False), v=lambda: linear(n, n, False),
                  h=lambda: linear(n, 2))  # fmt: skip


ROWS = {"0": 12}
CASES = [
    *(Case(f"a bias for {g} readers, none for {k}", "embedding", stream(g, k, n), bounds=ROWS)
      for g, k, n in ((3, 3, 5), (4, 4, 6), (2, 2, 4))),
    Case("no bias for as many readers as the stream is wide", "embedding", stream(5, 5, 5),
         bounds=ROWS),
    Case("biases for all readers", "embedding", stream(3, 3, 5, True), bounds=ROWS),
    Case("no bias for few readers, seen at the end", "embedding",
         stream(3, 3, 5, last=lambda y, n: y.tanh()), bounds=ROWS),
    *(Case(f"a block used twice, of {n}, and one between", "linear",
           again(lambda m, y: y + m.q(m.p(y).tanh()), n)) for n in (3, 4)),
    Case("a block used twice, and a norm between", "linear",
         again(lambda m, y: F.layer_norm(y + m.q(m.p(y).tanh()), (4,)))),
    Case("a block used twice, and a function between", "linear",
         again(lambda m, y: y.tanh() + m.q(m.p(y).tanh()))),
    *(Case(f"a weight reads a table of {n} beside a norm of it", "embedding",
           beside(F.layer_norm, n), bounds=ROWS) for n in (3, 4)),
    Case("a weight reads a table beside a root mean square", "embedding", beside(
        lambda e, n: F.rms_norm(e, n, eps=0.1)), bounds=ROWS),
    Case("a weight reads a table beside a function of it", "embedding",
         beside(F.layer_norm, more=lambda m, e: e.tanh()), bounds=ROWS),
    Case("two weights read a table, one of them before a function", "embedding",
         beside(F.layer_norm, more=lambda m, e: m.v(e).tanh()), bounds=ROWS),
    Case("a table looked up twice", "embedding", tokens(
         lambda m, x: m.h((F.rms_norm(F.embedding(x, m.t), (3,), eps=0.1)
                           * F.rms_norm(F.embedding(x.flip(1), m.t), (3,), eps=0.1)).sin()),
         t=lambda: weight(12, 3), h=lambda: linear(3, 2)), bounds=ROWS),
    Case("a weight reads what places are mixed of", "embedding",
         beside(F.layer_norm, more=lambda m, e: m.v(e.mean(1, keepdim=True))), bounds=ROWS,
         gap="another number where places are mixed", counts=(1, 5)),
]  # fmt: skip
