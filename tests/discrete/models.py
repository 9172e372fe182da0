"""Small networks whose finite symmetries are known by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Convolutions whose channels are shared by two blocks, with a projected shortcut."""

    def __init__(self, norm: type[nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.n0, self.n1, self.n2, self.n3 = norm(4), norm(5), norm(4), norm(6)
        self.a, self.b = nn.Conv2d(4, 5, 3, padding=1), nn.Conv2d(5, 4, 3, padding=1)
        self.c, self.short = nn.Conv2d(4, 6, 3, stride=2), nn.Conv2d(4, 6, 1, stride=2)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.n0(self.stem(x)).relu()
        x = (x + self.n2(self.b(self.n1(self.a(x)).relu()))).relu()
        x = (self.n3(self.c(x)) + self.short(x)[..., :-1, :-1]).relu()
        return self.head(x.mean((2, 3)))


class Flatten(nn.Module):
    """Channels and positions flattened before a linear map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4 * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().flatten(1))


class Experts(nn.Module):
    """A soft mixture of experts with stacked parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(4, 3)
        self.up, self.down = nn.Parameter(torch.randn(3, 4, 5)), nn.Parameter(torch.randn(3, 5, 2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.einsum("bi,eih->beh", x, self.up).relu()
        each = torch.einsum("beh,eho->beo", hidden, self.down)
        return torch.einsum("beo,be->bo", each, self.router(x).softmax(-1))


class Recurrence(nn.Module):
    """One matrix applied again and again: both of its axes are the same index."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.step, self.leave = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        for _ in range(3):
            h = h + self.step(h).tanh()
        return self.leave(h)


class Asymmetric(nn.Module):
    """Some entries of every row are fixed, at places of their own (Lim et al. 2024)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(5))
        mask = torch.ones(5, 4)
        mask[torch.arange(5), torch.arange(5) % 4] = 0
        mask[4, 1] = 0
        self.register_buffer("mask", mask)
        self.register_buffer("fixed", (1 - mask) * torch.randn(5, 4))
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.linear(x, self.weight * self.mask + self.fixed, self.bias).relu())


class Latents(nn.Module):
    """Learned queries that attend to each other: a set, unless a mask or a table orders them."""

    def __init__(self, order: str = "") -> None:
        super().__init__()
        self.order = order
        self.latents = nn.Parameter(torch.randn(5, 4))
        self.q, self.k, self.v = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.mix, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.register_buffer("slopes", torch.arange(5.0))

    def forward(self, x: Tensor) -> Tensor:
        z = (self.latents + torch.tanh(self.mix(x))[:, None]).tanh()
        q, k, v = self.q(z), self.k(z), self.v(z)
        if self.order == "where":
            scores = q @ k.mT
            keep = torch.ones(5, 5, dtype=torch.bool).tril()
            y = torch.where(keep, scores, -1e9).softmax(-1) @ v
        elif self.order == "add":
            y = (q @ k.mT + self.slopes).softmax(-1) @ v
        elif self.order == "even":
            keep = torch.ones(5, 5, dtype=torch.bool)
            y = (q @ k.mT).masked_fill(~keep, -1e9).softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.order == "causal")
        return self.head(y.tanh().mean(1))


class Heads(nn.Module):
    """Packed attention, (head, qkv, size) or (qkv, head, size); groups of heads may share keys."""

    def __init__(self, interleaved: bool = False, groups: int = 4) -> None:
        super().__init__()
        self.interleaved, self.groups = interleaved, groups
        self.qkv = nn.Linear(3, 8 + 4 * groups)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.qkv(x)
        if self.interleaved:
            q, k, v = y.unflatten(-1, (4, 3, 2)).unbind(-2)
        else:
            g = self.groups
            q, k, v = y.split([8, 2 * g, 2 * g], -1)
            q, k, v = q.unflatten(-1, (4, 2)), k.unflatten(-1, (g, 2)), v.unflatten(-1, (g, 2))
            k, v = (t.repeat_interleave(4 // g, -2) for t in (k, v))
        q, k, v = (t.transpose(-2, -3) for t in (q, k, v))
        y = (q @ k.mT).softmax(-1) @ v
        return self.out(y.transpose(-2, -3).flatten(-2).tanh())


class Frozen(nn.Module):
    """A fixed gain on hidden units: it may be permuted only where it is the same."""

    def __init__(self, gain: Tensor) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)
        self.register_buffer("gain", gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.b((self.a(x) * self.gain).relu())


class Rows(nn.Module):
    """A table of positions, of which only the first three are read."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(7, 4))
        self.lift, self.head = nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.lift(x) + self.table[:3]).tanh())


class Gated(nn.Module):
    """down(silu(gate) * up): the sign of the up path is free."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(3, 5, bias=False), nn.Linear(3, 5, bias=False)
        self.down = nn.Linear(5, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


def chain(*widths: int, activation: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), activation]
    return nn.Sequential(*layers[:-1])


class Power(nn.Module):
    def __init__(self, exponent: int) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        return x**self.exponent
