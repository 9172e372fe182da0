"""A small decoder of which every choice is an argument: what each choice keeps or kills.

Its sizes differ, so that a formula in them can only be right for the right reason.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symfind.catalog.blocks import rotate
from symfind.catalog.models import Built, integers

_EPS = 1e-2
_GATES: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "relu": F.relu}


def norm_of(width: int, kind: str) -> nn.Module:
    """A norm by its name."""
    if kind == "layer":
        return nn.LayerNorm(width, eps=_EPS)
    return nn.RMSNorm(width, eps=_EPS, elementwise_affine=kind == "rms")


class Attention(nn.Module):
    """Grouped queries, rotary or not, with or without biases and norms of queries and keys."""

    def __init__(
        self, width: int, heads: int, groups: int, size: int, rotary: bool, bias: bool,
        qk_norm: bool,
    ) -> None:  # fmt: skip
        """Set the sizes and choices."""
        super().__init__()
        self.n_head, self.n_kv_head, self.head_dim, self.rotary = heads, groups, size, rotary
        self.query = nn.Linear(width, heads * size, bias=bias)
        self.key = nn.Linear(width, groups * size, bias=bias)
        self.value = nn.Linear(width, groups * size, bias=bias)
        self.output = nn.Linear(heads * size, width, bias=bias)
        self.query_norm = nn.RMSNorm(size, eps=_EPS) if qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(size, eps=_EPS) if qk_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Attend to earlier positions of x [batch, positions, width]."""
        batch, positions, _ = x.shape
        q, k, v = (
            layer(x).view(batch, positions, -1, self.head_dim).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        q, k = self.query_norm(q), self.key_norm(k)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        k = k.repeat_interleave(self.n_head // self.n_kv_head, dim=1)
        v = v.repeat_interleave(self.n_head // self.n_kv_head, dim=1)
        score = q @ k.transpose(-1, -2) / math.sqrt(self.head_dim)
        later = torch.ones(positions, positions, dtype=torch.bool, device=x.device).triu(1)
        mixed = torch.softmax(score.masked_fill(later, -math.inf), dim=-1) @ v
        return self.output(mixed.transpose(1, 2).reshape(batch, positions, -1))


class MLP(nn.Module):
    """Gated units, or plain ones."""

    def __init__(self, width: int, hidden: int, gate: str, bias: bool) -> None:
        """Set the sizes and the function of the gate; `none` for GELU units without a gate."""
        super().__init__()
        self.d_hidden, self.function = hidden, _GATES.get(gate, F.gelu)
        self.gate = nn.Linear(width, hidden, bias=bias) if gate != "none" else None
        self.up = nn.Linear(width, hidden, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map the features of every position."""
        if self.gate is None:
            return self.down(self.function(self.up(x)))
        return self.down(self.function(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    """Several MLPs, weighted by a softmax of the features."""

    def __init__(self, number: int, width: int, hidden: int, gate: str, bias: bool) -> None:
        """Set the sizes."""
        super().__init__()
        self.router = nn.Linear(width, number, bias=False)
        self.experts = nn.ModuleList(MLP(width, hidden, gate, bias) for _ in range(number))

    def forward(self, x: Tensor) -> Tensor:
        """Add what all experts say."""
        weights = torch.softmax(self.router(x), dim=-1)
        parts = [e(x) * weights[..., k : k + 1] for k, e in enumerate(self.experts)]
        return torch.stack(parts).sum(dim=0)


class Block(nn.Module):
    """Attention and MLP in a residual stream, with norms before, after, or on both sides."""

    def __init__(self, width: int, attention: nn.Module, mlp: nn.Module, norm: str, place: str):
        """Set the parts."""
        super().__init__()
        self.attention, self.mlp, self.place = attention, mlp, place
        self.norm1, self.norm2 = norm_of(width, norm), norm_of(width, norm)
        both = place == "sandwich"
        self.after1 = norm_of(width, norm) if both else nn.Identity()
        self.after2 = norm_of(width, norm) if both else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        if self.place == "post":
            x = self.norm1(x + self.attention(x))
            return self.norm2(x + self.mlp(x))
        if self.place == "branch":
            x = x + self.norm1(self.attention(x))
            return x + self.norm2(self.mlp(x))
        if self.place == "parallel":
            h = self.norm1(x)
            return x + self.attention(h) + self.mlp(h)
        x = x + self.after1(self.attention(self.norm1(x)))
        return x + self.after2(self.mlp(self.norm2(x)))


class Decoder(nn.Module):
    """Tokens to logits."""

    def __init__(self, embed: nn.Embedding, positions: int, blocks: list[Block], norm: nn.Module,
                 head: nn.Linear, tied: bool) -> None:  # fmt: skip
        """Set the parts; positions are learnt where there are any."""
        super().__init__()
        self.embed, self.blocks, self.norm, self.head = embed, nn.ModuleList(blocks), norm, head
        self.vocabulary, self.width = embed.num_embeddings, embed.embedding_dim
        self.n_layer = len(blocks)
        self.place = nn.Parameter(torch.randn(positions, self.width)) if positions else None
        if tied:
            self.head.weight = embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch, positions, vocabulary]."""
        x = self.embed(tokens)
        if self.place is not None:
            x = x + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def decoder(
    vocabulary: int = 19, width: int = 8, n_kv_head: int = 2, n_share: int = 3, head_dim: int = 4,
    d_hidden: int = 10, n_layer: int = 2, n_expert: int = 0, positions: Literal["rope", "learnt"]
    = "rope", norm: Literal["rms", "layer", "plain"] = "rms", place: str = "pre",
    gate: str = "silu", tied: bool = False, bias: bool = False, qk_norm: bool = False,
) -> Built:  # fmt: skip
    """In the style of Llama, unless other choices are made.

    Args:
        vocabulary: tokens.
        width: of the residual stream.
        n_kv_head: heads of keys and values.
        n_share: heads of queries for each of them.
        head_dim: of a head.
        d_hidden: units of an MLP.
        n_layer: blocks.
        n_expert: experts in the place of one MLP; none where 0.
        positions: rotary, or a learnt table.
        norm: RMSNorm, LayerNorm, or RMSNorm without gains.
        place: of the norms: `pre`, `post`, `branch` (after attention and MLP), `sandwich` (before
            and after them), `parallel` (one before both).
        gate: of the units: `silu`, `relu`, or `none`.
        tied: one table for tokens and logits.
        bias: of the linear maps inside blocks.
        qk_norm: RMSNorm of queries and keys.
    """
    length = 5

    def mlp() -> nn.Module:
        if n_expert:
            return Experts(n_expert, width, d_hidden, gate, bias)
        return MLP(width, d_hidden, gate, bias)

    heads = n_share * n_kv_head
    blocks = [
        Block(
            width, Attention(width, heads, n_kv_head, head_dim, positions == "rope", bias, qk_norm),
            mlp(), norm, place,
        )
        for _ in range(n_layer)
    ]  # fmt: skip
    model = Decoder(
        nn.Embedding(vocabulary, width), length if positions == "learnt" else 0, blocks,
        norm_of(width, norm), nn.Linear(width, vocabulary, bias=False), tied,
    )  # fmt: skip
    return model, (integers(vocabulary, 2, length),)
