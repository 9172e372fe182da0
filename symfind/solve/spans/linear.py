"""Linear layers among the primitives, and null spaces of what they compute."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.numerics.decompose import svd
from symfind.solve.point.values import Environment

_NOISE = 1e-10  # of the largest singular value


@dataclass(frozen=True)
class Linear:
    """A contraction of one varying wire with one weight over one dimension of the wire."""

    node: p.Contract
    at: int  # which input is the weight
    read: int  # dimension of the wire that is contracted
    names: tuple  # labels of the weight that the output carries

    @property
    def wire(self) -> Node:
        """The wire that is read."""
        return self.node.inputs[1 - self.at]

    @property
    def weight(self) -> Node:
        """The weight that reads it."""
        return self.node.inputs[self.at]

    def matrix(self, env: Environment) -> Tensor:
        """The weight as a matrix [outputs, inputs]."""
        labels = self.node.labels[self.at]
        inner = self.node.labels[1 - self.at][self.read]
        value = env.value(self.weight)
        order = [i for i, n in enumerate(labels) if n != inner] + [labels.index(inner)]
        return value.permute(order).reshape(-1, value.shape[labels.index(inner)])

    def outputs(self, sizes: Sizes | None) -> int:
        """Number of rows of the matrix."""
        labels = self.node.labels[self.at]
        axes = [a for n, a in zip(labels, self.weight.axes, strict=True) if n in self.names]
        return math.prod(extent(a, sizes) for a in axes)


def linears(node: Node) -> list[Linear]:
    """All readings of a node as a linear layer: two where no input reaches either factor."""
    if not isinstance(node, p.Contract) or len(node.inputs) != 2 or node.windows:
        return []
    if node.inputs[0] is node.inputs[1]:
        return []
    still = [i for i, x in enumerate(node.inputs) if not x.varies]
    found = (_as_linear(node, at) for at in still)
    return [layer for layer in found if layer is not None]


def _as_linear(node: p.Contract, at: int) -> Linear | None:
    names, read = node.labels[at], node.labels[1 - at]
    wide = [n for n, a in zip(names, node.inputs[at].axes, strict=True) if a.size > 1]
    shared = [n for n in wide if n in read]
    if (
        len(shared) != 1
        or shared[0] in node.out
        or any(n not in node.out for n in names if n not in read)
    ):
        return None
    return Linear(node, at, read.index(shared[0]), tuple(n for n in names if n not in read))


def orthonormal(matrix: Tensor, rank: int) -> Tensor:
    """Orthonormal basis of the span of the columns, of known rank."""
    q, _, _ = svd(matrix)
    return q[:, :rank]


def complement(matrix: Tensor, width: int) -> Tensor:
    """Orthonormal basis, with `width` columns, of what is orthogonal to the columns.

    The basis depends smoothly on the matrix up to a rotation; it is fixed by projecting the same
    reference columns, so that a field built on it can be followed. Where columns depend on one
    another, nothing else is projected out: which directions that were, noise would say.
    """
    n = matrix.shape[0]
    q, s, _ = svd(matrix)
    q = q[:, : n - width] * (s[: n - width] > _NOISE * s[:1])
    generator = torch.Generator().manual_seed(n)
    reference = torch.randn(n, width, generator=generator, dtype=torch.float64).to(matrix)
    return reference - q @ (q.T @ reference)
