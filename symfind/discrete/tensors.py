"""Where permutations act on the tensors of a model, in a form that can be applied and stored.

A tensor is cut into blocks, each a strided window with one digit (a size and a stride) for every
atomic index: an axis that flattens heads and head size has two digits, a packed query-key-value
axis has three blocks. Each digit names the permutation that acts along it, if any.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Perms = Mapping[str, Tensor]
"""Index tensors by the name of their permutation."""


@dataclass(frozen=True)
class Permutation:
    """A name for permutations of `size` things: one, or one for each of some `copies`.

    Attributes:
        name: `P_` and the module that it is first met in.
        size: the number of things permuted.
        copies: sizes of the indices that choose among independent permutations, `(12,)` for one
            in each head; empty for a single permutation.
        continuous: whether a continuous group of the model contains it.
    """

    name: str
    size: int
    copies: tuple[int, ...] = ()
    continuous: bool = False


@dataclass(frozen=True)
class Digit:
    """One index inside an axis.

    Attributes:
        axis: the axis of the tensor.
        size: how many values it takes.
        stride: how far apart they lie along the axis.
        perm: name of the permutation that acts along it, None where nothing does.
        by: digits of the same block that choose among the copies of the permutation.
    """

    axis: int
    size: int
    stride: int = 1
    perm: str | None = None
    by: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """A window of a tensor: where it begins on every axis, and its digits in row-major order."""

    start: tuple[int, ...]
    digits: tuple[Digit, ...]

    def plain(self, shape: tuple[int, ...]) -> bool:
        """Whether the window is all of a tensor, and its digits the tensor's own in their order."""
        for axis in reversed(range(len(shape))):
            step = 1
            for digit in reversed(self.along(axis)):
                if digit.stride != step:
                    return False
                step *= digit.size
            if step != shape[axis]:
                return False
        return [d.axis for d in self.digits] == sorted(d.axis for d in self.digits)

    def along(self, axis: int) -> tuple[Digit, ...]:
        """The digits of one axis."""
        return tuple(d for d in self.digits if d.axis == axis)


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of the model's state.

    Where the model renumbers an index by a constant σ (a roll, a flip), what is Π on one side is
    σ Π σ⁻¹ on the other: blocks are windows of the tensor with its axes in other orders.

    Attributes:
        shape: its shape.
        blocks: windows that cover it.
        trainable: False for batch statistics.
        also: other names of the same tensor in the model's state.
        orders: by axis, where the blocks number it otherwise: their i is its `orders[axis][i]`.
    """

    shape: tuple[int, ...]
    blocks: tuple[Block, ...]
    trainable: bool = True
    also: tuple[str, ...] = ()
    orders: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def order(self, axis: int) -> tuple[int, ...] | None:
        """How the blocks number an axis, None where as the tensor does."""
        return dict(self.orders).get(axis)

    def perms(self, axis: int | None = None) -> set[str]:
        """Permutations that act on the tensor, or along one of its axes."""
        digits = (d for b in self.blocks for d in b.digits)
        return {d.perm for d in digits if d.perm and axis in (None, d.axis)}

    def without(self, names: Collection[str]) -> "TensorSpec":
        """The same where some permutations do not act."""
        blocks = tuple(
            replace(b, digits=tuple(replace(d, perm=None, by=()) if d.perm in names else d
                                    for d in b.digits))
            for b in self.blocks
        )  # fmt: skip
        return replace(self, blocks=blocks)

    def apply(self, tensor: Tensor, name: str, index: Tensor) -> Tensor:
        """Permute along every digit that carries a name.

        Args:
            tensor: of this shape, on any device.
            name: of a permutation.
            index: new position i holds what was at index[i]; shape `[*copies, size]`.
        """
        if len(self.blocks) == 1 and not self.orders and self.blocks[0].plain(self.shape):
            window = tensor.reshape([d.size for d in self.blocks[0].digits])
            for at, digit in enumerate(self.blocks[0].digits):
                if digit.perm == name:
                    window = _permuted(window, at, digit.by, index.to(tensor.device))
            return window.reshape(self.shape)
        result = tensor.clone(memory_format=torch.contiguous_format)
        for axis, order in self.orders:
            result = result.index_select(axis, torch.tensor(order, device=result.device))
        strides = result.stride()
        for block in self.blocks:
            if not any(d.perm == name for d in block.digits):
                continue
            sizes = [d.size for d in block.digits]
            steps = [strides[d.axis] * d.stride for d in block.digits]
            start = sum(s * b for s, b in zip(strides, block.start, strict=True))
            window = result.as_strided(sizes, steps, start)
            for at, digit in enumerate(block.digits):
                if digit.perm == name:
                    window.copy_(_permuted(window, at, digit.by, index.to(result.device)))
        for axis, order in self.orders:
            back = torch.tensor(order, device=result.device).argsort()
            result = result.index_select(axis, back)
        return result


def _permuted(window: Tensor, at: int, by: tuple[int, ...], index: Tensor) -> Tensor:
    if not by:
        return window.index_select(at, index)
    shape = [1] * window.dim()
    for place in (*by, at):
        shape[place] = window.shape[place]
    order = sorted(range(len(by) + 1), key=lambda i: (*by, at)[i])
    return torch.take_along_dim(window, index.permute(order).reshape(shape), at)
