"""One attention head with rotary queries and keys of size 4, and values of size 2."""

import torch
from torch import Tensor, nn


class Head(nn.Module):
    def __init__(self, dim: int = 4, length: int = 5) -> None:
        super().__init__()
        self.q = nn.Linear(dim, 4, bias=False)
        self.k = nn.Linear(dim, 4, bias=False)
        self.v = nn.Linear(dim, 2, bias=False)
        self.o = nn.Linear(2, dim, bias=False)
        angles = torch.outer(torch.arange(length), torch.tensor([1.0, 0.01])).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def rotate(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat((-b, a), dim=-1) * self.sin

    def forward(self, x: Tensor) -> Tensor:
        scores = self.rotate(self.q(x)) @ self.rotate(self.k(x)).transpose(-2, -1) / 2
        return self.o(scores.softmax(-1) @ self.v(x))


model = Head()
example_inputs = torch.randn(4, 5, 4)
