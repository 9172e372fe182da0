"""One transformer block with biases, spelled in several ways."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, INNER, LENGTH = 6, 2, 7, 5
HEAD = WIDTH // HEADS


def causal(scores: Tensor) -> Tensor:
    length = scores.shape[-1]
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf"))


class Plain(nn.Module):
    """Separate projections, views and transposes."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.before = nn.LayerNorm(WIDTH, eps=1e-3)
        self.after = nn.LayerNorm(WIDTH, eps=1e-3)

    def heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], HEADS, HEAD).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.before(x)
        q, k, v = self.heads(self.q(h)), self.heads(self.k(h)), self.heads(self.v(h))
        weights = causal(q @ k.transpose(-2, -1) / math.sqrt(HEAD)).softmax(-1)
        x = x + self.o((weights @ v).transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.up(self.after(x))))


class Packed(nn.Module):
    """One projection for query, key and value, cut in three; fused attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.o = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, eps=1e-3) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norms[0](x)).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (HEADS, HEAD)).transpose(1, 2) for t in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).flatten(-2))
        return x + self.mlp(self.norms[1](x))


class Explicit(nn.Module):
    """Weights with explicit head indices, einsum, everything by hand."""

    def __init__(self) -> None:
        super().__init__()
        shape = (HEADS, WIDTH, HEAD)
        self.wq, self.wk, self.wv = (nn.Parameter(torch.randn(shape)) for _ in range(3))
        self.bq, self.bk, self.bv = (nn.Parameter(torch.randn(HEADS, HEAD)) for _ in range(3))
        self.wo = nn.Parameter(torch.randn(HEADS, HEAD, WIDTH))
        self.bo = nn.Parameter(torch.randn(WIDTH))
        self.gains = nn.ParameterList(nn.Parameter(torch.randn(WIDTH)) for _ in range(2))
        self.shifts = nn.ParameterList(nn.Parameter(torch.randn(WIDTH)) for _ in range(2))
        self.w1 = nn.Parameter(torch.randn(WIDTH, INNER))
        self.b1 = nn.Parameter(torch.randn(INNER))
        self.w2 = nn.Parameter(torch.randn(INNER, WIDTH))
        self.b2 = nn.Parameter(torch.randn(WIDTH))

    def norm(self, x: Tensor, i: int) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        x = x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-3)
        return x * self.gains[i] + self.shifts[i]

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x, 0)
        q = torch.einsum("btd,hde->bhte", h, self.wq) + self.bq[:, None]
        k = torch.einsum("btd,hde->bhte", h, self.wk) + self.bk[:, None]
        v = torch.einsum("btd,hde->bhte", h, self.wv) + self.bv[:, None]
        scores = torch.einsum("bhte,bhse->bhts", q, k) * HEAD**-0.5
        mixed = torch.einsum("bhts,bhse->bhte", causal(scores).softmax(-1), v)
        x = x + torch.einsum("bhte,hed->btd", mixed, self.wo) + self.bo
        h = self.norm(x, 1) @ self.w1 + self.b1
        h = 0.5 * h * (1 + torch.erf(h / math.sqrt(2)))
        return x + h @ self.w2 + self.b2


class Transposed(Plain):
    """Weights stored the other way round, applied as x @ W."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q", "k", "v", "o", "up", "down"):
            linear = getattr(self, name)
            setattr(self, name, Right(linear.in_features, linear.out_features))


class Right(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.matrix, self.offset = nn.Parameter(torch.randn(a, b)), nn.Parameter(torch.randn(b))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.addmm(self.offset, x.reshape(-1, x.shape[-1]), self.matrix)
        return flat.view(*x.shape[:-1], -1)


class Loop(Plain):
    """One head after the other."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.before(x)
        mixed = []
        for i in range(HEADS):
            part = slice(i * HEAD, (i + 1) * HEAD)
            q, k, v = self.q(h)[..., part], self.k(h)[..., part], self.v(h)[..., part]
            weights = causal(torch.bmm(q, k.mT) / HEAD**0.5).softmax(-1)
            mixed.append(weights @ v)
        x = x + self.o(torch.cat(mixed, -1))
        return x + self.down(F.gelu(self.up(self.after(x))))


class Heads(nn.Module):
    """The block between an embedding and a head, so that its residual stream is free."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.embed, self.block = nn.Linear(4, WIDTH), block
        self.norm, self.head = nn.LayerNorm(WIDTH, eps=1e-3), nn.Linear(WIDTH, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.block(self.embed(x))))


BLOCKS = [Plain, Packed, Explicit, Transposed, Loop]


def rename(module: nn.Module, seed: int) -> nn.Module:
    """Rename every submodule and parameter; attribute access by the old names still works."""
    generator = torch.Generator().manual_seed(seed)

    def word() -> str:
        letters = torch.randint(97, 123, (8,), generator=generator)
        return "".join(chr(int(c)) for c in letters)

    renamed: dict[int, nn.Module] = {}
    for old in list(module.modules()):
        if id(old) in renamed:
            continue
        renamed[id(old)] = old
        if isinstance(old, nn.ModuleList | nn.Sequential | nn.ParameterList | nn.ModuleDict):
            continue
        names = {k: word() for k in [*old._modules, *old._parameters]}
        old._modules = {names[k]: v for k, v in old._modules.items()}
        old._parameters = {names[k]: v for k, v in old._parameters.items()}
        kind = type(old)

        def missing(self: nn.Module, key: str, names=names, kind=kind) -> object:
            return kind.__getattr__(self, names.get(key, key))

        old.__class__ = type(word().title(), (kind,), {"__getattr__": missing})
    return module
