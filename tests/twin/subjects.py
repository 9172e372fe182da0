"""Models whose twins are built, and how a question about them is put."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from symfind.load import sizes_of
from symfind.trace import Graph, trace
from symfind.twin import Question
from symfind.twin.formula import count
from tests.ground_truth.models import Case

_TRACED: dict[str, tuple[Graph, dict[str, Tensor]]] = {}  # each is traced once


def examples_of(graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
    """Example inputs by the names of the graph's inputs."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    return {op.key: tensor for op, tensor in zip(graph.inputs, tensors, strict=True)}


def traced(case: Case) -> tuple[Graph, dict[str, Tensor]]:
    """The graph of a ground-truth model, and its inputs by name."""
    if case.name not in _TRACED:
        model, args, kwargs = case.build()
        graph = trace(model, args, kwargs, train=case.train)
        _TRACED[case.name] = graph, examples_of(graph, args, kwargs)
    return _TRACED[case.name]


def question(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None,
             **how: Any) -> Question:  # fmt: skip
    """What an analysis asks of the twins of a model."""
    graph = trace(model, args, kwargs or {}, train=how.get("train", False))
    names = sizes_of(model)
    redundant = count(graph, how.get("output", "raw"), names).redundant
    inputs = examples_of(graph, args, kwargs or {})
    return Question(graph, redundant, names, examples=inputs, **how)


class Handwritten(nn.Module):
    """Two layers as a user may write them: split in three, chunked gates, a mask, einsum."""

    def __init__(self, width: int = 48, heads: int = 4, hidden: int = 80, length: int = 20,
                 layers: int = 2) -> None:  # fmt: skip
        super().__init__()
        self.heads = heads
        self.token = nn.Embedding(61, width)
        self.place = nn.Parameter(torch.randn(1, length, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-3) for _ in range(2 * layers + 1))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.gates = nn.ModuleList(nn.Linear(width, 2 * hidden, bias=False) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(hidden, width) for _ in range(layers))
        self.head = nn.Linear(width, 9)
        self.register_buffer("mask", torch.ones(length, length).tril() == 0)

    def forward(self, ids: Tensor) -> Tensor:
        b, t = ids.shape
        x = self.token(ids) + self.place[:, :t]
        *norms, last = self.norms
        for norm, after, qkv, out, gates, down in zip(
            norms[::2], norms[1::2], self.qkv, self.out, self.gates, self.down, strict=True
        ):
            parts = qkv(norm(x)).split(x.shape[-1], dim=-1)
            q, k, v = (p.reshape(b, t, self.heads, -1) for p in parts)
            scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.shape[-1])
            scores = scores.masked_fill(self.mask[:t, :t], float("-inf"))
            mixed = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)
            x = x + out(mixed.reshape(b, t, -1))
            up, gate = gates(after(x)).chunk(2, dim=-1)
            x = x + down(up * torch.sigmoid(gate))
        return self.head(last(x))


def handwritten(layers: int = 2) -> Question:
    """A file of a user's own."""
    torch.manual_seed(0)
    return question(Handwritten(layers=layers), (torch.randint(61, (2, 20)),))


class Separable(nn.Module):
    """Patches, depthwise and pointwise convolutions, strides, pools, and a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 4, stride=4)
        self.deep = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.norm = nn.BatchNorm2d(24)
        self.wide = nn.Conv2d(24, 40, 1)
        self.back = nn.Conv2d(40, 24, 1)
        self.down = nn.Conv2d(24, 32, 3, stride=2, padding=1, groups=2)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        x = x + self.back(torch.tanh(self.wide(self.norm(self.deep(x)))))
        x = self.pool(torch.tanh(self.down(x)))
        return self.head(x.flatten(1))


def separable() -> Question:
    """Convolutions of every kind."""
    torch.manual_seed(0)
    return question(Separable(), (torch.randn(2, 3, 32, 32),))


class Inverted(nn.Module):
    """Wide depthwise bottlenecks with clipped units, in eval mode."""

    def __init__(self, width: int = 32, hidden: int = 96) -> None:
        super().__init__()
        sizes = [(3, width, 3, 1), (width, hidden, 1, 1), (hidden, hidden, 3, hidden)]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, k, stride=1 + (k > 1), padding=k // 2, groups=g, bias=False)
            for a, b, k, g in sizes
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _, _ in sizes)
        self.back = nn.Conv2d(hidden, width, 1, bias=False)
        self.last = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 40)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = nn.functional.relu6(norm(conv(x)))
        return self.head(self.last(self.back(x)).mean((2, 3)))


def inverted() -> Question:
    """Units that are clipped from both sides have no scale, where the upper clip is ever seen."""
    torch.manual_seed(0)
    return question(Inverted().eval(), (torch.randn(2, 3, 32, 32),))


class Appending(nn.Module):
    """Layers that append to all that came before, each after a normalisation and a rectifier."""

    def __init__(self, layers: int = 6, width: int = 24, growth: int = 12) -> None:
        super().__init__()
        widths = [width + growth * k for k in range(layers + 1)]
        self.stem, self.first = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths)
        self.convs = nn.ModuleList(nn.Conv2d(w, growth, 3, padding=1) for w in widths[:-1])
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(self.stem(x)))
        *norms, last = self.norms
        for norm, conv in zip(norms, self.convs, strict=True):
            x = torch.cat([x, conv(torch.relu(norm(x)))], 1)
        return self.head(torch.relu(last(x)).mean((2, 3)))


def appending() -> Question:
    """A small densely concatenated network."""
    torch.manual_seed(0)
    return question(Appending().eval(), (torch.randn(2, 3, 16, 16),))


class Mixing(nn.Module):
    """Patches that are mixed along positions, then along channels."""

    def __init__(self, width: int = 24, patches: int = 16, hidden: int = 40) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, stride=4)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-3) for _ in range(3))
        self.along = nn.Sequential(nn.Linear(patches, 8), nn.GELU(), nn.Linear(8, patches))
        self.across = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        first, second, last = self.norms
        x = x + self.along(first(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.across(second(x))
        return self.head(last(x).mean(1))


def mixing() -> Question:
    """A small mixer."""
    torch.manual_seed(0)
    return question(Mixing(), (torch.randn(2, 3, 16, 16),))
