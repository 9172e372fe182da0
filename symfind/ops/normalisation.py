"""Normalisations: centring, division by a norm, then gain and shift as ordinary operations."""

from collections.abc import Sequence
from typing import Any

from symfind.algebra.axes import Axis, product
from symfind.graph.builder import Builder
from symfind.graph.extents import Least, Relations, Rewrite
from symfind.graph.primitives import Node, Source
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Refusal, Tape, Value
from symfind.trace import Op


def _affine(b: Builder, y: Node, weight: Node | None, bias: Node | None) -> Node:
    if weight is not None:
        y = b.multiply(y, weight)
    return y if bias is None else b.add(y, bias)


def _trailing(x: Node, shape: Sequence[int]) -> list[int]:
    return list(range(len(x.axes) - len(shape), len(x.axes)))


@lower("layer_norm")
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
    dims = _trailing(x, shape)
    y = b.norm_of_rows(x, dims, True, eps) or b.exact_norm(x, dims, True, eps)
    return _affine(b, y, weight, bias)


@lower("native_layer_norm")
def native_layer_norm(b: Builder, x: Node, *args: object) -> tuple:
    """The same with statistics."""
    y = layer_norm(b, x, *args)  # type: ignore[arg-type]
    return y, b.opaque([x], b.op.outputs[1][0]), b.opaque([x], b.op.outputs[2][0])


@lower("rms_norm")
def rms_norm(
    b: Builder,
    x: Node,
    shape: Sequence[int],
    weight: Node | None = None,
    eps: float | None = None,
) -> Node | tuple:
    """Without centring; no eps is that of the arithmetic, and the arithmetic here is exact."""
    small = 0.0 if eps is None else eps
    dims = _trailing(x, shape)
    y = b.norm_of_rows(x, dims, False, small) or b.exact_norm(x, dims, False, small)
    y = _affine(b, y, weight, None)
    return (y, b.opaque([x], b.op.outputs[1][0])) if b.op.shape is None else y


@sizes("layer_norm", "rms_norm", "_fused_rms_norm", "native_layer_norm")
def layer_norm_sizes(r: Relations, op: Op) -> Rewrite:
    """Over the trailing dimensions."""
    x = r.of(op.args[0])
    tail = x[len(x) - len(op.args[1]) :]
    r.broadcast(r.axes[id(op)][0], x)
    for statistic in r.axes[id(op)][1:]:
        for axis, old in zip(statistic, x, strict=True):
            if axis.size == old.size:
                r.same(axis, old)
    for gain in op.operands[1:]:
        r.broadcast(tail, r.of(gain))
    r.least.append(Least(tail[-1], min(4, tail[-1].size)))  # two centred entries are but a sign
    return Rewrite({1: lambda e: [e(a) for a in tail]})


@lower("group_norm")
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


@sizes("group_norm")
def group_norm_sizes(r: Relations, op: Op) -> Rewrite:
    """Channels in groups."""
    x = r.of(op.args[0])
    r.broadcast(r.of(op), x)
    groups, rest = Axis(op.args[1]), Axis(x[1].size // op.args[1])
    r.same(x[1], product([groups, rest]))
    r.copies.append(groups)
    r.least.append(Least(rest, min(4, rest.size)))
    for vector in op.operands[1:]:
        r.same(x[1], r.of(vector)[0])
    return Rewrite({1: lambda e: e(groups)})


def _channelwise(b: Builder, x: Node, y: Node, weight: Node | None, bias: Node | None) -> Node:
    tail = [1] * (len(x.axes) - 2)
    w = None if weight is None else b.view(weight, [x.shape[1], *tail])
    s = None if bias is None else b.view(bias, [x.shape[1], *tail])
    return _affine(b, y, w, s)


@lower("instance_norm")
def instance_norm(
    b: Builder,
    x: Node,
    weight: Node | None,
    bias: Node | None,
    mean: Node | None,
    var: Source | None,
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


@lower("batch_norm")
def batch_norm(
    b: Builder,
    x: Node,
    weight: Node | None,
    bias: Node | None,
    mean: Node | None,
    var: Source | None,
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


@sizes("batch_norm", "instance_norm")
def batch_norm_sizes(r: Relations, op: Op) -> None:
    """Channels are the second dimension."""
    x = r.of(op.args[0])
    r.broadcast(r.of(op), x)
    for vector in op.operands[1:]:
        r.same(x[1], r.of(vector)[0])
    if op.args[5]:  # statistics of the batch
        r.least.append(Least(x[0], min(8, x[0].size)))


@exact("batch_norm")
def batch_norm_exact(
    t: Tape, x: Value, weight: Any, bias: Any, mean: Any, variance: Any, training: bool,
    momentum: float, eps: float,
) -> Value:  # fmt: skip
    """An affine map of every channel, in evaluation mode.

    1 / sqrt(variance + eps) is a constant of the model, and is taken as float64 has it.
    """
    if training or mean is None or variance is None:
        raise Refusal("takes a square root of the variance of the batch, which is not rational")
    spatial = len(x.shape) - 2

    def column(value: Any) -> Value:
        return t.linear(lambda b: b.reshape(-1, *[1] * spatial), t.lift(value))

    y = t.add(x, t.scale(column(mean), -1))
    y = t.multiply(y, column((variance.double() + eps).rsqrt()))
    y = y if weight is None else t.multiply(y, column(weight))
    return y if bias is None else t.add(y, column(bias))


@lower("_weight_norm")
def weight_norm(b: Builder, v: Node, g: Node, dim: int = 0) -> Node | tuple:
    """g v / |v|, the norm over all dimensions but one; over all of them where that is -1."""
    dims = [d for d in range(len(v.axes)) if d != dim]
    inverse = b.pointwise(b.square_sum(v, dims, True), degree=-0.5)
    y = b.multiply(b.multiply(v, inverse), g)
    return (y, b.opaque([v], g.shape)) if b.op.shape is None else y


@sizes("_weight_norm")
def weight_norm_sizes(r: Relations, op: Op) -> None:
    """A direction and lengths."""
    r.broadcast(r.of(op), r.of(op.args[0]), r.of(op.args[1]))
