"""Small families of models, made by factories, dataclass configs and nested configs."""

import itertools
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Made = tuple[nn.Module, Tensor]


def bottleneck(inputs: int = 6, hidden: int = 3, depth: int = 2, outputs: int = 4) -> Made:
    """Perceptrons whose hidden layers are narrower than the input."""
    widths = [inputs, *[hidden] * depth]
    layers: list[nn.Module] = []
    for m, n in itertools.pairwise(widths):
        layers += [nn.Linear(m, n), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs)), torch.randn(2, inputs)


def autoencoder(inputs: int = 6, code: int = 2, hidden: int = 4) -> Made:
    """ReLU around a linear code."""
    layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, code)]
    layers += [nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, inputs)]
    return nn.Sequential(*layers), torch.randn(2, inputs)


def affine(a: int = 5, b: int = 4, c: int = 3, d: int = 6) -> Made:
    """Affine maps, one behind the other."""
    layers = [nn.Linear(m, n) for m, n in ((a, b), (b, c), (c, d))]
    return nn.Sequential(*layers), torch.randn(2, a)


def cnn(
    channels: tuple[int, ...] = (3, 4, 5), kernel: int = 3, colours: int = 2, classes: int = 3
) -> Made:
    """Convolutions with batch norm and ReLU, as many as are listed."""
    layers: list[nn.Module] = []
    for m, n in itertools.pairwise((colours, *channels)):
        layers += [nn.Conv2d(m, n, kernel, padding=kernel // 2), nn.BatchNorm2d(n), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes)]
    return nn.Sequential(*layers), torch.randn(2, colours, 7, 7)


class _Residual(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)
        self.second = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.second(F.relu(self.norm1(self.first(x))))))


def resnet(width: int = 3, blocks: int = 2, kernel: int = 3, classes: int = 4) -> Made:
    """Residual blocks behind a stem."""
    stem = [nn.Conv2d(2, width, kernel, padding=kernel // 2), nn.ReLU()]
    body = [_Residual(width, kernel) for _ in range(blocks)]
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
    return nn.Sequential(*stem, *body, *tail), torch.randn(2, 2, 6, 6)


class _UNet(nn.Module):
    def __init__(self, width: int, depth: int, kernel: int) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(depth + 1)]
        pad = kernel // 2
        self.stem = nn.Conv2d(1, width, kernel, padding=pad)
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(m, n, kernel, padding=pad) for m, n in pairs)
        self.up = nn.ModuleList(nn.Conv2d(m + n, m, kernel, padding=pad) for m, n in pairs[::-1])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        seen = []
        for layer in self.down:
            seen.append(x)
            x = F.relu(layer(F.avg_pool2d(x, 2)))
        for layer in self.up:
            beside = seen.pop()
            x = F.interpolate(x, size=beside.shape[-2:], mode="nearest")
            x = F.relu(layer(torch.cat([x, beside], 1)))
        return self.head(x)


def unet(width: int = 2, depth: int = 2, kernel: int = 3) -> Made:
    """Down and up again, with what was seen on the way beside."""
    return _UNet(width, depth, kernel), torch.randn(2, 1, 8, 8)


def grouped(groups: int = 2, per_group: int = 3, kernel: int = 3, classes: int = 4) -> Made:
    """Grouped convolutions between pointwise ones."""
    width = groups * per_group
    layers = [nn.Conv1d(2, width, 1), nn.ReLU(), nn.Conv1d(width, width, kernel, groups=groups)]
    layers += [nn.ReLU(), nn.Conv1d(width, classes, 1)]
    return nn.Sequential(*layers), torch.randn(2, 2, 9)


class _Attention(nn.Module):
    def __init__(self, d: int, heads: int, kv: int, k: int, bias: bool = False) -> None:
        super().__init__()
        self.heads, self.kv, self.k = heads, kv, k
        self.q, self.o = nn.Linear(d, heads * k, bias), nn.Linear(heads * k, d, bias)
        self.keys, self.values = nn.Linear(d, kv * k, bias), nn.Linear(d, kv * k, bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape

        def split(y: Tensor, n: int) -> Tensor:
            return y.view(batch, tokens, n, self.k).transpose(1, 2)

        q, k, v = split(self.q(x), self.heads), split(self.keys(x), self.kv), self.values(x)
        v = split(v, self.kv).repeat_interleave(self.heads // self.kv, 1)
        k = k.repeat_interleave(self.heads // self.kv, 1)
        mixed = (q @ k.transpose(-1, -2) / self.k**0.5).softmax(-1) @ v
        return self.o(mixed.transpose(1, 2).reshape(batch, tokens, -1))


class _Block(nn.Module):
    def __init__(self, d: int, heads: int, kv: int, k: int, hidden: int, norm: type) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(d), norm(d)
        self.attention = _Attention(d, heads, kv, k)
        self.up, self.down = nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


@dataclass
class GroupedConfig:
    """Of `queries`."""

    vocabulary: int = 13
    width: int = 4
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 3
    hidden: int = 7


class _Queries(nn.Module):
    def __init__(self, config: GroupedConfig) -> None:
        super().__init__()
        c = config
        self.embed = nn.Embedding(c.vocabulary, c.width)
        self.blocks = nn.ModuleList(
            _Block(c.width, c.heads, c.kv_heads, c.head_width, c.hidden, nn.RMSNorm)
            for _ in range(c.layers)
        )
        self.norm, self.head = nn.RMSNorm(c.width), nn.Linear(c.width, c.vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def queries() -> Made:
    """Several query heads for one of keys, by a dataclass."""
    return _Queries(GroupedConfig()), torch.randint(13, (1, 6))


class _Language(nn.Module):
    def __init__(self, vocabulary: int, width: int, hidden: int, positions: int, tied: bool):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(positions, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.places(torch.arange(tokens.shape[1]))
        return self.head(self.norm(x + self.down(torch.tanh(self.up(x)))))


def tied(vocabulary: int = 11, width: int = 4, hidden: int = 5, positions: int = 6) -> Made:
    """Scores of tokens by their embeddings."""
    return _Language(vocabulary, width, hidden, positions, True), torch.randint(11, (1, 6))


def untied(vocabulary: int = 11, width: int = 4, hidden: int = 5, positions: int = 6) -> Made:
    """Scores of tokens by a map of their own."""
    return _Language(vocabulary, width, hidden, positions, False), torch.randint(11, (1, 6))


class _Mixture(nn.Module):
    def __init__(self, d: int, hidden: int, experts: int, chosen: int) -> None:
        super().__init__()
        self.chosen = chosen
        self.router = nn.Linear(d, experts, bias=False)
        self.up = nn.Parameter(torch.randn(experts, d, hidden))
        self.down = nn.Parameter(torch.randn(experts, hidden, d))
        self.head = nn.Linear(d, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.router(x).softmax(-1)
        weights, which = scores.topk(self.chosen, dim=-1)
        mask = torch.zeros_like(scores).scatter(-1, which, weights)
        inner = torch.einsum("bd,edh->beh", x, self.up).relu()
        return self.head(x + torch.einsum("beh,ehd,be->bd", inner, self.down, mask))


def mixture(d: int = 4, hidden: int = 5, experts: int = 4, chosen: int = 2) -> Made:
    """Experts behind a router."""
    return _Mixture(d, hidden, experts, chosen), torch.randn(3, d)


class _Vision(nn.Module):
    def __init__(self, image: int, patch: int, width: int, layers: int, heads: int, ratio: int):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width))
        self.blocks = nn.ModuleList(
            _Block(width, heads, heads, width // heads, ratio * width, nn.LayerNorm)
            for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


def vision(
    image: int = 6, patch: int = 3, width: int = 4, layers: int = 2, heads: int = 2, ratio: int = 2
) -> Made:
    """Patches of an image as tokens."""
    return _Vision(image, patch, width, layers, heads, ratio), torch.randn(2, 3, image, image)


class _MixerBlock(nn.Module):
    def __init__(self, tokens: int, width: int, across: int, along: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across = nn.Sequential(nn.Linear(tokens, across), nn.GELU(), nn.Linear(across, tokens))
        self.along = nn.Sequential(nn.Linear(width, along), nn.GELU(), nn.Linear(along, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.along(self.norm2(x))


class _Mixer(nn.Module):
    def __init__(self, tokens: int, width: int, across: int, along: int, layers: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 4)
        blocks = [_MixerBlock(tokens, width, across, along) for _ in range(layers)]
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.stem(x))).mean(1))


def mixer(
    tokens: int = 5, width: int = 4, across: int = 3, along: int = 6, layers: int = 2
) -> Made:
    """Perceptrons across tokens and along them."""
    return _Mixer(tokens, width, across, along, layers), torch.randn(2, tokens, 3)


@dataclass
class EncoderConfig:
    """What `nested` encodes with."""

    width: int = 4
    depth: int = 2


@dataclass
class HeadConfig:
    """What `nested` decides with."""

    width: int = 3
    classes: int = 5


@dataclass
class NestedConfig:
    """Of `nested`."""

    inputs: int = 6
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    head: HeadConfig = field(default_factory=HeadConfig)


class _Nested(nn.Module):
    def __init__(self, config: NestedConfig) -> None:
        super().__init__()
        e, h = config.encoder, config.head
        widths = [config.inputs, *[e.width] * e.depth]
        self.encoder = nn.ModuleList(nn.Linear(m, n) for m, n in itertools.pairwise(widths))
        self.hidden, self.out = nn.Linear(e.width, h.width), nn.Linear(h.width, h.classes)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.encoder:
            x = F.relu(layer(x))
        return self.out(self.hidden(x))


def nested() -> Made:
    """A config that holds configs with fields of the same name."""
    return _Nested(NestedConfig()), torch.randn(2, 6)


class _Recurrent(nn.Module):
    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.cells = nn.LSTM(inputs, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0][:, -1])


def recurrent(inputs: int = 3, hidden: int = 4, layers: int = 2, outputs: int = 2) -> Made:
    """Long short-term memory."""
    return _Recurrent(inputs, hidden, layers, outputs), torch.randn(2, 4, inputs)


class _Lora(nn.Module):
    def __init__(self, d: int, out: int, rank: int, layers: int) -> None:
        super().__init__()
        sizes = [d, *[out] * layers]
        self.whole = nn.ModuleList(nn.Linear(m, n) for m, n in itertools.pairwise(sizes))
        self.down = nn.ModuleList(nn.Linear(m, rank, bias=False) for m in sizes[:-1])
        self.up = nn.ModuleList(nn.Linear(rank, n, bias=False) for n in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        for whole, down, up in zip(self.whole, self.down, self.up, strict=True):
            x = torch.tanh(whole(x) + up(down(x)))
        return x


def adapted(d: int = 5, out: int = 4, rank: int = 2, layers: int = 2) -> Made:
    """Beside every linear map one of low rank."""
    return _Lora(d, out, rank, layers), torch.randn(2, d)
