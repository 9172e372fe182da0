"""A decoder in the style of LLaMA: RoPE, RMSNorm, SwiGLU, grouped-query attention."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Config:
    vocab_size: int = 17
    n_layer: int = 3
    n_embd: int = 8
    n_head: int = 4
    n_kv_head: int = 2
    head_dim: int = 6
    n_inner: int = 10
    eps: float = 1e-5
    rope_base: float = 10000.0


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


def rotate(x: Tensor, base: float) -> Tensor:
    """Rotary position embedding of (batch, heads, positions, head_dim)."""
    positions, dim = x.shape[-2:]
    frequency = base ** (-torch.arange(0, dim, 2, device=x.device, dtype=x.dtype) / dim)
    angle = torch.arange(positions, device=x.device, dtype=x.dtype)[:, None] * frequency
    cos, sin = angle.cos(), angle.sin()
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        queries = config.n_head * config.head_dim
        keys = config.n_kv_head * config.head_dim
        self.q_proj = nn.Linear(config.n_embd, queries, bias=False)
        self.k_proj = nn.Linear(config.n_embd, keys, bias=False)
        self.v_proj = nn.Linear(config.n_embd, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, positions, _ = x.shape
        c = self.config
        q = self.q_proj(x).view(batch, positions, c.n_head, c.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, positions, c.n_kv_head, c.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, positions, c.n_kv_head, c.head_dim).transpose(1, 2)
        q, k = rotate(q, c.rope_base), rotate(k, c.rope_base)
        k = k.repeat_interleave(c.n_head // c.n_kv_head, dim=1)
        v = v.repeat_interleave(c.n_head // c.n_kv_head, dim=1)
        scores = q @ k.transpose(-2, -1) / c.head_dim**0.5
        hidden = torch.ones(positions, positions, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)
        return self.o_proj((weights @ v).transpose(1, 2).reshape(batch, positions, -1))


class SwiGLU(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate = nn.Linear(config.n_embd, config.n_inner, bias=False)
        self.up = nn.Linear(config.n_embd, config.n_inner, bias=False)
        self.down = nn.Linear(config.n_inner, config.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm1 = RMSNorm(config.n_embd, config.eps)
        self.attn = Attention(config)
        self.norm2 = RMSNorm(config.n_embd, config.eps)
        self.mlp = SwiGLU(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm = RMSNorm(config.n_embd, config.eps)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def build(**settings: int) -> GPT:
    """`symfind analyze examples/gpt.py:build --set n_layer=4 --set n_kv_head=4`."""
    return GPT(Config(**settings))


model = build()
example_inputs = torch.randint(Config.vocab_size, (1, 6))
