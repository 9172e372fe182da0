"""Convolutions whose derivatives are taken of many inputs at once.

The derivative of a convolution by its weights, for each of many inputs by itself, is a convolution
in as many groups, which libraries evaluate one after the other in double precision. As the product
of what comes back with the windows of the input (im2col; Chellapilla, Puri, Simard, "High
performance convolutional neural networks for document processing", 2006) it is one batched
product. The derivative by the input is left to the library, for which inputs and cotangents are one
batch: through windows it would be as many times larger as a kernel has entries.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

_aten = torch.ops.aten
_DIMENSIONS: dict[Any, int] = {
    torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3, _aten.conv1d.default: 1,
    _aten.conv2d.default: 2, _aten.conv3d.default: 3,
}  # fmt: skip
_TRANSPOSED: dict[Any, int] = {
    torch.conv_transpose1d: 1, torch.conv_transpose2d: 2, torch.conv_transpose3d: 3,
    _aten.conv_transpose1d.default: 1, _aten.conv_transpose2d.input: 2,
    _aten.conv_transpose3d.input: 3,
}  # fmt: skip
_NAMES = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_NAMES_TRANSPOSED = (*_NAMES[:5], "output_padding", "groups", "dilation")
_DEFAULTS: dict[str, Any] = {
    "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0,
}  # fmt: skip


class Windows(TorchFunctionMode):
    """Evaluates convolutions so that their derivatives can be taken of many inputs at once."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, or what replaces it."""
        kwargs = kwargs or {}
        for table, names in ((_DIMENSIONS, _NAMES), (_TRANSPOSED, _NAMES_TRANSPOSED)):
            if func in table:
                given = _DEFAULTS | dict(zip(names, args, strict=False)) | kwargs
                if not isinstance(given["padding"], str):
                    return _convolved(table[func], table is _TRANSPOSED, given)
        return func(*args, **kwargs)


@dataclass(frozen=True)
class _Layer:
    """The sizes of a convolution, one of each for every axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    beyond: tuple[int, ...]  # padding of the output
    groups: int

    @property
    def rest(self) -> tuple[Any, ...]:
        """What the library is given behind input, weight and bias."""
        sizes = (self.stride, self.padding, self.dilation, self.transposed, self.beyond)
        return (*sizes, self.groups)


def _convolved(dimensions: int, transposed: bool, given: dict[str, Any]) -> Tensor:
    x, weight, bias = given["input"], given["weight"], given["bias"]
    single = x.ndim == dimensions + 1
    stride, padding, dilation, beyond = (
        _each(given[key], dimensions) for key in ("stride", "padding", "dilation", "output_padding")
    )
    kernel = tuple(weight.shape[2:])
    layer = _Layer(kernel, stride, padding, dilation, transposed, beyond, given["groups"])
    y: Tensor = _Convolution.apply(x[None] if single else x, weight, layer)
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * dimensions)
    return y[0] if single else y


def _each(size: Any, dimensions: int) -> tuple[int, ...]:
    sizes = (size,) if isinstance(size, int) else tuple(size)
    return sizes * dimensions if len(sizes) == 1 else sizes


class _Convolution(Function):
    """x [batch, channels, *places] with weights of a layer, without bias."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, layer: _Layer) -> Tensor:
        y: Tensor = _aten.convolution.default(x, weight, None, *layer.rest)
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, _Layer], output: Tensor) -> None:
        x, weight, ctx.layer = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x, weight), layer = ctx.saved_tensors, ctx.layer
        by_input = by_weight = None
        if ctx.needs_input_grad[0]:
            by_input = _aten.convolution_backward.default(
                back, x, weight, None, *layer.rest, [True, False, False]
            )[0]
        if ctx.needs_input_grad[1]:
            by_weight = _by_weight(x, back, layer).reshape(weight.shape)
        return by_input, by_weight, None

    @staticmethod
    def jvp(ctx: Any, moved: Tensor | None, turned: Tensor | None, _: None) -> Tensor:
        """The derivative along a direction of the input and one of the weights."""
        (x, weight), layer = ctx.saved_tensors, ctx.layer
        parts: list[Tensor] = []
        if moved is not None:
            parts.append(_aten.convolution.default(moved, weight, None, *layer.rest))
        if turned is not None:
            parts.append(_with_weight(x, turned, layer))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


class _Products(Function):
    """Rows a [..., rows, places] times rows b [..., others, places], shape [..., rows, others].

    A product of matrices copies b for every a of a batch; here such a batch is of more rows.
    """

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a @ b.transpose(-1, -2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, back: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return back @ b, back.transpose(-1, -2) @ a

    @staticmethod
    def vmap(
        info: Any, at: tuple[int | None, int | None], a: Tensor, b: Tensor
    ) -> tuple[Tensor, int]:
        """A batch of the first alone is of rows; one of the second is a batch of matrices."""
        if at[0] is None or at[1] is not None:
            a = a if at[0] is None else a.movedim(at[0], 0)
            b = b if at[1] is None else b.movedim(at[1], 0)
            if at[0] is not None:  # one of them may be of another batch besides
                rank = max(a.ndim, b.ndim)
                a, b = (t[:, *[None] * (rank - t.ndim)] for t in (a, b))
            return _Products.apply(a, b), 0
        a = a.movedim(at[0], -3)
        product = _Products.apply(a.flatten(-3, -2), b)
        return product.unflatten(-2, a.shape[-3:-1]), product.ndim - 2


def _by_weight(x: Tensor, back: Tensor, layer: _Layer) -> Tensor:
    """What comes back times the windows of the input, summed over batch and places."""
    here, there = (x, _windows(back, layer)) if layer.transposed else (back, _windows(x, layer))
    batch, channels = here.shape[:2]
    there = there.reshape(batch, layer.groups, -1, there.shape[-1])
    here = here.reshape(batch, layer.groups, channels // layer.groups, -1)
    product: Tensor = _Products.apply(here, there)
    return product.squeeze(0) if batch == 1 else product.sum(0)


def _with_weight(x: Tensor, weight: Tensor, layer: _Layer) -> Tensor:
    """The layer with other weights, linear in them: batched where only they are many."""
    if layer.transposed:
        return _spread(x, weight, layer)
    batch = x.shape[0]
    columns = _windows(x, layer)
    columns = columns.reshape(batch, layer.groups, -1, columns.shape[-1])
    y = weight.reshape(layer.groups, weight.shape[0] // layer.groups, -1) @ columns
    return y.reshape(batch, weight.shape[0], *_places(x, layer))


def _spread(x: Tensor, weight: Tensor, layer: _Layer) -> Tensor:
    """A transposed layer: every place adds its multiple of the kernel to a window of the output."""
    batch, channels = x.shape[:2]
    if len(layer.kernel) > 2:
        y: Tensor = _aten.convolution.default(x, weight, None, *layer.rest)
        return y
    kernel, stride, padding, dilation, beyond = (
        (empty, *size)[-2:] for size, empty in
        ((layer.kernel, 1), (layer.stride, 1), (layer.padding, 0), (layer.dilation, 1),
         (layer.beyond, 0)))  # fmt: skip
    places = (1, *x.shape[2:])[-2:]
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, p, d, k, s, o in
            zip(places, padding, dilation, kernel, stride, beyond, strict=True))  # fmt: skip
    matrices = weight.reshape(layer.groups, channels // layer.groups, -1).transpose(1, 2)
    columns = matrices @ x.reshape(batch, layer.groups, channels // layer.groups, -1)
    columns = columns.reshape(batch, -1, math.prod(places))
    y = F.fold(columns, size, kernel, dilation, padding, stride)
    return y.squeeze(-2) if len(layer.kernel) == 1 else y


def _places(x: Tensor, layer: _Layer) -> list[int]:
    """The sizes of the output of a layer that is not transposed."""
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in
            zip(x.shape[2:], layer.padding, layer.dilation, layer.kernel, layer.stride,
                strict=True)]  # fmt: skip


def _windows(x: Tensor, layer: _Layer) -> Tensor:
    """The windows of x, shape (batch, channels * entries of the kernel, places)."""
    if len(layer.kernel) == 2:
        return F.unfold(x, layer.kernel, layer.dilation, layer.padding, layer.stride)
    edges = [edge for p in reversed(layer.padding) for edge in (p, p)]
    seen = F.pad(x, edges)
    for axis, (k, d, s) in enumerate(zip(layer.kernel, layer.dilation, layer.stride, strict=True)):
        seen = seen.unfold(axis + 2, d * (k - 1) + 1, s)[..., ::d]
    axes = len(layer.kernel)
    entries, places = range(2 + axes, 2 + 2 * axes), range(2, 2 + axes)
    seen = seen.permute(0, 1, *entries, *places)
    return seen.reshape(x.shape[0], x.shape[1] * math.prod(layer.kernel), -1)
