"""Normalisations: centring, division by a norm, then gain and shift as ordinary operations."""

from collections.abc import Sequence

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import rule


def _affine(b: Builder, y: Node, weight: Node | None, bias: Node | None) -> Node:
    if weight is not None:
        y = b.multiply(y, weight)
    return y if bias is None else b.add(y, bias)


def _trailing(x: Node, shape: Sequence[int]) -> list[int]:
    return list(range(len(x.axes) - len(shape), len(x.axes)))


@rule("layer_norm")
def layer_norm(
    b: Builder,
    x: Node,
    shape: Sequence[int],
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Node:
    """Over the trailing dimensions."""
    return _affine(b, b.normalise(x, _trailing(x, shape), True, eps), weight, bias)


@rule("native_layer_norm")
def native_layer_norm(b: Builder, x: Node, *args: object) -> tuple:
    """The same with statistics."""
    y = layer_norm(b, x, *args)  # type: ignore[arg-type]
    return y, b.opaque([x], b.op.outputs[1][0]), b.opaque([x], b.op.outputs[2][0])


@rule("rms_norm")
def rms_norm(
    b: Builder,
    x: Node,
    shape: Sequence[int],
    weight: Node | None = None,
    eps: float | None = None,
) -> Node | tuple:
    """Without centring; no eps is that of the arithmetic, and the arithmetic here is exact."""
    small = 0.0 if eps is None else eps
    y = _affine(b, b.normalise(x, _trailing(x, shape), False, small), weight, None)
    return (y, b.opaque([x], b.op.outputs[1][0])) if b.op.shape is None else y


@rule("group_norm")
def group_norm(
    b: Builder,
    x: Node,
    groups: int,
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Node:
    """Over the channels of a group and all positions."""
    n, c, *rest = x.shape
    y = b.view(x, [n, groups, c // groups, *rest])
    y = b.normalise(y, range(2, len(y.axes)), True, eps)
    y = b.view(y, x.shape)
    tail = [1] * len(rest)
    w = None if weight is None else b.view(weight, [c, *tail])
    s = None if bias is None else b.view(bias, [c, *tail])
    return _affine(b, y, w, s)


def _channelwise(b: Builder, x: Node, y: Node, weight: Node | None, bias: Node | None) -> Node:
    tail = [1] * (len(x.axes) - 2)
    w = None if weight is None else b.view(weight, [x.shape[1], *tail])
    s = None if bias is None else b.view(bias, [x.shape[1], *tail])
    return _affine(b, y, w, s)


@rule("instance_norm")
def instance_norm(
    b: Builder,
    x: Node,
    weight: Node | None,
    bias: Node | None,
    mean: Node | None,
    var: Node | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> Node:
    """Over positions, per channel and sample."""
    if not use_input_stats:
        return batch_norm(b, x, weight, bias, mean, var, False, momentum, eps)
    y = b.normalise(x, range(2, len(x.axes)), True, eps)
    return _channelwise(b, x, y, weight, bias)


@rule("batch_norm")
def batch_norm(
    b: Builder,
    x: Node,
    weight: Node | None,
    bias: Node | None,
    mean: Node | None,
    var: Node | None,
    training: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> Node:
    """In training over batch and positions; in evaluation a fixed affine map per channel.

    In evaluation y = x·g + (β − m·g) with g = γ/√(v + eps): the shift is as free as β is.
    """
    rank = len(x.axes)
    if training or mean is None or var is None:
        y = b.normalise(x, [0, *range(2, rank)], True, eps)
        return _channelwise(b, x, y, weight, bias)
    spread = b.inverse_root(var, eps)
    gain = spread if weight is None else b.multiply(weight, spread)
    drift = b.product(gain, mean)  # the mean is zero at the beginning only
    tail = [1] * (rank - 2)
    y = b.multiply(x, b.view(gain, [x.shape[1], *tail]))
    shift = b.free_shift(bias, drift)
    return b.add(y, b.view(shift, [x.shape[1], *tail]))


@rule("_weight_norm")
def weight_norm(b: Builder, v: Node, g: Node, dim: int = 0) -> Node | tuple:
    """g v / |v|, the norm over all dimensions but one; over all of them where that is -1."""
    dims = [d for d in range(len(v.axes)) if d != dim]
    inverse = b.pointwise(b.square_sum(v, dims, True), degree=-0.5)
    y = b.multiply(b.multiply(v, inverse), g)
    return (y, b.opaque([v], g.shape)) if b.op.shape is None else y
