"""The modules of the ground-truth table, written plainly, as a user would write them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 0.0) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate_half(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


def rope_tables(length: int, dim: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    frequencies = base ** (-torch.arange(0, dim, 2).float() / dim)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


class Attention(nn.Module):
    """Softmax self-attention; groups of query heads may share one key/value head."""

    def __init__(
        self,
        dim: int,
        heads: int,
        head_dim: int,
        kv_heads: int | None = None,
        *,
        bias: bool = False,
        rope: bool = False,
        qk_norm: bool = False,
        length: int = 5,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads or heads, head_dim
        self.q = nn.Linear(dim, heads * head_dim, bias=bias)
        self.k = nn.Linear(dim, self.kv_heads * head_dim, bias=bias)
        self.v = nn.Linear(dim, self.kv_heads * head_dim, bias=bias)
        self.o = nn.Linear(heads * head_dim, dim, bias=bias)
        self.q_norm = RMSNorm(head_dim) if qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head_dim) if qk_norm else nn.Identity()
        self.rope = rope
        if rope:
            cos, sin = rope_tables(length, head_dim)
            self.register_buffer("cos", cos)
            self.register_buffer("sin", sin)

    def rotate(self, x: Tensor) -> Tensor:
        return x * self.cos + rotate_half(x) * self.sin if self.rope else x

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q = self.q(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2)
        k = self.k(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        v = self.v(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        q, k = self.rotate(self.q_norm(q)), self.rotate(self.k_norm(k))
        if self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, dim=1)
            v = v.repeat_interleave(self.heads // self.kv_heads, dim=1)
        scores = q @ k.transpose(-2, -1) / self.head_dim**0.5
        mixed = scores.softmax(dim=-1) @ v
        return self.o(mixed.transpose(1, 2).reshape(batch, length, self.heads * self.head_dim))


class SelfMultihead(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x, x, x, need_weights=False)[0]


class CrossMultihead(nn.Module):
    def __init__(self, dim: int, heads: int, out: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.head = nn.Linear(dim, out)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        mixed, _ = self.attn(x, memory, memory)
        return self.head(torch.tanh(mixed))


class GatedMLP(nn.Module):
    def __init__(self, dim: int, hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=False)
        self.up = nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.activation(self.gate(x)) * self.up(x))


class LoRA(nn.Module):
    def __init__(self, dim: int, hidden: int, rank: int, out: int, *, frozen: bool) -> None:
        super().__init__()
        self.base = nn.Linear(dim, hidden, bias=False)
        self.a = nn.Parameter(torch.randn(rank, dim))
        self.b = nn.Parameter(torch.randn(hidden, rank))
        self.head = nn.Linear(hidden, out)
        if frozen:
            self.base.requires_grad_(False)
            self.head.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.base(x) + x @ self.a.T @ self.b.T))


class ResidualLinear(nn.Module):
    def __init__(self, dim: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(dim, hidden, bias=False) for _ in range(blocks))
        self.up = nn.ModuleList(nn.Linear(hidden, dim, bias=False) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for down, up in zip(self.down, self.up, strict=True):
            x = x + up(down(x))
        return x


class SharedTrunk(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.trunk(x) * self.trunk(y)).sum(-1)


class TwoTrunks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        self.b = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return -(self.a(x) - self.b(y)).pow(2).sum(-1)


class LatentAttention(nn.Module):
    """Keys and values share one compressed latent (multi-head latent attention)."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.head_dim = 2, 2
        self.embed = nn.Embedding(11, 6)
        self.q = nn.Linear(6, 4, bias=False)
        self.kv_down = nn.Linear(6, 3, bias=False)
        self.k_up = nn.Linear(3, 4, bias=False)
        self.v_up = nn.Linear(3, 4, bias=False)
        self.o = nn.Linear(4, 6, bias=False)
        self.head = nn.Linear(6, 7, bias=False)

    def split(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        return x.view(batch, length, self.heads, self.head_dim).transpose(1, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        batch, length, _ = x.shape
        latent = self.kv_down(x)
        q = self.split(self.q(x))
        k, v = self.split(self.k_up(latent)), self.split(self.v_up(latent))
        scores = torch.einsum("bhid,bhjd->bhij", q, k) * self.head_dim**-0.5
        future = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
        mixed = torch.einsum("bhij,bhjd->bihd", weights, v).reshape(batch, length, -1)
        return self.head(torch.tanh(x + self.o(mixed)))


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.reduce = nn.Linear(4, 3)
        self.expand = nn.Linear(3, 4)
        self.project = nn.Conv2d(4, 5, 1)
        self.head = nn.Linear(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        gate = torch.sigmoid(self.expand(F.silu(self.reduce(x.mean((2, 3))))))
        x = x * gate[:, :, None, None]
        return self.head(F.silu(self.project(x)).mean((2, 3)))


class ParallelConvs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.wide = nn.Conv2d(4, 4, 3, padding=1)
        self.narrow = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x))
        x = torch.tanh(self.wide(x) + self.narrow(x) + x)
        return self.head(x.mean((2, 3)))


class GCN(nn.Module):
    """Two graph convolutions on a fixed graph with normalised adjacency."""

    def __init__(self, nodes: int = 6) -> None:
        super().__init__()
        self.first = nn.Linear(3, 5, bias=False)
        self.second = nn.Linear(5, 4)
        ring = torch.eye(nodes).roll(1, 0)
        adjacency = torch.eye(nodes) + ring + ring.T
        adjacency[0, 3] = adjacency[3, 0] = 1.0
        degree = adjacency.sum(1).rsqrt()
        self.register_buffer("adjacency", degree[:, None] * adjacency * degree[None, :])

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.first(self.adjacency @ x))
        return self.second(self.adjacency @ hidden)
