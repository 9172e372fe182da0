"""Inputs of a member of a family: those of the model, with other lengths and bounds."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symfind.load import Inputs
from symfind.load.inputs import leaves, map_leaves

Lengths = Mapping[tuple[str | int, ...], int]

_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def lengths(inputs: Inputs) -> dict[tuple[str | int, ...], int]:
    """The lengths of all dimensions of all inputs but of the first, and the bounds of integers.

    The first dimension counts samples where it is one; it stays as it is anyway.
    """
    found: dict[tuple[str | int, ...], int] = {}
    for key, leaf in leaves(inputs):
        if isinstance(leaf, Tensor):
            first = 1 if leaf.ndim > 1 else 0
            found.update(
                (("input", key, d), leaf.shape[d])
                for d in range(first, leaf.ndim)
                if leaf.shape[d] > 1
            )
    found.update((("bound", key, 0), n) for key, n in inputs.bounds.items() if n > 1)
    return found


def resized(inputs: Inputs, values: Lengths, seed: int = 0) -> Inputs:
    """The inputs with other lengths and bounds; masks keep their values as far as they go."""
    rng = torch.Generator().manual_seed(seed)

    def change(key: str, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        shape = [values.get(("input", key, d), n) for d, n in enumerate(leaf.shape)]
        bound = values.get(("bound", key, 0))
        if leaf.is_floating_point():
            return torch.randn(shape, generator=rng, dtype=leaf.dtype)
        if bound is not None and leaf.dtype in _INTEGERS:
            return torch.randint(0, bound, shape, generator=rng).to(leaf.dtype)
        for d, n in enumerate(shape):
            leaf = leaf.index_select(d, torch.arange(n) % leaf.shape[d])
        return leaf

    bounds = {key: values.get(("bound", key, 0), n) for key, n in inputs.bounds.items()}
    made = map_leaves(inputs, change)
    return Inputs(made.args, made.kwargs, bounds)
