"""Sums of squares, however they are spelled: the sum is taken where the squares are.

Σ_k (Σ_i a_ik − b x_k²) is the same as Σ_ik a_ik − b Σ_k x_k²: behind signed sums, multiples, other
sums and products with what the index does not run over, a square that is summed over the index is a
contraction of a wire with itself, which rotations of the index pass. (Factorisation machines:
half of the squared norm of x V minus the squared norms of its terms.)
"""

import math
from collections.abc import Sequence

from symfind.graph.builder import Builder
from symfind.graph.primitives import Add, Contract, Node, Pointwise


def summed_squares(b: Builder, x: Node, dims: Sequence[int]) -> Node | None:
    """The sum of a wire over some dimensions, which it loses, where all it adds are squares."""
    if (base := b.root_of_square(x)) is not None:
        return b.square_sum(base, dims, False)
    if (known := b.totals.get(id(x))) is not None:
        return _again(b, x, dims, *known)
    match x:
        case Add():
            if any(z.shape != x.shape for z in x.inputs):
                return None
            parts = [summed_squares(b, z, dims) for z in x.inputs]
            found = [z for z in parts if z is not None]
            return b.add(*found, signs=x.signs) if len(found) == len(parts) else None
        case Pointwise() if x.slope is not None and math.isfinite(x.slope):
            inner = summed_squares(b, x.inputs[0], dims)
            return None if inner is None else b.scale(inner, x.slope)
        case Contract() if len(x.inputs) == 2 and x.inputs[0] is x.inputs[1]:
            same = x.labels[0] == x.labels[1] and not x.windows
            rest = [n for d, n in enumerate(x.out) if d not in dims]
            return b.contract(x.inputs, x.labels, rest) if same else None
        case Contract() if len(x.inputs) == 2 and not x.windows:
            return _inside(b, x, dims)
    return None


def _again(
    b: Builder, x: Node, dims: Sequence[int], base: Node, gone: Sequence[int], keep: bool
) -> Node | None:
    """Of a sum over other dimensions: over both."""
    left = [d for d in range(len(base.axes)) if keep or d not in gone]
    if len(left) != len(x.axes):
        return None
    return summed_squares(b, base, sorted({*gone, *(left[d] for d in dims)})) if not keep else None


def _inside(b: Builder, x: Contract, dims: Sequence[int]) -> Node | None:
    """Of a product, where one factor alone has the index: inside that factor."""
    names = [x.out[d] for d in dims]
    for at, (f, own) in enumerate(zip(x.inputs, x.labels, strict=True)):
        other = x.labels[1 - at]
        if all(n in own for n in names) and not any(n in other for n in names):
            inner = summed_squares(b, f, [own.index(n) for n in names])
            if inner is not None:
                rest = [n for n in own if n not in names]
                out = [n for n in x.out if n not in names]
                return b.contract([x.inputs[1 - at], inner], [other, rest], out)
    return None
