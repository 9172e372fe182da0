"""Batch statistics of weights between two checkpoints: estimated anew, as those of neither end fit.

The mean of two activations varies less than either; norms that keep the statistics of the ends then
shrink it layer by layer (Jordan, Sedghi, Saukh, Entezari, Neyshabur, REPAIR, 2023).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Norms that keep running statistics, by name."""
    found = {n: m for n, m in model.named_modules() if isinstance(m, _BatchNorm)}
    return {n: m for n, m in found.items() if m.track_running_stats}


def unseen(norms: dict[str, _BatchNorm]) -> dict[str, Tensor]:
    """Statistics of norms that have seen no batch, by the names of their buffers."""
    found: dict[str, Tensor] = {}
    for name, norm in norms.items():
        prefix = f"{name}." if name else ""
        for buffer, value in norm.named_buffers(recurse=False):
            start = torch.ones_like if buffer == "running_var" else torch.zeros_like
            found[prefix + buffer] = start(value)
    return found


@contextmanager
def counting(norms: dict[str, _BatchNorm]) -> Iterator[None]:
    """Norms use the statistics of each batch, and count the mean over all of them."""
    before = {name: (norm.training, norm.momentum) for name, norm in norms.items()}
    try:
        for norm in norms.values():
            norm.train()
            norm.momentum = None
        yield
    finally:
        for name, norm in norms.items():
            training, momentum = before[name]
            norm.train(training)
            norm.momentum = momentum
