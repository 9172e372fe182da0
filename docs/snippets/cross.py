"""A network around a product with symmetries that no rule knows."""

import torch
from torch import Tensor, nn


class Cross(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.u, self.v, self.read = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(torch.linalg.cross(self.u(x), self.v(x)))


model = Cross()
example_inputs = torch.randn(8, 4)
