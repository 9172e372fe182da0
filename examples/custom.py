"""What symfind has no rule for: an activation of one's own, and a Fourier transform in the middle.

The activation is one function of one variable, whose equation is solved; the operation is named in
the report, and nothing is assumed about it.
"""

import torch
from torch import Tensor, nn


def wave(x: Tensor) -> Tensor:
    return x * torch.sin(x) + torch.cos(2 * x)


class Spectral(nn.Module):
    def __init__(self, inputs: int = 5, hidden: int = 8, mixed: int = 6, outputs: int = 3) -> None:
        super().__init__()
        self.inputs, self.hidden, self.mixed, self.outputs = inputs, hidden, mixed, outputs
        self.expand = nn.Linear(inputs, hidden)
        self.mix = nn.Linear(hidden, mixed)
        self.gate = nn.Linear(mixed, mixed, bias=False)
        self.read = nn.Linear(mixed // 2 + 1, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = wave(self.expand(x))
        x = self.gate(torch.relu(self.mix(x)))
        spectrum = torch.fft.rfft(x, dim=-1).abs()
        return self.read(spectrum)


model = Spectral()
example_inputs = torch.randn(1, 5)
