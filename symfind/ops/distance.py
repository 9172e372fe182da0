"""Lengths, distances and angles."""

from symfind.graph.builder import GUARD, Builder
from symfind.graph.extents import Relations
from symfind.graph.primitives import Node
from symfind.ops.registry import lower, sizes
from symfind.trace import Op


def _length(b: Builder, x: Node, p: float, keep: bool) -> Node:
    if p == 0:
        return b.opaque([x], b.op.shape)  # how many entries are not zero
    if p == 2:
        return b.pointwise(b.square_sum(x, [-1], keep), degree=0.5)
    return b.pointwise(b.reduce(b.pointwise(x, degree=1.0, parity=1), [-1], keep), degree=1.0)


@lower("cdist")
def cdist(b: Builder, x: Node, y: Node, p: float = 2.0, *_: object) -> Node:
    """Lengths of the differences of all pairs."""
    x = b.view(x, [*x.shape[:-1], 1, x.shape[-1]])
    y = b.view(y, [*y.shape[:-2], 1, *y.shape[-2:]])
    return _length(b, b.add(x, y, signs=[1.0, -1.0]), p, False)


@sizes("cdist", "_cdist_forward")
def cdist_sizes(r: Relations, op: Op) -> None:
    """Distances of all pairs."""
    x, y, out = r.of(op.args[0]), r.of(op.args[1]), r.of(op)
    r.same(x[-1], y[-1])
    r.same(out[-2], x[-2])
    r.same(out[-1], y[-2])
    r.broadcast(out[:-2], x[:-2], y[:-2])


@lower("pairwise_distance")
def pairwise_distance(
    b: Builder, x: Node, y: Node, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Node:
    """Length of the difference, to which a small number is added."""
    return _length(b, b.add(x, y, b.number(eps), signs=[1.0, -1.0, 1.0]), p, keepdim)


@lower("cosine_similarity")
def cosine_similarity(b: Builder, x: Node, y: Node, dim: int = 1, eps: float = 1e-8) -> Node:
    """The product of two wires, each divided by its norm, or by a bound where that is larger."""
    rank = max(len(x.axes), len(y.axes))
    dim %= rank
    labels, factors = [], []
    for z in (x, y):
        own = list(range(rank - len(z.axes), rank))
        labels.append(own)
        square = b.square_sum(z, [own.index(dim)], True)
        if eps <= GUARD:
            inverse = b.pointwise(square, degree=-0.5)
        else:
            inverse = b.reciprocal(b.bent(b.pointwise(square, degree=0.5), eps))
        factors.append(b.multiply(z, inverse))
    return b.contract(factors, labels, [d for d in range(rank) if d != dim])


@sizes("cosine_similarity", "pairwise_distance")
def similarity_sizes(r: Relations, op: Op) -> None:
    """Two wires compared along one dimension."""
    x, y = (list(r.of(a)) for a in op.args[:2])
    dim = op.args[2] if "cosine" in op.target and len(op.args) > 2 else -1
    for a, b in zip(x, y, strict=False):
        if a.size == b.size:
            r.same(a, b)
    if len(r.of(op)) < len(x):
        x.pop(dim)
        r.broadcast(r.of(op), x)
