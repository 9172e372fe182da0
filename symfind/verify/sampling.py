"""Generic parameters and inputs, drawn at random."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

_BIAS_WORDS = ("bias", "beta", "shift", "offset")
_MANY = 2**20
_DRAWN = 2**20 + 7  # numbers of a random direction: a prime, so that no rows of a tensor are alike
_TRANSPOSED = ("Conv1D", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


def _owner(model: nn.Module, name: str) -> nn.Module:
    owner: Any = model
    for part in name.split(".")[:-1]:
        owner = owner._modules[part]  # not as an attribute: a method may hide a module of its name
    return owner  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Law:
    """How a generic value of one parameter is drawn (float64, cpu): normal.

    Matrices have the scale of their fan-in, embeddings unit scale, gains are scattered about one,
    biases about zero: nothing is at the special values of an initialisation.
    """

    shape: tuple[int, ...]
    centre: float
    scale: float

    @classmethod
    def of(cls, model: nn.Module, name: str) -> "Law":
        """That of a parameter of a model."""
        return cls(*_law(model, name))

    def draw(self, rng: torch.Generator) -> Tensor:
        """A value."""
        return normal(self.shape, rng).mul_(self.scale).add_(self.centre)

    def turned(self, value: Tensor, part: float, rng: torch.Generator) -> Tensor:
        """A value, a part of it negative where all is positive: also where one is added to it."""
        if not self.centre:
            return value
        order = torch.randperm(value.numel(), generator=rng).reshape(self.shape)
        first = float(torch.rand((), generator=rng))  # which of an odd number, now and then
        size = 1 + 2 * torch.rand(self.shape, generator=rng, dtype=torch.float64)
        return torch.where(order + first < part * value.numel(), -size * value, value)


def _law(model: nn.Module, name: str) -> tuple[tuple[int, ...], float, float]:
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
    return shape, centre, scale


def normal(shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Normal numbers (float64, cpu), many of them drawn in single precision, which is faster."""
    if math.prod(shape) < _MANY:
        return torch.randn(shape, generator=rng, dtype=torch.float64)
    return torch.randn(shape, generator=rng, dtype=torch.float32).double()


def random_direction(
    shape: Sequence[int], rng: torch.Generator, size: float | None = None
) -> Tensor:
    """A random direction (float64, cpu), of a large tensor some normal numbers over again.

    Args:
        shape: of the tensor.
        rng: the source of randomness.
        size: its norm; where none is given, entries have unit variance.
    """
    count = math.prod(shape)
    drawn = normal((min(count, _DRAWN),), rng)
    times, rest = divmod(count, _DRAWN)
    if size is not None:
        norm = math.hypot(times**0.5 * float(drawn.norm()), float(drawn[:rest].norm()))
        drawn.mul_(size / max(norm, 1e-300))
    return drawn.repeat(times + 1)[:count].reshape(tuple(shape)) if times else drawn.reshape(shape)


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
