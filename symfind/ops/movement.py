"""Operations that only move entries: nothing is computed, so every change of basis goes along."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from symfind.graph.builder import Builder
from symfind.graph.primitives import Expand, Node, Source, View
from symfind.ops.embedding import looked_up
from symfind.ops.registry import rule


@rule("view", "squeeze", "unsqueeze")
def view(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """The traced output shape says it all; there and back is nothing."""
    if b.op.target == "aten.view.dtype":
        return b.opaque([x], b.op.shape)  # the bits as another kind of number
    if isinstance(x, View) and x.inputs[0].shape == tuple(b.op.shape):
        return x.inputs[0]
    return b.view(x, b.op.shape)


@rule("_to_copy", "nan_to_num")
def identity(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """The same value, unless it is rounded to another kind of number."""
    before, after = (kind.dtype for kind in (b.op.args[0], b.op))
    return x if _kind(after) >= _kind(before) else b.opaque([x], b.op.shape)


def _kind(dtype: torch.dtype) -> int:
    """Truths, integers, floats, complex numbers: each holds what comes before it."""
    if dtype == torch.bool:
        return 0
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 1


@rule("permute")
def permute(b: Builder, x: Node, dims: Sequence[int]) -> Node:
    """Dimensions in another order."""
    return b.permute(x, dims)


@rule("transpose")
def transpose(b: Builder, x: Node, a: int, c: int) -> Node:
    """Two dimensions exchanged."""
    return b.transpose(x, a, c)


@rule("expand")
def expand(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Repetition along new dimensions."""
    return b.expand(x, b.op.shape)


@rule("repeat", "tile")
def repeat(b: Builder, x: Node, repeats: Sequence[int]) -> Node:
    """Copies side by side: the copy number is the outer index."""
    repeats = [1] * (len(x.axes) - len(repeats)) + list(repeats)
    rank = len(repeats)
    x = b.view(x, [1] * (rank - len(x.axes)) + list(x.shape))
    split = [n for size in x.shape for n in (1, size)]
    full = [n for r, size in zip(repeats, x.shape, strict=True) for n in (r, size)]
    return b.view(b.expand(b.view(x, split), full), b.op.shape)


@rule("repeat_interleave.self_int")
def repeat_interleave(
    b: Builder, x: Node, repeats: int, dim: int | None = None, output_size: int | None = None
) -> Node:
    """Copies next to each other: the copy number is the inner index."""
    if dim is None:
        x, dim = b.view(x, [math.prod(x.shape)]), 0
    dim %= len(x.axes)
    shape = list(x.shape)
    split = [*shape[: dim + 1], 1, *shape[dim + 1 :]]
    full = [*shape[: dim + 1], repeats, *shape[dim + 1 :]]
    return b.view(b.expand(b.view(x, split), full), b.op.shape)


@rule("slice")
def slice_(
    b: Builder, x: Node, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Node:  # fmt: skip
    """A range of one dimension; with a step that divides it, one residue class."""
    dim %= len(x.axes)
    n = x.axes[dim].size
    first, last, step = slice(start, end, step).indices(n)
    if step == 1:
        return b.narrow(x, dim, first, max(last - first, 0))
    if n % step == 0 and first < step and last > n - step + first:
        shape = list(x.shape)
        y = b.view(x, [*shape[:dim], n // step, step, *shape[dim + 1 :]])
        y = b.narrow(y, dim + 1, first, 1)
        return b.view(y, b.op.shape)
    picks = b.constant(torch.arange(first, last, step))
    return b.take(x, dim, picks)


@rule("select")
def select(b: Builder, x: Node, dim: int, index: int) -> Node:
    """One entry of a dimension."""
    dim %= len(x.axes)
    return b.view(b.narrow(x, dim, index % x.axes[dim].size, 1), b.op.shape)


def _pieces(b: Builder, x: Node, dim: int, sizes: Sequence[int]) -> tuple[Node, ...]:
    start, result = 0, []
    for n in sizes:
        result.append(b.narrow(x, dim, start, n))
        start += n
    return tuple(result)


@rule("split.Tensor", "split_with_sizes")
def split(b: Builder, x: Node, sizes: object, dim: int = 0) -> tuple[Node, ...]:
    """Consecutive ranges of one dimension, sized as traced."""
    return _pieces(b, x, dim, [shape[dim] for shape, _ in b.op.outputs])


@rule("unbind")
def unbind(b: Builder, x: Node, dim: int = 0) -> tuple[Node, ...]:
    """Every entry of one dimension."""
    pieces = _pieces(b, x, dim, [1] * x.axes[dim].size)
    shape = list(x.shape)
    del shape[dim % len(x.axes)]
    return tuple(b.view(piece, shape) for piece in pieces)


@rule("cat")
def cat(b: Builder, xs: Sequence[Node], dim: int = 0) -> Node:
    """Concatenation."""
    return b.join(list(xs), dim)


@rule("stack")
def stack(b: Builder, xs: Sequence[Node], dim: int = 0) -> Node:
    """Concatenation along a new dimension."""
    dim %= len(xs[0].axes) + 1
    shape = list(xs[0].shape)
    return b.join([b.view(x, [*shape[:dim], 1, *shape[dim:]]) for x in xs], dim)


@rule("hstack", "vstack", "column_stack")
def stack_along(b: Builder, xs: Sequence[Node]) -> Node:
    """Concatenation along the second dimension, or the first."""
    rank = len(xs[0].axes)
    if rank < 2:
        return b.opaque(xs, b.op.shape, "stacked vectors")
    return b.join(list(xs), 0 if b.op.target.startswith("aten.vstack") else 1)


@rule("slice_scatter")
def slice_scatter(
    b: Builder, x: Node, y: Node, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Node:  # fmt: skip
    """One range of x replaced by y."""
    dim %= len(x.axes)
    n = x.axes[dim].size
    first, last, step = slice(start, end, step).indices(n)
    if step != 1:
        return b.opaque([x, y], b.op.shape, "a scatter with a step")
    parts = [b.narrow(x, dim, 0, first)] if first else []
    parts.append(y)
    if last < n:
        parts.append(b.narrow(x, dim, last, n - last))
    return b.join(parts, dim)


@rule("select_scatter")
def select_scatter(b: Builder, x: Node, y: Node, dim: int, index: int) -> Node:
    """One entry of a dimension replaced by y."""
    dim %= len(x.axes)
    index %= x.axes[dim].size
    shape = [1 if d == dim else n for d, n in enumerate(x.shape)]
    return slice_scatter(b, x, b.view(y, shape), dim, index, index + 1)


@rule("pixel_shuffle")
def pixel_shuffle(b: Builder, x: Node, r: int) -> Node:
    """Channels to space."""
    *batch, c, h, w = x.shape
    k = len(batch)
    y = b.view(x, [*batch, c // r**2, r, r, h, w])
    y = b.permute(y, [*range(k), k, k + 3, k + 1, k + 4, k + 2])
    return b.view(y, b.op.shape)


@rule("pixel_unshuffle")
def pixel_unshuffle(b: Builder, x: Node, r: int) -> Node:
    """Space to channels."""
    *batch, c, h, w = x.shape
    k = len(batch)
    y = b.view(x, [*batch, c, h // r, r, w // r, r])
    y = b.permute(y, [*range(k), k, k + 2, k + 4, k + 1, k + 3])
    return b.view(y, b.op.shape)


@rule("channel_shuffle")
def channel_shuffle(b: Builder, x: Node, groups: int) -> Node:
    """The transpose of (group, channel)."""
    n, c, *rest = x.shape
    y = b.transpose(b.view(x, [n, groups, c // groups, *rest]), 1, 2)
    return b.view(y, x.shape)


@rule("index_select")
def index_select(b: Builder, x: Node, dim: int, index: Node) -> Node:
    """Entries of one dimension."""
    if isinstance(index, Source) and index.fixed:
        return b.take(x, dim, index)
    if not x.varies and index.varies and not b.learned(index):
        return looked_up(b, x, dim % len(x.axes), index)
    return b.gathered(x, [dim % len(x.axes)], [index])


@rule("index.Tensor")
def index(b: Builder, x: Node, indices: Sequence[Node | None]) -> Node:
    """Advanced indexing by constants along one dimension, or several neighbours."""
    used = [d for d, i in enumerate(indices) if i is not None]
    picks = [i for i in indices if i is not None]
    values = [i.value() if isinstance(i, Source) and i.fixed else None for i in picks]
    contiguous = used == list(range(used[0], used[-1] + 1)) if used else False
    known = [v for v in values if v is not None and v.dtype != torch.bool]
    table = len(picks) == 1 and not x.varies and picks[0].varies
    if table and not b.learned(picks[0]):
        return looked_up(b, x, used[0], picks[0])
    if not contiguous or len(known) < len(values):
        return b.gathered(x, used, picks)
    if len(used) == 1:
        flat = known[0] % x.axes[used[0]].size
        return b.take(x, used[0], b.constant(flat))
    strides = torch.zeros((), dtype=torch.long)
    for d, value in zip(used, known, strict=True):
        strides = strides * x.axes[d].size + value % x.axes[d].size
    shape = list(x.shape)
    merged = math.prod(shape[d] for d in used)
    y = b.view(x, [*shape[: used[0]], merged, *shape[used[-1] + 1 :]])
    return b.take(y, used[0], b.constant(strides))


@rule("gather")
def gather(b: Builder, x: Node, dim: int, index: Node, **_: object) -> Node:
    """Entries of one dimension picked by the data, per position of the others.

    Along a dimension where all positions pick the same, changes of basis pass.
    """
    dim %= len(x.axes)
    for d, n in enumerate(index.shape):
        if d != dim:
            x = b.narrow(x, d, 0, n)
    y: Any = b.mix(x, [dim], [index.shape[dim]], unit=1.0)
    same = repeated(index)
    y.stiff = tuple(d for d in range(len(x.axes)) if d != dim and d not in same)
    return b.reading(y, index)


def repeated(x: Node) -> list[int]:
    """Dimensions along which a wire is a copy of one slice."""
    if isinstance(x, Expand):
        offset = len(x.axes) - len(x.inputs[0].axes)
        old = [1] * offset + list(x.inputs[0].shape)
        return [d for d, n in enumerate(x.shape) if n != old[d]]
    op = x.op
    if op is not None and op.target.startswith("aten.expand"):
        old = list(op.args[0].shape)
        old = [1] * (len(x.axes) - len(old)) + old
        return [d for d, n in enumerate(x.shape) if n != old[d]]
    return []


@rule("tril", "triu")
def triangle(b: Builder, x: Node, diagonal: int = 0) -> Node:
    """Half of the entries zero: a product with a constant."""
    half = torch.tril if b.op.target.startswith("aten.tril") else torch.triu
    return b.multiply(x, b.masking(half(torch.ones(x.shape[-2:], dtype=torch.float64), diagonal)))


@rule("diagonal", "diag", "diag_embed")
def diagonal(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Diagonals are not understood yet."""
    return b.opaque([x], b.op.shape, "no rule")
