"""A multilayer perceptron: every hidden ReLU unit hides one positive scale."""

import torch
from torch import nn

model = nn.Sequential(
    nn.Linear(6, 16),
    nn.ReLU(),
    nn.Linear(16, 16),
    nn.ReLU(),
    nn.Linear(16, 4),
)
example_inputs = torch.randn(1, 6)
