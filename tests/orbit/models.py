"""Small trained-looking models of every kind on which elements act."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from tests.ground_truth.layers import ParallelConvs, RMSNorm


class Mixed(nn.Module):
    """Self-attention and a hidden layer behind norms, on a residual stream."""

    def __init__(self, d: int, heads: int, norm: type[nn.Module], causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = norm(d), norm(d)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        y = self.norm1(x)
        q, k, v = (
            f(y).view(b, n, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v)
        )
        s = q @ k.transpose(-1, -2) / (d / self.heads) ** 0.5
        if self.causal:
            s = s.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1), float("-inf"))
        x = x + self.o((s.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class ViT(nn.Module):
    """Patches of an 8×8 image, a class token, positions."""

    def __init__(
        self, d: int = 8, heads: int = 2, layers: int = 2, norm: type[nn.Module] = RMSNorm
    ) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, d, 2, 2)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, d))
        self.position = nn.Parameter(0.02 * torch.randn(1, 17, d))
        self.blocks = nn.ModuleList(Mixed(d, heads, norm, False) for _ in range(layers))
        self.norm = norm(d)
        self.head = nn.Linear(d, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patch(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(len(y), -1, -1), y], 1) + self.position
        for block in self.blocks:
            y = block(y)
        return self.head(self.norm(y)[:, 0])


class GPT(nn.Module):
    """Token and position tables in one sum."""

    def __init__(
        self, d: int = 8, heads: int = 2, layers: int = 2, vocabulary: int = 13, length: int = 6,
        norm: type[nn.Module] = nn.LayerNorm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.token = nn.Embedding(vocabulary, d)
        self.position = nn.Embedding(length, d)
        self.blocks = nn.ModuleList(Mixed(d, heads, norm, True) for _ in range(layers))
        self.norm = norm(d)
        self.head = nn.Linear(d, vocabulary, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.token(x) + self.position(torch.arange(x.shape[1]))
        for block in self.blocks:
            y = block(y)
        return self.head(self.norm(y))


class Residual(nn.Module):
    """Convolutions with batch statistics around a residual stream."""

    def __init__(self, channels: int = 6, blocks: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False),
                                  nn.BatchNorm2d(channels), nn.ReLU())  # fmt: skip
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
            )
            for _ in range(blocks)
        )  # fmt: skip
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        for block in self.blocks:
            y = F.relu(y + block(y))
        return self.head(y.mean((2, 3)))


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Layers with biases and an activation between."""
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), activation()]
    return nn.Sequential(*layers[:-1])


def image() -> Tensor:
    """A batch of images."""
    return torch.randn(3, 1, 8, 8)


def tokens(vocabulary: int = 13, length: int = 6) -> Tensor:
    """A batch of sequences."""
    return torch.randint(vocabulary, (3, length))


class Normed(nn.Module):
    """Two changes of sign on every unit: before and behind the gain of batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(torch.tanh(self.norm(self.one(x))))


CASES = {
    "mlp": lambda: (mlp(5, 6, 4, 3), torch.randn(7, 5)),
    "tanh": lambda: (mlp(5, 6, 4, 3, activation=nn.Tanh), torch.randn(7, 5)),
    "two-signs": lambda: (Normed().eval(), torch.randn(7, 3)),
    "linear": lambda: (nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)), torch.randn(7, 5)),
    "vit": lambda: (ViT(), image()),
    "vit-layernorm": lambda: (ViT(norm=nn.LayerNorm), image()),
    "gpt": lambda: (GPT(), tokens()),
    "gpt-rmsnorm": lambda: (GPT(norm=RMSNorm), tokens()),
    "cnn": lambda: (Residual().eval(), image()),
}


class Trunks(nn.Module):
    """Two networks whose outputs are turned together, held by units that have signs."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
        self.b = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return -(self.a(x) - self.b(y)).pow(2).sum(-1)


CASES["trunks"] = lambda: (Trunks(), (torch.randn(7, 4), torch.randn(7, 3)))

CASES["parallel"] = lambda: (ParallelConvs(), torch.randn(3, 3, 5, 5))


class LowRank(nn.Module):
    """A map of low rank beside a full one."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.full, self.leave = nn.Linear(5, 6), nn.Linear(6, 4), nn.Linear(4, 3)
        self.low, self.up = nn.Linear(6, 2, bias=False), nn.Linear(2, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).relu()
        return self.leave((self.full(x) + self.up(self.low(x))).relu())


CASES["low-rank"] = lambda: (LowRank(), torch.randn(7, 5))


def tied() -> GPT:
    """The table of tokens reads the stream as well."""
    model = GPT()
    model.head.weight = model.token.weight
    return model


CASES["tied"] = lambda: (tied(), tokens())


def weight_normed() -> nn.Sequential:
    """Directions and lengths of weights apart, before and behind units that can be scaled."""
    return nn.Sequential(weight_norm(nn.Linear(4, 5)), nn.ReLU(), weight_norm(nn.Linear(5, 3)))


def spectral_normed() -> nn.Sequential:
    """Units that can be scaled, but for what keeps the largest singular value in front of them."""
    return nn.Sequential(spectral_norm(nn.Linear(4, 3)), nn.ReLU(), nn.Linear(3, 3))


CASES["weight-normed"] = lambda: (weight_normed(), torch.randn(7, 4))
