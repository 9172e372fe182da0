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


class _Gpt(nn.Module):
    """Tokens and positions, pre-norm layers with packed projections, the table read again."""

    def __init__(self, vocabulary: int, positions: int, layers: int, heads: int, width: int):
        super().__init__()
        self.heads = heads
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(positions, width)
        self.layers = nn.ModuleList(
            nn.ModuleList([
                nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width),
                nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width),
            ])
            for _ in range(layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, length = tokens.shape
        x = self.tokens(tokens) + self.places(torch.arange(length))
        for norm, packed, out, second, up, down in self.layers:
            q, k, v = packed(norm(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + out(seen.transpose(1, 2).reshape(batch, length, -1))
            x = x + down(F.gelu(up(second(x))))
        return F.linear(self.norm(x), self.tokens.weight)


def gpt(
    vocabulary: int = 13, positions: int = 16, layers: int = 2, heads: int = 2, width: int = 6
) -> tuple[nn.Module, Tensor]:
    """A decoder that reads eight tokens."""
    made = _Gpt(vocabulary, positions, layers, heads, width)
    return made, torch.randint(vocabulary, (2, 8))


class _Depthwise(nn.Module):
    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm, self.gamma = nn.LayerNorm(width), nn.Parameter(torch.ones(width))
        self.up, self.down = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class _ChannelNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def stages(
    depths: tuple[int, ...] = (1, 2), widths: tuple[int, ...] = (4, 6), ratio: int = 2
) -> tuple[nn.Module, Tensor]:
    """Depthwise blocks of several widths, all in one row."""
    layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 2, 2), _ChannelNorm(widths[0])]
    for i, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        if i:
            layers += [_ChannelNorm(widths[i - 1]), nn.Conv2d(widths[i - 1], width, 2, 2)]
        layers += [_Depthwise(width, ratio) for _ in range(depth)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(widths[-1])]
    return nn.Sequential(*layers, *head, nn.Linear(widths[-1], 3)), torch.randn(2, 3, 8, 8)


class _Encoder(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, layers: int, vocabulary: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True)
        self.tokens = nn.Embedding(vocabulary, width)
        self.stack = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.head(self.stack(self.tokens(tokens)))
        return found


def encoder(
    width: int = 6, heads: int = 2, hidden: int = 5, layers: int = 2, vocabulary: int = 12
) -> tuple[nn.Module, Tensor]:
    """Post-norm layers of torch."""
    return _Encoder(width, heads, hidden, layers, vocabulary), torch.randint(vocabulary, (2, 8))


def coded(inputs: int = 6, code: int = 2, hidden: int = 4) -> tuple[nn.Module, Tensor]:
    """ReLU around a linear code, which may be wider than what it codes."""
    layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, code)]
    layers += [nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, inputs)]
    return nn.Sequential(*layers), torch.randn(2, inputs)


class _Projected(nn.Module):
    def __init__(self, width: int, inner: int, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, inner)
        self.project = nn.Linear(inner, width, bias=False) if inner != width else nn.Identity()
        self.up, self.down = nn.Linear(width, 40), nn.Linear(40, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.down(F.relu(self.up(self.project(self.tokens(tokens)).mean(1))))
        return found


def projected(width: int = 4, inner: int = 4, vocabulary: int = 9) -> tuple[nn.Module, Tensor]:
    """A table as wide as what reads it, or else a map between."""
    return _Projected(width, inner, vocabulary), torch.randint(vocabulary, (4, 6))


class _Patched(nn.Module):
    def __init__(self, side: int, patch: int, heads: int, width: int) -> None:
        super().__init__()
        assert side % patch == 0 and width % heads == 0
        self.patches = nn.Conv2d(1, width, patch, stride=patch)
        self.places = nn.Parameter(torch.randn((side // patch) ** 2, width))
        self.groups = nn.Conv1d(width, width, 1, groups=heads)
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        x = F.layer_norm(x, x.shape[-1:]).tanh()
        return self.head(self.groups(x.transpose(1, 2)).relu().mean(2))  # type: ignore[no-any-return]


def patched(
    side: int = 6, patch: int = 3, heads: int = 3, width: int = 9
) -> tuple[nn.Module, Tensor]:
    """Two sizes that are equal by chance, of which one has to divide the side of a picture."""
    return _Patched(side, patch, heads, width), torch.randn(2, 1, side, side)
