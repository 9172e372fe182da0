"""What members of a family have in common: which operations follow each other, and in which case.

An operation may do one thing at some sizes and another at others: a convolution is depthwise where
it has as many groups as channels, a choice of the best k is none where there are but k, a layer
norm leaves nothing but the order of two entries. What the sizes decide of these is part of the
signature.
"""

import math
from collections.abc import Hashable
from typing import Any

from symfind.trace import Graph, Op

_LEAVES = ("parameter", "constant", "input", "output")
_SOME = 2


def signature(graph: Graph) -> tuple[Hashable, ...]:
    """The operations in their order, with what sizes decide of them, and where sizes are one."""
    return tuple(
        (op.target, _case(op), _single(op)) for op in graph.ops if op.target not in _LEAVES
    )


def steps(graph: Graph) -> tuple[Hashable, ...]:
    """The operations in their order, with what sizes decide of them, and where nothing is left."""
    return tuple(
        (op.target, _case(op), 0 in (op.shape or ()))
        for op in graph.ops
        if op.target not in _LEAVES
    )


def vocabulary(graph: Graph) -> frozenset[Hashable]:
    """The operations that occur, however often, with what sizes decide of them."""
    return frozenset(steps(graph))


def shapes(graph: Graph) -> tuple[Hashable, ...]:
    """The shapes of all wires, and of all parameters by name."""
    wires = tuple((op.shape, tuple(s for s, _ in op.outputs)) for op in graph.ops)
    return wires, tuple((name, op.shape) for name, op in graph.parameters.items())


def _single(op: Op) -> tuple[int, ...]:
    """Which dimensions have one entry, of which nothing is told, or none."""
    return tuple(min(n, _SOME) for n in op.shape or ())


def _case(op: Op) -> Hashable:
    try:
        return _decided(op)
    except (AttributeError, IndexError, TypeError, ZeroDivisionError):
        return None


def _decided(op: Op) -> Hashable:
    name = op.base
    if name in ("topk", "kthvalue"):
        shape = op.args[0].shape
        dim = op.args[2] if len(op.args) > 2 else -1
        return _order(op.args[1], shape[dim]), _order(op.args[1], 1)
    if name in ("convolution", "conv1d", "conv2d", "conv3d"):
        groups = op.args[8 if name == "convolution" else 6] if len(op.args) > 6 else 1
        weight = op.args[1].shape
        return _order(groups, 1), _order(weight[1], 1), _order(weight[0], groups), _felt(op)
    if name in ("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm"):
        return _order(math.prod(op.args[1]), _signs(name))
    if name in ("group_norm", "native_group_norm"):
        shape, groups = op.args[0].shape, op.args[1 if name == "group_norm" else 6]
        return _order(math.prod(shape[1:]) // groups, _signs(name))
    return None


def _signs(name: str) -> int:
    """Of how many entries nothing but a sign is left by a norm: of two that are centred."""
    return 1 if "rms" in name else 2


def _felt(op: Op) -> bool | None:
    """Whether every entry of the kernel of a convolution meets some entry of a picture.

    Of a kernel of three, the middle alone meets what has one row.
    """
    stride, padding, dilation = op.args[3:6]
    if isinstance(padding, str) or (op.base == "convolution" and op.args[6]):
        return None
    lengths, kernel = op.args[0].shape[2:], op.args[1].shape[2:]
    each = [_each(v, len(kernel)) for v in (stride, padding, dilation)]
    return all(_met(*row) for row in zip(lengths, kernel, *each, strict=True))


def _each(value: Any, dims: int) -> list[int]:
    return list(value) * dims if len(value) == 1 else list(value)


def _met(length: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    places = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    starts = range(-padding, places * stride - padding, stride)
    return all(any(0 <= at + tap * dilation < length for at in starts) for tap in (0, kernel - 1))


def _order(a: Any, b: Any) -> int:
    return (a > b) - (a < b)
