"""Operations that torch does in one step and that are several: bilinear maps, distances, kron."""

from collections.abc import Sequence

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import rule


@rule("bilinear")
def bilinear(b: Builder, x: Node, y: Node, weight: Node, bias: Node | None = None) -> Node:
    """xᵀ W y for every output."""
    batch = list(range(len(x.axes) - 1))
    z = b.contract([x, weight, y], [[*batch, "i"], ["o", "i", "j"], [*batch, "j"]], [*batch, "o"])
    return z if bias is None else b.add(z, bias)


@rule("vdot", "inner")
def inner(b: Builder, x: Node, y: Node) -> Node:
    """Sums over the last dimensions."""
    left, right = ([(name, d) for d in range(len(z.axes) - 1)] for name, z in (("x", x), ("y", y)))
    return b.contract([x, y], [[*left, "k"], [*right, "k"]], [*left, *right])


@rule("kron")
def kron(b: Builder, x: Node, y: Node) -> Node:
    """Every entry of x times all of y: outer indices are those of x, inner ones those of y."""
    rank = max(len(x.axes), len(y.axes))
    x, y = (b.view(z, [1] * (rank - len(z.axes)) + list(z.shape)) for z in (x, y))
    labels = [[(name, d) for d in range(rank)] for name in "xy"]
    out = [(name, d) for d in range(rank) for name in "xy"]
    return b.view(b.contract([x, y], labels, out), b.op.shape)


@rule("broadcast_tensors")
def broadcast_tensors(b: Builder, xs: Sequence[Node]) -> tuple[Node, ...]:
    """Each repeated to the shape that all of them have together."""
    return tuple(b.expand(x, shape) for x, (shape, _) in zip(xs, b.op.outputs, strict=True))


def _length(b: Builder, x: Node, p: float, keep: bool) -> Node:
    if p == 2:
        return b.pointwise(b.square_sum(x, [-1], keep), degree=0.5)
    return b.pointwise(b.reduce(b.pointwise(x, degree=1.0, parity=1), [-1], keep), degree=1.0)


@rule("cdist")
def cdist(b: Builder, x: Node, y: Node, p: float = 2.0, *_: object) -> Node:
    """Lengths of the differences of all pairs."""
    if p == 0:
        return b.opaque([x, y], b.op.shape)
    x = b.view(x, [*x.shape[:-1], 1, x.shape[-1]])
    y = b.view(y, [*y.shape[:-2], 1, *y.shape[-2:]])
    return _length(b, b.add(x, y, signs=[1.0, -1.0]), p, False)


@rule("pairwise_distance")
def pairwise_distance(
    b: Builder, x: Node, y: Node, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Node:
    """Length of the difference, to which a small number is added."""
    return _length(b, b.add(x, y, b.number(eps), signs=[1.0, -1.0, 1.0]), p, keepdim)


@rule("cumprod")
def cumprod(b: Builder, x: Node, dim: int, **_: object) -> Node:
    """Products of the first entries, multiplied out."""
    dim %= len(x.axes)
    parts = [b.narrow(x, dim, i, 1) for i in range(x.axes[dim].size)]
    for i in range(1, len(parts)):
        parts[i] = b.multiply(parts[i - 1], parts[i])
    return b.join(parts, dim)


@rule("rot90")
def rot90(b: Builder, x: Node, k: int = 1, dims: Sequence[int] = (0, 1)) -> Node:
    """Quarter turns: a transpose and a reversed dimension, or two of these."""
    first, second = (d % len(x.axes) for d in dims)

    def turned(y: Node, d: int) -> Node:
        return b.take(y, d, b.constant(torch.arange(y.axes[d].size).flip(0)))

    k %= 4
    if k == 2:
        return turned(turned(x, first), second)
    if k:
        return turned(b.transpose(x, first, second), first if k == 1 else second)
    return x


@rule("tanh_backward", "sigmoid_backward", "gelu_backward", "softplus_backward")
def smooth_backward(b: Builder, slope: Node, x: Node, *_: object, **__: object) -> Node:
    """A derivative of the outer function, times that of the inner one."""
    return b.multiply(slope, b.pointwise(x))


@rule("threshold_backward")
def threshold_backward(b: Builder, slope: Node, x: Node, threshold: float) -> Node:
    """A derivative of the outer function, where a rectifier lets it pass."""
    return b.multiply(slope, b.pointwise(x, degree=None if threshold else 0.0))
