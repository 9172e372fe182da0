"""Random small networks, described by nested tuples so that a failing one can be read and rerun."""

from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

LENGTH = 3
OUT = 3

ACTIVATIONS = {
    "relu": torch.relu, "tanh": torch.tanh, "gelu": F.gelu, "silu": F.silu, "abs": torch.abs,
    "square": torch.square, "leaky": F.leaky_relu, "softplus": F.softplus, "sin": torch.sin,
    "negative": torch.neg, "softmax": lambda x: x.softmax(-1), "double": lambda x: 2 * x + 1,
    "exp": lambda x: torch.exp(0.3 * x), "identity": lambda x: x,
}  # fmt: skip

Spec = tuple[Any, ...]
_widths = st.integers(2, 4)
_flags = st.booleans()
_activations = st.sampled_from(sorted(ACTIVATIONS))


def _leaves() -> st.SearchStrategy[Spec]:
    return st.one_of(
        st.tuples(st.just("linear"), _widths, _flags),
        st.tuples(st.just("linear"), _widths, _flags),
        st.tuples(st.just("act"), _activations),
        st.tuples(st.just("norm"), st.sampled_from(["layer", "rms", "plain-layer", "plain-rms"])),
        st.tuples(st.just("group-norm")),
        st.tuples(st.just("gain"), _flags),
        st.tuples(st.just("conv"), _widths, st.sampled_from([1, 3]), _flags),
        st.tuples(st.just("attention"), st.integers(1, 2), _flags, _flags),
        st.tuples(st.just("gated"), _widths, _activations),
        st.tuples(st.just("halves"), _activations),
        st.tuples(st.just("pool"), st.sampled_from(["add", "multiply", "replace"])),
        st.tuples(st.just("flip")),
        st.tuples(st.just("twice"), _activations),
    )


def _nested(inner: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    chain = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.tuples(st.just("residual"), chain),
        st.tuples(st.just("cat"), chain, chain),
        st.tuples(st.just("sum"), chain, chain),
        st.tuples(st.just("product"), chain, chain),
    )


def networks() -> st.SearchStrategy[Spec]:
    """Descriptions: (first layer, body, whether a linear head follows)."""
    layer = st.recursive(_leaves(), _nested, max_leaves=5)
    first = st.sampled_from(["floats", "linear", "tokens", "tokens-positions"])
    return st.tuples(first, st.lists(layer, min_size=1, max_size=4).map(tuple), _flags)


class Layer(nn.Module):
    """One item of a description; `width` is that of its input, `out` of its output."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.spec, self.width, self.out = spec, width, width
        match spec:
            case ("linear", out, bias):
                self.map, self.out = nn.Linear(width, out, bias=bias), out
            case ("norm", kind):
                affine = not kind.startswith("plain")
                norm = nn.LayerNorm if kind.endswith("layer") else nn.RMSNorm
                self.norm = norm(width, eps=1e-2, elementwise_affine=affine)
            case ("group-norm",):
                self.norm = nn.GroupNorm(2 if width % 2 == 0 else 1, width, eps=1e-2)
            case ("gain", shift):
                self.gain = nn.Parameter(torch.ones(width))
                self.bias = nn.Parameter(torch.zeros(width)) if shift else None
            case ("conv", out, kernel, bias):
                self.map = nn.Conv1d(width, out, kernel, padding=kernel // 2, bias=bias)
                self.out = out
            case ("attention", heads, bias, _):
                inner = 2 * heads
                self.q, self.k, self.v = (nn.Linear(width, inner, bias=bias) for _ in range(3))
                self.o = nn.Linear(inner, width, bias=bias)
            case ("gated", hidden, _):
                self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
                self.down = nn.Linear(hidden, width, bias=False)
            case ("halves", _):
                self.map = nn.Linear(width, 2 * width)
            case ("twice", _):
                self.map = nn.Linear(width, width)
            case ("residual", inner):
                self.inner = Chain(inner, width)
                self.fit = nn.Linear(self.inner.out, width, bias=False)
            case ("cat", one, two):
                self.one, self.two = Chain(one, width), Chain(two, width)
                self.out = self.one.out + self.two.out
            case ("sum", one, two) | ("product", one, two):
                self.one, self.two = Chain(one, width), Chain(two, width)
                self.fit = nn.Linear(self.two.out, self.one.out)
                self.out = self.one.out

    def forward(self, x: Tensor) -> Tensor:
        match self.spec:
            case ("linear", _, _):
                return self.map(x)
            case ("act", name):
                return ACTIVATIONS[name](x)
            case ("norm", _):
                return self.norm(x)
            case ("group-norm",):
                return self.norm(x.transpose(1, 2)).transpose(1, 2)
            case ("gain", _):
                return x * self.gain if self.bias is None else x * self.gain + self.bias
            case ("conv", *_):
                return self.map(x.transpose(1, 2)).transpose(1, 2)
            case ("attention", heads, _, causal):
                q, k, v = (
                    t.unflatten(-1, (heads, 2)).transpose(1, 2)
                    for t in (self.q(x), self.k(x), self.v(x))
                )
                mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
                return self.o(mixed.transpose(1, 2).flatten(-2))
            case ("gated", _, name):
                return self.down(ACTIVATIONS[name](self.gate(x)) * self.up(x))
            case ("halves", name):
                a, b = self.map(x).chunk(2, -1)
                return a * ACTIVATIONS[name](b)
            case ("pool", how):
                mean = x.mean(1, keepdim=True)
                return {"add": x + mean, "multiply": x * mean, "replace": mean.expand_as(x)}[how]
            case ("flip",):
                return torch.cat((x[..., 1:], x[..., :1]), -1)
            case ("twice", name):
                return self.map(ACTIVATIONS[name](self.map(x)))
            case ("residual", _):
                return x + self.fit(self.inner(x))
            case ("cat", _, _):
                return torch.cat((self.one(x), self.two(x)), -1)
            case ("sum", _, _):
                return self.one(x) + self.fit(self.two(x))
            case ("product", _, _):
                return self.one(x) * self.fit(self.two(x))
        raise ValueError(self.spec)


class Chain(nn.Module):
    def __init__(self, specs: tuple[Spec, ...], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.out = width
        for spec in specs:
            layer = Layer(spec, self.out)
            self.layers.append(layer)
            self.out = layer.out

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Network(nn.Module):
    """A described network on floats [batch, LENGTH, 3] or on tokens [batch, LENGTH] below 5."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        first, body, head = spec
        self.tokens = first.startswith("tokens")
        self.embed = nn.Embedding(5, 3) if self.tokens else None
        self.positions = nn.Embedding(LENGTH, 3) if first == "tokens-positions" else None
        self.start = nn.Linear(3, 3) if first == "linear" else nn.Identity()
        self.body = Chain(body, 3)
        self.head = nn.Linear(self.body.out, OUT) if head else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.embed is not None:
            x = self.embed(x)
        if self.positions is not None:
            x = x + self.positions(torch.arange(LENGTH))
        return self.head(self.body(self.start(x)))

    def example(self, batch: int, generator: torch.Generator) -> Tensor:
        """Random inputs."""
        if self.tokens:
            return torch.randint(5, (batch, LENGTH), generator=generator)
        return 2 * torch.randn(batch, LENGTH, 3, generator=generator)
