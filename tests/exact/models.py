"""Piecewise rational networks whose functional dimension is known from the literature."""

import torch
from torch import Tensor, nn


class Monomial(nn.Module):
    """Linear maps without bias, with x^r between them."""

    def __init__(self, power: int, *widths: int) -> None:
        super().__init__()
        pairs = zip(widths, widths[1:], strict=False)
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
        self.power = power

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x) ** self.power
        return self.layers[-1](x)


class PolynomialAttention(nn.Module):
    """X -> V X (XᵀKᵀQX), layer by layer, tokens as columns; with softmax over keys if asked."""

    def __init__(self, layers: int, width: int, head: int, softmax: bool = False) -> None:
        super().__init__()
        self.v = nn.ParameterList(torch.randn(width, width) for _ in range(layers))
        self.k = nn.ParameterList(torch.randn(head, width) for _ in range(layers))
        self.q = nn.ParameterList(torch.randn(head, width) for _ in range(layers))
        self.softmax = softmax

    def forward(self, x: Tensor) -> Tensor:
        for v, k, q in zip(self.v, self.k, self.q, strict=True):
            scores = (k @ x).transpose(-2, -1) @ (q @ x)
            x = v @ x @ (scores.softmax(-2) if self.softmax else scores)
        return x


class Asymmetric(nn.Module):
    """A ReLU network with one entry of every row held fixed, each in its own column."""

    def __init__(self, *widths: int, value: float = 1.0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.free, self.bias = nn.ParameterList(), nn.ParameterList()
        for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
            order = torch.stack([torch.randperm(a, generator=rng) for _ in range(b)])
            self.free.append(torch.randn(b, a - 1))
            self.bias.append(torch.randn(b))
            self.register_buffer(f"order{i}", order)
            self.register_buffer(f"held{i}", value * (0.5 + torch.rand(b, 1, generator=rng)))

    def forward(self, x: Tensor) -> Tensor:
        for i, (free, bias) in enumerate(zip(self.free, self.bias, strict=True)):
            row = torch.cat([getattr(self, f"held{i}"), free], 1)
            x = x @ row.gather(1, getattr(self, f"order{i}")).T + bias
            x = x.relu() if i + 1 < len(self.free) else x
        return x


class Quotient(nn.Module):
    """(Ax + a) / (b·x + c), a projective map: one common scale."""

    def __init__(self) -> None:
        super().__init__()
        self.above, self.below = nn.Linear(3, 2), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.above(x) / self.below(x)


def convolutional() -> nn.Module:
    """Every kind of layer of a convolutional classifier that is piecewise rational."""
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2), nn.LeakyReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip
    model[1].running_mean.copy_(torch.tensor([0.3, -0.2, 0.1]))
    model[1].running_var.copy_(torch.tensor([0.7, 1.3, 2.1]))
    return model
