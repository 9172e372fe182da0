"""Fourier transforms: fixed linear maps along some dimensions, the same for all other indices.

What a transform makes of parameters alone is complex, and is treated like data: no real change of
basis is undone by a complex gain, while positive scales pass a product of any numbers.
"""

import math
from collections.abc import Sequence

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import lower


def _transformed(b: Builder, x: Node, dims: Sequence[int]) -> Node:
    shape = b.op.shape
    dims = [d % len(x.axes) for d in dims]
    return b.mix(x, dims, [shape[d] for d in dims])


@lower("fft_fft", "fft_ifft", "fft_rfft", "fft_irfft")
def along(b: Builder, x: Node, n: int | None = None, dim: int = -1, norm: object = None) -> Node:
    """One dimension, cut or filled with zeros to a length first."""
    return _transformed(b, x, [dim])


@lower("fft_fft2", "fft_ifft2", "fft_rfft2", "fft_irfft2")
def plane(
    b: Builder,
    x: Node,
    s: Sequence[int] | None = None,
    dim: Sequence[int] = (-2, -1),
    norm: object = None,
) -> Node:
    """Two dimensions."""
    return _transformed(b, x, dim)


@lower("fft_fftn", "fft_ifftn", "fft_rfftn", "fft_irfftn")
def several(
    b: Builder,
    x: Node,
    s: Sequence[int] | None = None,
    dim: Sequence[int] | None = None,
    norm: object = None,
) -> Node:
    """The given dimensions; as many of the last as there are lengths; or all."""
    rank = len(x.axes)
    last = range(rank - len(s), rank) if s is not None else range(rank)
    return _transformed(b, x, list(last) if dim is None else dim)


@lower("view_as_real")
def parts(b: Builder, x: Node) -> Node:
    """Both parts, as a dimension of their own."""
    return b.mix(b.view(x, [*x.shape, 1]), [-1], [2])


@lower("view_as_complex")
def whole(b: Builder, x: Node) -> Node:
    """One number of two parts."""
    return b.mix(x, [-1], uneven=True)  # the imaginary part counts i times


@lower("complex")
def of_parts(b: Builder, real: Node, imaginary: Node) -> Node:
    """One number of two parts, which stand in wires of their own."""
    columns = [b.view(b.expand(x, b.op.shape), [*b.op.shape, 1]) for x in (real, imaginary)]
    return whole(b, b.join(columns, -1))


@lower("real", "_conj")
def part(b: Builder, x: Node) -> Node:
    """Linear over the reals, entry by entry; no number stands for it."""
    return b.pointwise(x, slope=math.nan)
