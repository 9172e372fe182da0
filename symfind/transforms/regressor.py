"""A smooth function fitted to data, whose gradients stand for those of what made the data."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_WIDTH = 128
_BATCH = 512
_RATE = 3e-3
_SAID = 200  # steps


class Regressor(nn.Module):
    """A multilayer perceptron on standardised values, [samples, ...] to [samples, outputs]."""

    centre: Tensor
    scale: Tensor
    level: Tensor
    height: Tensor

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        size, outputs = x[0].numel(), y.shape[1]
        self.body = nn.Sequential(
            nn.Linear(size, _WIDTH), nn.SiLU(),
            nn.Linear(_WIDTH, _WIDTH), nn.SiLU(),
            nn.Linear(_WIDTH, outputs),
        )  # fmt: skip
        flat = x.flatten(1)
        self.register_buffer("centre", flat.mean(0))
        self.register_buffer("scale", _spread(flat))
        self.register_buffer("level", y.mean(0))
        self.register_buffer("height", _spread(y))

    def forward(self, x: Tensor) -> Tensor:
        """Values at points."""
        inner = self.body((x.flatten(1) - self.centre) / self.scale)
        return self.level + self.height * inner


@dataclass(frozen=True)
class Fit:
    """A fitted function.

    Attributes:
        model: what was fitted, in float64.
        explained: part of the variance of held-out targets that it explains.
    """

    model: Regressor
    explained: float


def fit(
    x: Tensor,
    y: Tensor,
    held: Tensor,
    steps: int,
    seed: int,
    tell: Callable[[str], None],
) -> Fit:
    """Fit a smooth function by Adam, with a rate that rises and falls.

    Args:
        x: inputs, [samples, ...].
        y: targets, [samples, outputs].
        held: which samples are held out, boolean.
        steps: of 512 samples each.
        seed: of the initial values and batches.
        tell: called with a line now and then.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Regressor(x[~held], y[~held]).float()
    inputs, targets = x[~held].float(), y[~held].float()
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    for step in range(steps):
        if step % _SAID == 0:
            tell(f"fitting a regressor: step {step:,} of {steps:,}")
        batch = torch.randint(len(inputs), (_BATCH,), generator=rng)
        error = (model(inputs[batch]) - targets[batch]) / model.height
        optimiser.zero_grad()
        error.square().mean().backward()
        optimiser.step()
        schedule.step()
    model = model.double().requires_grad_(False)
    error = ((model(x[held]) - y[held]) / model.height).square().mean()
    spread = ((y[held] - model.level) / model.height).square().mean()
    return Fit(model, float(1.0 - error / spread))


def _rate(step: int, steps: int) -> float:
    """Rises over a tenth of the steps, and falls to nothing as half a cosine."""
    rise = max(steps // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(steps - rise, 1))) + 1e-4


def _spread(values: Tensor) -> Tensor:
    found = values.std(0)
    return torch.where(found > 0, found, 1.0)
