"""Networks on sequences of tokens."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.blocks import rotate
from symfind.catalog.models import Built, integers
from symfind.catalog.models.images import waves
from symfind.load.meta import build_light


class Transformer(nn.Module):
    """Encoder and decoder (Vaswani et al. 2017), one table for tokens and logits."""

    def __init__(self, vocabulary: int, width: int, heads: int, hidden: int, depth: int) -> None:
        """Set the sizes."""
        super().__init__()
        self.width = width
        self.embed = nn.Embedding(vocabulary, width)
        self.body = nn.Transformer(
            width, heads, depth, depth, hidden, dropout=0.0, batch_first=True
        )
        self.body.encoder.norm = self.body.decoder.norm = None

    def place(self, tokens: Tensor) -> Tensor:
        """Embeddings [batch, positions, width] with waves of the position."""
        x = self.embed(tokens) * math.sqrt(self.width)
        return x + waves(torch.arange(x.shape[1], dtype=x.dtype, device=x.device), self.width)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits [batch, positions, vocabulary]."""
        later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        x = self.body(self.place(source), self.place(target), tgt_mask=later.to(source.device))
        return F.linear(x, self.embed.weight)


def transformer_base(
    vocabulary: int = 37000, width: int = 512, heads: int = 8, hidden: int = 2048, depth: int = 6
) -> Built:
    """The base model."""
    model = build_light(lambda: Transformer(vocabulary, width, heads, hidden, depth))
    return model, (integers(vocabulary, 1, 16), integers(vocabulary, 1, 16))


class LSTMModel(nn.Module):
    """Two layers of LSTM between tables (Zaremba et al. 2014)."""

    def __init__(self, vocabulary: int, width: int, depth: int) -> None:
        """Set the sizes."""
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.cells = nn.LSTM(width, width, depth, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch, positions, vocabulary]."""
        return self.head(self.cells(self.embed(tokens))[0])


def lstm_lm(vocabulary: int = 10000, width: int = 650, depth: int = 2) -> Built:
    """The medium model for the Penn Treebank."""
    return LSTMModel(vocabulary, width, depth), (integers(vocabulary, 1, 8),)


def on_sphere(x: Tensor) -> Tensor:
    """The last axis at length one."""
    return x / x.norm(dim=-1, keepdim=True)


class NGPTBlock(nn.Module):
    """Attention and MLP on the sphere (Loshchilov et al. 2024): every row of length one."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        """Set the sizes."""
        super().__init__()
        self.width, self.heads = width, heads
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.o = nn.Linear(width, width, bias=False)
        self.gate, self.up = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, width, bias=False)
        self.scale_qk = nn.Parameter(torch.ones(width))
        self.scale_gate, self.scale_up = (nn.Parameter(torch.ones(hidden)) for _ in range(2))
        self.rate_attention, self.rate_mlp = (nn.Parameter(torch.ones(width)) for _ in range(2))

    def heads_of(self, x: Tensor, layer: nn.Linear) -> Tensor:
        """Features of every head [batch, heads, positions, size]."""
        batch, positions, _ = x.shape
        h = F.linear(x, on_sphere(layer.weight))
        return h.view(batch, positions, self.heads, -1).transpose(1, 2)

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention with queries and keys on the sphere."""
        batch, positions, width = x.shape
        q, k, v = (self.heads_of(x, layer) for layer in (self.q, self.k, self.v))
        scale = self.scale_qk.view(self.heads, 1, -1)
        q, k = scale * on_sphere(rotate(q)), scale * on_sphere(rotate(k))
        mixed = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=math.sqrt(width / self.heads)
        )
        mixed = mixed.transpose(1, 2).reshape(batch, positions, width)
        return F.linear(mixed, on_sphere(self.o.weight.T).T)

    def mlp(self, x: Tensor) -> Tensor:
        """Gated units with learnt scales."""
        up = self.scale_up * F.linear(x, on_sphere(self.up.weight))
        gate = self.scale_gate * F.linear(x, on_sphere(self.gate.weight))
        h = up * F.silu(gate * math.sqrt(self.width))
        return F.linear(h, on_sphere(self.down.weight.T).T)

    def forward(self, x: Tensor) -> Tensor:
        """Step towards what attention and MLP say, and return to the sphere."""
        x = on_sphere(x + self.rate_attention * (on_sphere(self.attend(x)) - x))
        return on_sphere(x + self.rate_mlp * (on_sphere(self.mlp(x)) - x))


class NGPT(nn.Module):
    """The normalised transformer."""

    def __init__(self, vocabulary: int, width: int, heads: int, hidden: int, depth: int) -> None:
        """Set the sizes."""
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(NGPTBlock(width, heads, hidden) for _ in range(depth))
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.scale = nn.Parameter(torch.ones(vocabulary))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch, positions, vocabulary]."""
        x = on_sphere(self.embed(tokens))
        for block in self.blocks:
            x = block(x)
        return self.scale * F.linear(x, on_sphere(self.head.weight))


def ngpt(
    vocabulary: int = 32000, width: int = 1024, heads: int = 16, hidden: int = 4096,
    depth: int = 24,
) -> Built:  # fmt: skip
    """The model of half a billion parameters."""
    model = build_light(lambda: NGPT(vocabulary, width, heads, hidden, depth))
    return model, (integers(vocabulary, 1, 8),)


class RetNetBlock(nn.Module):
    """Retention in its parallel form, gated, and an MLP (Sun et al. 2023)."""

    decay: Tensor

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        """Set the sizes; values have twice the width of keys."""
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.v, self.g = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.o = nn.Linear(2 * width, width, bias=False)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        decay = 1 - torch.exp(torch.linspace(math.log(1 / 32), math.log(1 / 512), heads))
        self.register_buffer("decay", decay)

    def retain(self, x: Tensor) -> Tensor:
        """Mix values by decaying products of queries and keys."""
        batch, positions, _ = x.shape
        q, k, v = (
            layer(x).view(batch, positions, self.heads, -1).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        place = torch.arange(positions, device=x.device)
        apart = place[:, None] - place[None, :]
        weight = self.decay[:, None, None] ** apart.clamp(min=0) * (apart >= 0)
        mixed = (rotate(q) @ rotate(k).transpose(-1, -2) * weight / math.sqrt(q.shape[-1])) @ v
        mixed = mixed / mixed.square().mean(dim=-1, keepdim=True).add(1e-6).sqrt()
        mixed = mixed.transpose(1, 2).reshape(batch, positions, -1)
        return self.o(F.silu(self.g(x)) * mixed)

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        x = x + self.retain(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class RetNet(nn.Module):
    """Retentive network."""

    def __init__(self, vocabulary: int, width: int, heads: int, hidden: int, depth: int) -> None:
        """Set the sizes."""
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(RetNetBlock(width, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch, positions, vocabulary], by the table of tokens."""
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)


def retnet(
    vocabulary: int = 50257, width: int = 2048, heads: int = 8, hidden: int = 4096,
    depth: int = 24,
) -> Built:  # fmt: skip
    """The model of 1.3 billion parameters."""
    model = build_light(lambda: RetNet(vocabulary, width, heads, hidden, depth))
    return model, (integers(vocabulary, 1, 8),)
