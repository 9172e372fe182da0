"""Published architectures that no zoo has, at their published sizes.

Each is a function that returns a model and its example inputs, so that it is a spec of its own:
`symfind analyze symfind.catalog.models.fields:nerf`.
"""

import torch
from torch import Tensor, nn

Built = tuple[nn.Module, tuple[Tensor, ...]]


def integers(high: int, *shape: int) -> Tensor:
    """Random integers below a bound, of a shape."""
    return torch.randint(high, shape)
