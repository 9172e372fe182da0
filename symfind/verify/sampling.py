"""Generic parameters and inputs, drawn at random."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

_BIAS_WORDS = ("bias", "beta", "shift", "offset")
_MANY = 2**20
_TRANSPOSED = ("Conv1D", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


def _owner(model: nn.Module, name: str) -> nn.Module:
    owner: Any = model
    for part in name.split(".")[:-1]:
        owner = owner._modules[part]  # not as an attribute: a method may hide a module of its name
    return owner  # type: ignore[no-any-return]


def parameter_sampler(model: nn.Module, name: str) -> Callable[[torch.Generator], Tensor]:
    """How to draw a generic value of one parameter (float64, cpu).

    Matrices are normal with the scale of their fan-in, embeddings of unit scale, gains scattered
    about one, biases about zero: nothing is at the special values of an initialisation.
    """
    owner = _owner(model, name)
    leaf = name.rpartition(".")[2]
    shape = tuple(owner._parameters[leaf].shape)  # type: ignore[union-attr]
    size = [n for n in shape if n > 1]
    leaf = name.rpartition(".")[2].lower()
    centre, scale = 0.0, 1.0
    if any(word in leaf for word in _BIAS_WORDS) and len(size) < 2:
        scale = 0.5
    elif len(size) < 2:
        centre, scale = 1.0, 0.3
    elif not isinstance(owner, (nn.Embedding, nn.EmbeddingBag)):
        transposed = type(owner).__name__ in _TRANSPOSED
        fan_in = shape[0] * math.prod(shape[2:]) if transposed else math.prod(shape[1:])
        scale = 1.0 / math.sqrt(fan_in)

    def draw(rng: torch.Generator) -> Tensor:
        return normal(shape, rng).mul_(scale).add_(centre)

    return draw


def normal(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Normal numbers (float64, cpu), many of them drawn in single precision, which is faster."""
    if math.prod(shape) < _MANY:
        return torch.randn(shape, generator=rng, dtype=torch.float64)
    return torch.randn(shape, generator=rng, dtype=torch.float32).double()


def draw_like(value: Any, rng: torch.Generator, bounds: Mapping[str, int] | int = 2) -> Any:
    """Redraw the tensors in nested inputs over their whole domain.

    Floats are normal, with a scale drawn between a half and three so that rarely active units are
    reached and others not saturated; integers uniform in [0, bound); booleans are kept (masks).

    Args:
        value: tensors in tuples, lists and dicts.
        rng: the source of randomness.
        bounds: the exclusive upper bound of integers: one for all, or by the key of a dict
            (positional inputs by their position, as text).
    """
    if isinstance(value, Mapping) and isinstance(bounds, Mapping):
        return {k: draw_like(v, rng, bounds.get(str(k), 2)) for k, v in value.items()}
    if isinstance(value, (tuple, list)) and isinstance(bounds, Mapping):
        return type(value)(draw_like(v, rng, bounds.get(str(i), 2)) for i, v in enumerate(value))

    def draw(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or leaf.dtype == torch.bool:
            return leaf
        if leaf.is_floating_point():
            scale = 0.5 * 6.0 ** torch.rand((), generator=rng, dtype=torch.float64)
            return scale * torch.randn(leaf.shape, generator=rng, dtype=torch.float64)
        if leaf.is_complex():
            return torch.randn(leaf.shape, generator=rng, dtype=torch.complex128)
        upper = bounds if isinstance(bounds, int) else 2
        return torch.randint(upper, leaf.shape, generator=rng, dtype=leaf.dtype)

    return tree_map(draw, value)
