"""Products and norms of vectors and matrices that torch.linalg spells in its own ways."""

from collections.abc import Sequence
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.reduction import Dims, dims_of, norm
from symfind.ops.registry import lower

LARGEST_POWER = 16  # of a matrix, that is multiplied out


@lower("tensordot")
def tensordot(b: Builder, x: Node, y: Node, left: Sequence[int], right: Sequence[int]) -> Node:
    """A product that is summed over some dimensions of both."""
    mine: list[Any] = [("x", d) for d in range(len(x.axes))]
    theirs: list[Any] = [("y", d) for d in range(len(y.axes))]
    for d, e in zip(left, right, strict=True):
        theirs[e % len(y.axes)] = mine[d % len(x.axes)]
    kept = [n for n in mine if n not in theirs] + [n for n in theirs if n not in mine]
    return b.contract([x, y], [mine, theirs], kept)


@lower("addr")
def addr(b: Builder, x: Node, u: Node, v: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """A matrix and the product of a column with a row."""
    return b.add(x, b.contract([u, v], [["i"], ["j"]], ["i", "j"]), signs=[beta, alpha])


@lower("cross", "linalg_cross")
def cross(b: Builder, x: Node, y: Node, dim: int | None = None) -> Node:
    """A product of both with the tensor that is skew in all three of its indices."""
    rank = len(b.op.shape)
    shape = b.op.shape
    default = -1 if "linalg" in b.op.target else shape.index(3)
    dim = (default if dim is None else dim) % rank
    skew = torch.zeros(3, 3, 3, dtype=torch.float64)
    for i in range(3):
        skew[i, (i + 1) % 3, (i + 2) % 3], skew[i, (i + 2) % 3, (i + 1) % 3] = 1.0, -1.0
    out: list[Any] = list(range(rank))
    labels = [[(*"xy", i)[i] if d == dim else d for d in out] for i in (0, 1)]
    return b.contract([x, y, b.constant(skew)], [*labels, [dim, "x", "y"]], out)


@lower("linalg_matrix_power")
def matrix_power(b: Builder, x: Node, n: int) -> Node:
    """A product of a matrix with itself."""
    if not 1 <= n <= LARGEST_POWER:
        return b.opaque([x], b.op.shape, "no positive power, or a large one")
    batch: list[Any] = list(range(len(x.axes) - 2))
    y = x
    for _ in range(n - 1):
        y = b.contract([y, x], [[*batch, "i", "j"], [*batch, "j", "k"]], [*batch, "i", "k"])
    return y


@lower("trapezoid.dx")
def trapezoid(b: Builder, y: Node, *, dx: float = 1, dim: int = -1) -> Node:
    """A weighted sum along one dimension."""
    dim %= len(y.axes)
    weights = torch.full((y.axes[dim].size,), float(dx), dtype=torch.float64)
    weights[0] = weights[-1] = dx / 2
    labels = list(range(len(y.axes)))
    return b.contract([y, b.constant(weights)], [labels, [dim]], [n for n in labels if n != dim])


@lower("linalg_norm")
def either_norm(
    b: Builder, x: Node, ord: Any = None, dim: Dims = None, keepdim: bool = False, **_: object
) -> Node:
    """Of vectors; of matrices where it is that of all their entries."""
    dims = dims_of(x, dim)
    if len(dims) > 1 and ord not in (None, "fro"):
        return b.pointwise(b.reduce(b.pointwise(x, degree=1.0), dims, keepdim), degree=1.0)
    return norm(b, x, 2 if ord is None else ord, dims, keepdim)


@lower("linalg_matrix_norm")
def matrix_norm(
    b: Builder, x: Node, ord: Any = "fro", dim: Dims = (-2, -1), keepdim: bool = False, **_: object
) -> Node:
    """Of matrices."""
    dims = dims_of(x, dim)
    if ord == "fro":
        return norm(b, x, 2, dims, keepdim)
    return b.pointwise(b.reduce(b.pointwise(x, degree=1.0), dims, keepdim), degree=1.0)


@lower("dist")
def dist(b: Builder, x: Node, y: Node, p: float = 2) -> Node:
    """The norm of a difference."""
    return norm(b, b.add(x, y, signs=[1.0, -1.0]), p)
