"""Factories whose arguments are the sizes of what they make."""

import torch
from torch import Tensor, nn


class _Lora(nn.Module):
    def __init__(self, d: int, out: int, rank: int, classes: int) -> None:
        super().__init__()
        self.whole, self.head = nn.Linear(d, out), nn.Linear(out, classes)
        self.down = nn.Linear(d, rank, bias=False)
        self.up = nn.Linear(rank, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.whole(x) + self.up(self.down(x))))


def lora(d: int = 5, out: int = 4, rank: int = 2, classes: int = 3) -> tuple[nn.Module, Tensor]:
    """Beside a linear map one of low rank."""
    return _Lora(d, out, rank, classes), torch.randn(2, d)


def chain(a: int = 5, b: int = 4, c: int = 3, d: int = 6) -> tuple[nn.Module, Tensor]:
    """Linear maps, one behind the other."""
    layers = [nn.Linear(m, n, bias=False) for m, n in ((a, b), (b, c), (c, d))]
    return nn.Sequential(*layers), torch.randn(2, a)


def relu(
    width: int = 5, depth: int = 2, inputs: int = 6, outputs: int = 4
) -> tuple[nn.Module, Tensor]:
    """A ReLU network of any depth."""
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs)), torch.randn(2, inputs)


class _Attention(nn.Module):
    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        assert d % heads == 0
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape

        def split(m: nn.Linear) -> Tensor:
            return m(x).view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)

        scores = (split(self.q) @ split(self.k).transpose(-1, -2) / 2).softmax(-1)
        return self.o((scores @ split(self.v)).transpose(1, 2).reshape(batch, tokens, width))


def attention(d: int = 4, heads: int = 2) -> tuple[nn.Module, Tensor]:
    """Attention with as many tokens as it is wide, at its own sizes."""
    return _Attention(d, heads), torch.randn(1, 4, d)


class _Picture(nn.Module):
    def __init__(self, side: int, width: int, classes: int) -> None:
        super().__init__()
        assert side % 8 == 0
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.position = nn.Parameter(torch.zeros(1, width, side // 8, side // 8))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.patches(x) + self.position).mean((2, 3)))


def picture(side: int = 64, width: int = 64, classes: int = 40) -> nn.Module:
    """Pictures of one size only, which happens to be that of a width."""
    return _Picture(side, width, classes)


class _Padded(nn.Module):
    def __init__(self, rows: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(30, 8), nn.Embedding(rows, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        there = tokens.ne(1).long()
        return self.head(torch.tanh(self.words(tokens) + self.places(there.cumsum(1) * there + 1)))


def padded(rows: int = 20, tokens: int = 16) -> tuple[nn.Module, Tensor]:
    """Positions are counted from the second row on, where there is no padding."""
    return _Padded(rows), torch.randint(0, 30, (1, tokens))


def kernels(width: int = 24, classes: int = 9) -> nn.Module:
    """Convolutions of a picture that becomes smaller."""
    return nn.Sequential(
        nn.Conv2d(3, width, 4, stride=4), nn.GELU(), nn.Conv2d(width, width, 5, padding=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes),
    )  # fmt: skip


class _Stages(nn.Sequential):
    """Takes the description of its stages apart while it is built."""

    def __init__(self, stages: list[dict[str, int]], classes: int = 5) -> None:
        layers: list[nn.Module] = []
        width = 4
        super().__init__()
        while stages:
            stage = stages.pop(0)
            out = stage.pop("width")
            layers += [nn.Linear(width, out), nn.ReLU()]
            width = out
        self.extend([*layers, nn.Linear(width, classes)])


def stages(classes: int = 5) -> tuple[nn.Module, Tensor]:
    """Widths that stand in the code, in a list that is empty once the model is built."""
    return _Stages([{"width": 40}, {"width": 60}], classes), torch.randn(2, 4)


model = _Stages([{"width": 6}, {"width": 8}])
example_inputs = torch.randn(2, 4)


class _Windowed(nn.Module):
    def __init__(self, d: int, hidden: int, window: int) -> None:
        super().__init__()
        self.window, self.one, self.two = window, nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.one(x))
        if x.shape[1] > self.window:
            y = y + y.roll(self.window, 1)
        return self.two(y)


def windowed(d: int = 8, hidden: int = 16, window: int = 20) -> tuple[nn.Module, Tensor]:
    """One step more where inputs, of 24 tokens, are longer than a window."""
    return _Windowed(d, hidden, window), torch.randn(1, 24, d)


class _Turned(nn.Module):
    def __init__(self, d: int, hidden: int, period: int) -> None:
        super().__init__()
        self.period, self.one, self.two = period, nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.one(x))
        if self.period < 6:
            y = torch.relu(y)
        return self.two(y)


def turned(d: int = 12, hidden: int = 16, period: int = 6) -> tuple[nn.Module, Tensor]:
    """A step more, of a kind that is there, at small values of an integer that is no size."""
    return _Turned(d, hidden, period), torch.randn(1, 3, d)


class _Shuffled(nn.Module):
    def __init__(self, width: int = 24, depth: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 1)
        half = width // 2
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(half, half, 1), nn.ReLU()) for _ in range(depth)
        )
        self.last = nn.Conv2d(width, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        n, c, h, w = x.shape
        for layer in self.layers:
            a, b = x.chunk(2, dim=1)
            x = torch.cat((a, layer(b)), dim=1)
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.last(x).mean((2, 3))


def shuffled(width: int = 24, depth: int = 3) -> tuple[nn.Module, Tensor]:
    """Half of the channels stay in every layer, then halves are interleaved (ShuffleNet)."""
    return _Shuffled(width, depth), torch.randn(2, 3, 4, 4)


class _Headed(nn.Module):
    def __init__(self, width: int, heads: int, size: int) -> None:
        super().__init__()
        self.heads, self.first = heads, nn.Linear(5, width)
        self.values, self.out = nn.Linear(width, heads * size), nn.Linear(heads * size, width)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x))
        return h + self.out(self.values(h))


def headed(width: int = 64, heads: int = 8, size: int = 4) -> tuple[nn.Module, Tensor]:
    """A stream that is wider than all heads together, and larger than the size of one."""
    return _Headed(width, heads, size), torch.randn(4, 5)


class _Periodic(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(5, width), nn.Linear(width, 3)
        self.into = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.out = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for k, (into, out) in enumerate(zip(self.into, self.out, strict=True)):
            z = into(h)
            h = h + out((z.relu(), z.tanh(), z)[k % 3])
        return self.last(h.tanh())


def periodic(width: int = 16, depth: int = 6) -> tuple[nn.Module, Tensor]:
    """Every third layer is linear: x + W x, of which not all is derived."""
    return _Periodic(width, depth), torch.randn(4, 5)


class Pairs(nn.Module):
    """A perceptron over the rows of two tables."""

    def __init__(self, users: int, items: int, size: int) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(users, size), nn.Embedding(items, size)
        self.hidden, self.out = nn.Linear(2 * size, 3 * size), nn.Linear(3 * size, 1)

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.user(user), self.item(item)], -1)
        return self.out(self.hidden(x).relu())


def pairs(users: int = 600, items: int = 400, size: int = 8):
    return Pairs(users, items, size), (torch.randint(users, (9,)), torch.randint(items, (9,)))
