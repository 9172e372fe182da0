"""Tensors that stand for many draws at once, under `torch.vmap`.

What holds for all draws is read off the numbers of all of them; what may differ cannot be a
number of Python, and is kept as a tensor.
"""

import torch
from torch import Tensor

_levels = torch._C._functorch  # type: ignore[attr-defined]


def together(tensor: Tensor) -> bool:
    """Whether a tensor holds one value for each of many draws."""
    return bool(_levels.is_batchedtensor(tensor))


def whole(tensor: Tensor) -> Tensor:
    """The entries of all draws."""
    while together(tensor):
        tensor = _levels.get_unwrapped(tensor)
    return tensor
