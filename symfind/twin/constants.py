"""Buffers of a twin: the leading entries of every index, or what follows the same law."""

import torch
from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.trace import Op
from symfind.twin.sizes import Sizes, Unbuildable


def kept(axis: Axis, sizes: Sizes) -> Tensor:
    """Positions of a model's index that a twin keeps: the leading ones of every atom."""
    axis = axis.root
    if axis.kind == "atom":
        return torch.arange(sizes(axis))
    if axis.kind == "sum":
        offset, found = 0, []
        for part in axis.parts:
            found.append(kept(part, sizes) + offset)
            offset += part.root.size
        return torch.cat(found)
    flat = torch.zeros(1, dtype=torch.long)
    for part in axis.parts:
        flat = (flat[:, None] * part.root.size + kept(part, sizes)).reshape(-1)
    return flat


def shrink(op: Op, axes: list[Axis], sizes: Sizes, value: Tensor | None = None) -> Tensor:
    """The value of a leaf on a twin: a buffer, a frozen parameter, an example input.

    Consecutive integers stay consecutive; a buffer without a value takes generic positive ones.

    Raises:
        Unbuildable: where integers have no value.
    """
    data = op.data if value is None else value
    shape = tuple(sizes(a) for a in axes)
    if data is None or data.device.type == "meta":
        if op.dtype is None or not op.dtype.is_floating_point:
            raise Unbuildable(f"the values of {op.key!r} are not known")
        rng = torch.Generator().manual_seed(sum(op.key.encode()))
        return torch.rand(shape, generator=rng, dtype=torch.float64) + 0.5
    data = data.detach().cpu()
    if shape == tuple(data.shape):
        return data
    if not data.dtype.is_floating_point and not data.dtype.is_complex:
        long = [d for d, n in enumerate(data.shape) if n > 1]
        flat = data.reshape(-1)
        if len(long) == 1 and torch.equal(flat, torch.arange(len(flat)).to(flat) + flat[0]):
            counted = torch.arange(shape[long[0]]).to(flat) + flat[0]
            return counted.reshape(shape)
    for dim, axis in enumerate(axes):
        data = data.index_select(dim, kept(axis, sizes))
    return data
