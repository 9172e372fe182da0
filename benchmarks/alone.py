"""Discovery alone against the rules: totals with every rule, and with all of them switched off.

The models are too large for discovery, which runs on twins of them; what it finds is lifted and
tried at full size. Every analysis is a process of its own with one thread. Other models, of any
size, are named by specs: `python benchmarks/alone.py [NAME or SPEC ...]`; the exit code is 1 where
two totals differ.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from measure import Failed, measured, serve
from torch import Tensor, nn
from torch.nn import functional as F


class Net(nn.Module):
    """Some layers and tensors, and what is done with them."""

    def __init__(self, run: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, Tensor) else part)

    def forward(self, *x: Tensor) -> Tensor:
        """What is done."""
        return self.run(self, *x)


def film(m: Any, x: Tensor, c: Tensor) -> Tensor:
    """A modulation behind a norm."""
    scale, shift = m.film(c).chunk(2, 1)
    return m.o(F.gelu(m.norm(m.a(x)) * (1 + scale) + shift))


def pairs(m: Any, u: Tensor, i: Tensor) -> Tensor:
    """Inner products, with a bias for each side."""
    return (m.u(u) * m.i(i)).sum(1) + m.bu(u)[:, 0] + m.bi(i)[:, 0]


def branches(m: Any, x: Tensor) -> Tensor:
    """Two convolutions and their norms into one sum."""
    return torch.relu(m.n1(m.c1(x)) + m.n3(m.c3(x))).mean((2, 3))


def pieces(m: Any, x: Tensor) -> Tensor:
    """A linear bond in two pieces."""
    x = F.gelu(m.s(x))
    return m.r(F.gelu(m.o(torch.cat([m.a(x), m.b(x)], 1))))


MODELS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "quadratic-form": lambda: (
        Net(lambda m, x: (x @ m.w.T).square() @ m.a, w=torch.randn(40, 90), a=torch.randn(40)),
        torch.randn(4, 90)),
    "film": lambda: (
        Net(film, a=nn.Linear(30, 40), norm=nn.LayerNorm(40), film=nn.Linear(20, 80),
            o=nn.Linear(40, 25)), (torch.randn(4, 30), torch.randn(4, 20))),
    "weight-norm": lambda: (
        nn.Sequential(nn.utils.weight_norm(nn.Linear(40, 60)), nn.ReLU(),
                      nn.utils.weight_norm(nn.Linear(60, 30))), torch.randn(4, 40)),
    "identity-plus-matrix": lambda: (
        Net(lambda m, x: m.o(torch.tanh(x + x @ m.w + m.k * x)), w=torch.randn(60, 60),
            k=torch.randn(1), o=nn.Linear(60, 7)), torch.randn(4, 60)),
    "factorisation": lambda: (
        Net(pairs, u=nn.Embedding(150, 13), i=nn.Embedding(140, 13), bu=nn.Embedding(150, 1),
            bi=nn.Embedding(140, 1)), (torch.randint(0, 150, (8,)), torch.randint(0, 140, (8,)))),
    "parallel-branches": lambda: (
        Net(branches, c1=nn.Conv2d(14, 22, 1, bias=False),
            c3=nn.Conv2d(14, 22, 3, padding=1, bias=False), n1=nn.BatchNorm2d(22),
            n3=nn.BatchNorm2d(22)), torch.randn(4, 14, 6, 6)),
    "bond-in-pieces": lambda: (
        Net(pieces, s=nn.Linear(6, 30), a=nn.Linear(30, 11), b=nn.Linear(30, 9),
            o=nn.Linear(20, 23), r=nn.Linear(23, 4)), torch.randn(32, 6)),
}  # fmt: skip


def analysed(name: str, how: str) -> dict[str, Any]:
    """One analysis, with all rules or without any."""
    import symfind

    torch.manual_seed(0)
    model, inputs = MODELS[name]() if name in MODELS else (name, None)
    begin = time.process_time()
    report = symfind.analyze(model, inputs, without=["all"] if how == "alone" else [])
    certificate, dimension = report.certificate, report.dimension
    return {
        "processor": time.process_time() - begin,
        "parameters": dimension.parameters,
        "redundant": dimension.redundant,
        "formula": dimension.formula,
        "status": f"{certificate.status} on {certificate.on}",
        "found": sum(f.total for f in report.factors if f.origin == "discovery"),
    }


def main() -> int:
    """Print one line for every model; 1 where totals differ."""
    head = ("model", "parameters", "redundant", "of it found", "alone", "formula alone",
            "certificate alone", "processor", "alone")  # fmt: skip
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * 4 + "---|---|---:|---:|")
    wrong = 0
    for name in sys.argv[1:] or MODELS:
        try:
            ruled, alone = (measured(__file__, name, how, threads=1) for how in ("rules", "alone"))
        except Failed as error:
            print(f"| {name} | {error} |", flush=True)
            wrong += 1
            continue
        wrong += ruled["redundant"] != alone["redundant"]
        print(
            f"| {name} | {ruled['parameters']:,} | {ruled['redundant']:,} | {ruled['found']:,} "
            f"| {alone['redundant']:,} | `{alone['formula']}` | {alone['status']} "
            f"| {ruled['processor']:.0f} s | {alone['processor']:.0f} s |",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    if not serve(analysed):
        sys.exit(main())
