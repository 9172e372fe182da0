"""Sums of squares behind other sums and products: rotations of the index that is summed over."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from symfind.catalog.models import integers
from tests.rules.harness import Case, Net, linear, of, weight


def machine(run: Any) -> Any:
    return of(lambda m, x: run(x, m.v), (40, 6), v=lambda: weight(6, 3))


def fields(x: Tensor, v: Tensor) -> Tensor:
    z = x[:, :, None] * v
    return (z.sum(1) ** 2 - (z**2).sum(1)).sum(1)


def tables(run: Any, rows: int = 7, number: int = 3, **parts: Callable[[], Any]) -> Any:
    """One table for each field, with numbers for each row beside it."""

    def build() -> Any:
        def forward(m: Any, t: Tensor) -> Any:
            fields = [e(t[:, i]) for i, e in enumerate(m.e)]
            return run(m, torch.stack(fields, 1), sum(w(t[:, i]) for i, w in enumerate(m.w)))

        e, w = (nn.ModuleList(nn.Embedding(rows, n) for _ in range(number)) for n in (2, 1))
        made = {name: make() for name, make in parts.items()}
        return Net(forward, e=e, w=w, **made), (integers(rows, 24, number),)

    return build


def pairs(e: Tensor) -> Tensor:
    return 0.5 * (e.sum(1) ** 2 - (e**2).sum(1)).sum(-1, keepdim=True)


def asked(run: Any, users: int = 12, **parts: Callable[[], Any]) -> Any:
    """Rows of users and of items."""

    def build() -> Any:
        made = {name: make() for name, make in parts.items()}
        tables = {name: nn.Embedding(users, 3) for name in "uiab"}
        return Net(run, **tables, **made), (integers(users, 60), integers(users, 60))

    return build


def interacting(read: Any) -> Any:
    """Scores of three wires with one another, of which one is read beside them."""

    def run(m: Any, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        wires = torch.stack([m.u(x), m.v(y), m.w(z)], 1)
        return m.r(torch.cat([wires[:, 0], read(wires @ wires.mT)], 1)).tanh()

    return of(run, (20, 3), (20, 4), (20, 3), u=lambda: linear(3, 2), v=lambda: linear(4, 2),
              w=lambda: linear(3, 2), r=lambda: linear(5, 4))  # fmt: skip


def outer(other: int, bend: Any = lambda z: z) -> Any:
    """All products of the entries of two wires, or of one with itself."""
    return of(lambda m, x: m.r(bend(m.w(x[:, 0])[:, :, None] * m.w(x[:, other])[:, None])
                               .flatten(1)).tanh(), (40, 2, 4),
              w=lambda: linear(4, 3), r=lambda: linear(9, 2))  # fmt: skip


def made(first: bool, second: bool, third: bool, apart: bool = False) -> Any:
    """A weight that one layer makes, and what it is multiplied with another: of one wire."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.a(x).tanh()
        weight = m.make(h).unflatten(-1, (2, 3))
        return (torch.einsum("bkn,bn->bk", weight, m.read(m.c(x).sin() if apart else h))
                + m.b(h)).tanh()  # fmt: skip

    return of(run, (60, 3), a=lambda: linear(3, 3), c=lambda: linear(3, 3),
              make=lambda: linear(3, 6, first), read=lambda: linear(3, 3, second),
              b=lambda: linear(3, 2, third))  # fmt: skip


def twice(other: Any) -> Any:
    """A bilinear layer."""
    return of(lambda m, x: (lambda z: torch.einsum("bi,oij,bj->bo", z, m.w, other(z)))(m.a(x)),
              (60, 4), a=lambda: linear(4, 3), w=lambda: weight(2, 3, 3))  # fmt: skip


BELOW = torch.tril_indices(3, 3, -1)
ROWS = {"0": 7}
PAIRS = {"0": 12, "1": 12}
CASES = [
    Case("factorisation machine over tables", "embedding stack sum", tables(
         lambda m, e, w: w + m.b + pairs(e), b=lambda: weight(1)), bounds=ROWS),
    Case("factorisation machine beside a network", "embedding stack sum", tables(
         lambda m, e, w: w + pairs(e) + m.r(m.d(e.flatten(1)).tanh()),
         d=lambda: linear(6, 2), r=lambda: linear(2, 1)), bounds=ROWS),
    Case("pairs without numbers of the rows", "embedding stack sum", tables(
         lambda m, e, w: torch.cat([w, pairs(e)], 1)), bounds=ROWS),
    Case("pairs seen through a function", "embedding stack sum", tables(
         lambda m, e, w: w + pairs(e).sin()), bounds=ROWS),
    Case("three at once instead of pairs", "embedding stack", tables(
         lambda m, e, w: w + e.prod(1).sum(-1, keepdim=True)), bounds=ROWS),
    Case("scores of stacked wires, below the diagonal", "stack index.Tensor", interacting(
         lambda z: z[:, BELOW[0], BELOW[1]])),
    Case("scores of stacked wires, flattened", "stack index.Tensor", interacting(
         lambda z: z.flatten(1)[:, 3 * BELOW[0] + BELOW[1]])),
    Case("scores of stacked wires, one row", "stack select", interacting(
         lambda z: z[:, 0].tanh())),
    Case("all products with itself", "mul.Tensor", outer(0)),
    Case("all products with itself, bent", "mul.Tensor relu", outer(0, torch.relu)),
    Case("all products with another", "mul.Tensor", outer(1)),
    Case("second moments", "matmul", of(
         lambda m, x: m.r((lambda h: (h.mT @ h).flatten(1))(m.w(x))).tanh(), (40, 3, 4),
         w=lambda: linear(4, 3), r=lambda: linear(9, 2))),
    Case("weighted factors", "embedding mul.Tensor linear", asked(
         lambda m, u, i: m.o(m.u(u) * m.i(i)), o=lambda: linear(3, 1)), bounds=PAIRS),
    Case("weighted factors, summed", "embedding mul.Tensor sum", asked(
         lambda m, u, i: (m.u(u) * m.o * m.i(i)).sum(-1).sin(), o=lambda: weight(3)),
         bounds=PAIRS),
    Case("weighted factors beside a network", "embedding mul.Tensor cat linear", asked(
         lambda m, u, i: m.o(torch.cat([m.u(u) * m.i(i), m.n(m.a(u) + m.b(i)).tanh()], -1)),
         n=lambda: linear(3, 2), o=lambda: linear(5, 1)), bounds=PAIRS),
    Case("two numbers of the same factors", "embedding mul.Tensor linear", asked(
         lambda m, u, i: m.o(m.u(u) * m.i(i)), o=lambda: linear(3, 2)), bounds=PAIRS),
    Case("factors of which one is bent", "embedding mul.Tensor linear", asked(
         lambda m, u, i: m.o(m.u(u).tanh() * m.i(i)), o=lambda: linear(3, 1)), bounds=PAIRS),
    Case("squared norm of a linear map", "sum", machine(
        lambda x, v: ((x @ v) ** 2).sum(1))),
    Case("squared norms of rows", "sum", machine(
        lambda x, v: ((x**2) @ (v**2)).sum(1))),
    Case("factorisation machine", "sum", machine(
        lambda x, v: 0.5 * ((x @ v) ** 2 - (x**2) @ (v**2)).sum(1))),
    Case("factorisation machine, dimensions kept", "sum", machine(
        lambda x, v: ((x @ v) ** 2 - (x**2) @ (v**2)).sum(1, keepdim=True).sin())),
    Case("factorisation machine over fields", "sum", machine(fields)),
    Case("cubes beside squares", "sum", machine(
        lambda x, v: ((x @ v) ** 2 - (x @ v) ** 3).sum(1))),
    Case("bilinear layer that reads one wire twice", "einsum", twice(lambda z: z)),
    Case("bilinear layer that reads a wire and its function", "einsum", twice(torch.tanh)),
    Case("form", "sum", machine(lambda x, v: ((x[:, :3] @ v[:3]) * x[:, :3]).sum(1))),
    Case("form in two wires", "sum", machine(lambda x, v: ((x[:, :3] @ v[:3]) * x[:, 3:]).sum(1))),
    Case("made weights", "einsum", made(True, True, True)),
    Case("made weights without biases", "einsum", made(False, False, True)),
    Case("made weights without their bias", "einsum", made(False, True, True)),
    Case("made weights without a bias of what they read", "einsum", made(True, False, False)),
    Case("made weights that read another wire", "einsum", made(True, True, True, apart=True)),
    Case("made weights without a last bias", "einsum", made(True, True, False),
         gap="biases at right angles to those that no bias takes up", counts=(27, 34)),
]  # fmt: skip
