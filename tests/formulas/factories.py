"""Factories with sizes that follow from others, and with ranges in which counts differ."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _turned(x: Tensor) -> Tensor:
    """Pairs of entries turned by angles that grow along the tokens."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] * torch.linspace(1.0, 0.1, half)
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class _Grouped(nn.Module):
    def __init__(self, width: int, heads: int, kv: int, k: int) -> None:
        super().__init__()
        assert heads % kv == 0
        self.heads, self.kv, self.k = heads, kv, k
        self.norm = nn.RMSNorm(width)
        self.q, self.o = (nn.Linear(width, heads * k, False), nn.Linear(heads * k, width, False))
        self.keys, self.values = (nn.Linear(width, kv * k, False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y, (batch, tokens, _) = self.norm(x), x.shape
        q = self.q(y).view(batch, tokens, self.heads, self.k).transpose(1, 2)
        k = self.keys(y).view(batch, tokens, self.kv, self.k).transpose(1, 2)
        v = self.values(y).view(batch, tokens, self.kv, self.k).transpose(1, 2)
        k, v = (t.repeat_interleave(self.heads // self.kv, 1) for t in (k, v))
        mixed = F.scaled_dot_product_attention(_turned(q), _turned(k), v, is_causal=True)
        return x + self.o(mixed.transpose(1, 2).flatten(2))


def grouped(
    width: int = 5, layers: int = 2, heads: int = 4, kv: int = 2, k: int = 4, vocabulary: int = 11
) -> tuple[nn.Module, Tensor]:
    """Attention with rotary positions and fewer heads for keys than for queries."""
    blocks = [_Grouped(width, heads, kv, k) for _ in range(layers)]
    stem, head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary, bias=False)
    model = nn.Sequential(stem, *blocks, nn.RMSNorm(width), head)
    return model, torch.randint(vocabulary, (1, 6))


class _Floored(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads, self.inner = heads, width // heads
        self.q, self.k = (nn.Linear(width, heads * self.inner, bias=False) for _ in range(2))
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k = (
            m(x).unflatten(-1, (self.heads, self.inner)).transpose(1, 2) for m in (self.q, self.k)
        )
        scores = (q @ k.transpose(-1, -2)).softmax(-1).mean(1)
        return self.down(torch.tanh(self.up(scores @ x)) ** 3)


def floored(width: int = 7, heads: int = 2, hidden: int = 3) -> tuple[nn.Module, Tensor]:
    """Heads as wide as goes into the width as often as there are heads."""
    return _Floored(width, heads, hidden), torch.randn(2, 9, width)
