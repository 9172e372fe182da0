"""Convolutions as products of matrices, for derivatives of many inputs at once.

So is weight normalisation spelled out, whose own kernel knows of no batches.

The derivative of a convolution by its weights, for each of many inputs by itself, is a convolution
in as many groups, which libraries evaluate one after the other in double precision. Written as
the product of the weights with the windows of the input (im2col; Chellapilla, Puri, Simard, "High
performance convolutional neural networks for document processing", 2006) it is one batched product.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_aten = torch.ops.aten
_DIMENSIONS: dict[Any, int] = {
    torch.conv1d: 1, torch.conv2d: 2, _aten.conv1d.default: 1, _aten.conv2d.default: 2,
}  # fmt: skip
_TRANSPOSED: dict[Any, int] = {
    torch.conv_transpose1d: 1, torch.conv_transpose2d: 2,
    _aten.conv_transpose1d.default: 1, _aten.conv_transpose2d.input: 2,
}  # fmt: skip
_NORMED = {torch._weight_norm, _aten._weight_norm.default}
_NAMES = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_NAMES_TRANSPOSED = (*_NAMES[:5], "output_padding", "groups", "dilation")
_DEFAULTS: dict[str, Any] = {
    "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0,
}  # fmt: skip


class Windows(TorchFunctionMode):
    """Evaluates convolutions over one or two axes as products with windows of the input.

    And weight normalisation by its definition.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, or what replaces it."""
        kwargs = kwargs or {}
        if func in _NORMED:
            return _normed(*args, **kwargs)
        for table, names, call in (
            (_DIMENSIONS, _NAMES, _convolution),
            (_TRANSPOSED, _NAMES_TRANSPOSED, _transposed),
        ):
            if func in table:
                given = _DEFAULTS | dict(zip(names, args, strict=False)) | kwargs
                if not isinstance(given["padding"], str):
                    return _planar(call, table[func], given)
        return func(*args, **kwargs)


def _normed(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """The direction of v in all axes but one, times g (Salimans and Kingma, 2016)."""
    others = [axis for axis in range(v.ndim) if axis != dim]
    return v * (g / v.square().sum(others, keepdim=True).sqrt())


def _planar(call: Callable[..., Tensor], dimensions: int, given: dict[str, Any]) -> Tensor:
    """In two dimensions, with a batch; a missing dimension has size one."""
    x, weight, bias = given["input"], given["weight"], given["bias"]
    single = x.ndim == dimensions + 1
    x = x[None] if single else x
    if dimensions == 1:
        x, weight = x.unsqueeze(-2), weight.unsqueeze(-2)
    sizes = {key: _pair(given[key], dimensions, empty) for key, empty in
             (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))}  # fmt: skip
    y = call(x, weight, given["groups"], **sizes)
    y = y.squeeze(-2) if dimensions == 1 else y
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * dimensions)
    return y[0] if single else y


def _pair(size: Any, dimensions: int, empty: int) -> tuple[int, int]:
    sizes = [size] * dimensions if isinstance(size, int) else list(size)
    sizes = sizes * dimensions if len(sizes) < dimensions else sizes
    return (empty, sizes[0]) if dimensions == 1 else (sizes[0], sizes[1])


_Pair = tuple[int, int]


def _convolution(
    x: Tensor, weight: Tensor, groups: int, *, stride: _Pair, padding: _Pair, dilation: _Pair,
    output_padding: _Pair,
) -> Tensor:  # fmt: skip
    batch, out = x.shape[0], weight.shape[0]
    kernel = (weight.shape[2], weight.shape[3])
    size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in
            zip(x.shape[-2:], padding, dilation, kernel, stride, strict=True)]  # fmt: skip
    columns = F.unfold(x, kernel, dilation, padding, stride)
    columns = columns.reshape(batch, groups, -1, columns.shape[-1])
    y = weight.reshape(groups, out // groups, -1) @ columns
    return y.reshape(batch, out, *size)


def _transposed(
    x: Tensor, weight: Tensor, groups: int, *, stride: _Pair, padding: _Pair, dilation: _Pair,
    output_padding: _Pair,
) -> Tensor:  # fmt: skip
    batch, channels = x.shape[:2]
    kernel = (weight.shape[2], weight.shape[3])
    high, wide = ((n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, p, d, k, s, o in
                  zip(x.shape[-2:], padding, dilation, kernel, stride, output_padding,
                      strict=True))  # fmt: skip
    matrices = weight.reshape(groups, channels // groups, -1).transpose(1, 2)
    columns = matrices @ x.reshape(batch, groups, channels // groups, -1)
    columns = columns.reshape(batch, -1, math.prod(x.shape[-2:]))
    return F.fold(columns, (high, wide), kernel, dilation, padding, stride)
