"""Operations that only move entries: nothing is computed, so every change of basis goes along."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from symfind.algebra.axes import Axis, Tangled, branches, product
from symfind.algebra.runs import runs_of_axes
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations, Rewrite, alike, pointwise, sized
from symfind.graph.primitives import Expand, Node, Source, View
from symfind.ops.embedding import looked_up
from symfind.ops.finite import finite
from symfind.ops.moved import moved
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Refusal, Tape, Value
from symfind.trace import Op

MOST_ENTRIES = 1000  # that are chosen one by one
sizes("input", "parameter", "constant")(lambda r, op: None)  # nothing but their sizes is known


@sizes("output")
def output_sizes(r: Relations, op: Op) -> None:
    """The wire that is returned."""
    r.axes[id(op)] = r.axes[id(op.args[0])]


@sizes("getitem")
def getitem_sizes(r: Relations, op: Op) -> None:
    """One of several results."""
    source, index = op.args
    if len(r.axes[id(source)]) == 1 and source.shape is not None:
        r.axes[id(op)] = r.axes[id(source)]
    else:
        r.axes[id(op)] = [r.axes[id(source)][index]]


@lower("view", "squeeze", "unsqueeze")
def view(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """The traced output shape says it all; there and back is nothing."""
    if b.op.target == "aten.view.dtype":
        return b.opaque([x], b.op.shape)  # the bits as another kind of number
    if isinstance(x, View) and x.inputs[0].shape == tuple(b.op.shape):
        return x.inputs[0]
    return b.view(x, b.op.shape)


@sizes("view")
def view_sizes(r: Relations, op: Op) -> Rewrite | None:
    """Minimal runs of dimensions with equal products on both sides are one index."""
    if op.target == "aten.view.dtype":
        r.pin_all()
        return None
    source, out = r.of(op.args[0]), r.of(op)
    try:
        for left, right in runs_of_axes(source, out):
            r.same(product(left), product(right))
    except Tangled:  # no entries at all
        r.pin_all()
    return Rewrite({1: sized(out)})


@sizes("unsqueeze", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d", "view_as_real",
          "view_as_complex")  # fmt: skip
def ones_sizes(r: Relations, op: Op) -> None:
    """Dimensions of size one come and go; the parts of complex numbers are two."""
    source = [a for a in r.of(op.args[0]) if a.size != 1]
    out = [a for a in r.of(op) if a.size != 1]
    for a, b in zip(source, out, strict=False):
        r.same(a, b)


@lower("nan_to_num")
def numbered(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """The same value where it is finite, and numbers for what is not."""
    return x if finite(b.op.args[0]) else b.pointwise(x)


@lower("_to_copy")
def identity(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """The same value, unless it is rounded to another kind of number."""
    before, after = (kind.dtype for kind in (b.op.args[0], b.op))
    if after == torch.bool and _kind(before):
        return b.pointwise(x, degree=0.0)
    return x if _kind(after) >= _kind(before) else b.opaque([x], b.op.shape)


def _kind(dtype: torch.dtype) -> int:
    """Truths, integers, floats, complex numbers: each holds what comes before it."""
    if dtype == torch.bool:
        return 0
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 1


@lower("permute")
def permute(b: Builder, x: Node, dims: Sequence[int]) -> Node:
    """Dimensions in another order."""
    return b.permute(x, dims)


@sizes("permute")
def permute_sizes(r: Relations, op: Op) -> None:
    """Dimensions in another order."""
    source = r.of(op.args[0])
    for axis, d in zip(r.of(op), op.args[1], strict=True):
        r.same(axis, source[d])


@lower("transpose")
def transpose(b: Builder, x: Node, a: int, c: int) -> Node:
    """Two dimensions exchanged."""
    return b.transpose(x, a, c)


@sizes("transpose")
def transpose_sizes(r: Relations, op: Op) -> None:
    """Two dimensions exchanged."""
    source = list(r.of(op.args[0]))
    a, b = op.args[1:3]
    source[a], source[b] = source[b], source[a]
    for axis, old in zip(r.of(op), source, strict=True):
        r.same(axis, old)


@lower("expand")
def expand(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Repetition along new dimensions."""
    return b.expand(x, b.op.shape)


@sizes("expand")
def expand_sizes(r: Relations, op: Op) -> Rewrite:
    """Repetition along new dimensions and those of size one."""
    r.broadcast(r.of(op), r.of(op.args[0]))
    return Rewrite({1: sized(r.of(op))})


@lower("broadcast_tensors")
def broadcast_tensors(b: Builder, xs: Sequence[Node]) -> tuple[Node, ...]:
    """Each repeated to the shape that all of them have together."""
    return tuple(b.expand(x, shape) for x, (shape, _) in zip(xs, b.op.outputs, strict=True))


@lower("repeat", "tile")
def repeat(b: Builder, x: Node, repeats: Sequence[int]) -> Node:
    """Copies side by side: the copy number is the outer index."""
    repeats = [1] * (len(x.axes) - len(repeats)) + list(repeats)
    rank = len(repeats)
    x = b.view(x, [1] * (rank - len(x.axes)) + list(x.shape))
    split = [n for size in x.shape for n in (1, size)]
    full = [n for r, size in zip(repeats, x.shape, strict=True) for n in (r, size)]
    return b.view(b.expand(b.view(x, split), full), b.op.shape)


@sizes("repeat", "tile")
def repeat_sizes(r: Relations, op: Op) -> Rewrite:
    """Copies side by side: the copy number is the outer index."""
    source, out = r.of(op.args[0]), r.of(op)
    lead = len(out) - len(source)
    copies = list(out[:lead])
    for axis, old in zip(out[lead:], source, strict=True):
        copies.append(Axis(axis.size // old.size if old.size else 1))
        r.flattened(axis, [copies[-1], old])
    return Rewrite({1: sized(copies)}, "aten.repeat.default")


@lower("repeat_interleave.self_int")
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


@sizes("repeat_interleave")
def repeat_interleave_sizes(r: Relations, op: Op) -> Rewrite | None:
    """Copies next to each other: the copy number is the inner index."""
    source, number = op.args[:2]
    if not isinstance(number, int):
        r.pin_all()
        return None
    dim = op.args[2] if len(op.args) > 2 else None
    count = Axis(number)
    axes, out = r.of(source), r.of(op)
    if dim is None:
        r.flattened(out[0], [product(axes), count])
        return Rewrite({1: lambda e: e(count)})
    for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
        r.flattened(axis, [old, count] if d == dim % len(axes) else [old])
    return Rewrite({1: lambda e: e(count)})


@lower("index_select")
def index_select(b: Builder, x: Node, dim: int, index: Node) -> Node:
    """Entries of one dimension."""
    if isinstance(index, Source) and index.fixed:
        return b.take(x, dim, index)
    if not x.varies and index.varies and not b.learned(index):
        return looked_up(b, x, dim % len(x.axes), index)
    return b.gathered(x, [dim % len(x.axes)], [index])


@sizes("index_select")
def index_select_sizes(r: Relations, op: Op) -> None:
    """Entries of one dimension."""
    source, dim, picks = op.args
    axes = r.of(source)
    for d, (axis, old) in enumerate(zip(r.of(op), axes, strict=True)):
        r.same(axis, r.of(picks)[0] if d == dim % len(axes) else old)


@lower("index.Tensor")
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
    whole, dims, places = _unflattened(x, used, known)
    apart = all(_apart(whole.axes[d]) for d in dims) and places[0].numel() <= MOST_ENTRIES
    if apart and len(dims) > 1:
        return b.view(_entries(b, whole, dims, places), b.op.shape)
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


def _unflattened(
    x: Node, used: Sequence[int], places: Sequence[torch.Tensor]
) -> tuple[Node, Sequence[int], Sequence[torch.Tensor]]:
    """Entries of one dimension as those of the dimensions that it is flattened from."""
    if len(used) > 1 or not isinstance(x, View):
        return x, used, places
    for run in x.index_map():
        if run.outs == tuple(used) and len(run.ins) > 1:
            whole = x.inputs[0]
            flat = places[0] % x.shape[used[0]]
            return whole, run.ins, torch.unravel_index(flat, [whole.shape[d] for d in run.ins])
    return x, used, places


def _apart(axis: Axis) -> bool:
    """Whether every entry of a dimension is a block of its own, as where wires are stacked."""
    return axis.size > 1 and not any(atoms for _, atoms in branches(axis))


def _entries(b: Builder, x: Node, used: Sequence[int], places: Sequence[torch.Tensor]) -> Node:
    """Chosen entries of dimensions that wires are stacked along, each a block as before."""
    shape, first = list(x.shape), used[0]
    places = torch.broadcast_tensors(*places)
    rows: dict[tuple[int, ...], Node] = {(): x}
    found: list[Node] = []
    for place in zip(*(v.reshape(-1).tolist() for v in places), strict=True):
        for k, d in enumerate(used):
            if place[: k + 1] not in rows:
                rows[place[: k + 1]] = b.narrow(rows[place[:k]], d, place[k] % shape[d], 1)
        found.append(b.view(rows[place], [*shape[:first], 1, *shape[used[-1] + 1 :]]))
    y = b.join(found, first)
    return b.view(y, [*shape[:first], *places[0].shape, *shape[used[-1] + 1 :]])


@sizes("index")
def index_sizes(r: Relations, op: Op) -> None:
    """Advanced indexing: the broadcast index stands where the first was, or leads."""
    source, indices = op.args
    axes, out = r.of(source), r.of(op)
    used = [d for d, i in enumerate(indices) if i is not None]
    picks = [i for i in indices if i is not None]
    if any(not i.dtype.is_signed or i.dtype.is_floating_point for i in picks):
        r.pin_all()  # boolean masks
        return
    rank = max(len(i.shape) for i in picks)
    together = used == list(range(used[0], used[-1] + 1))
    lead = used[0] if together else 0
    rest = [a for d, a in enumerate(axes) if d not in used]
    for i in picks:
        r.broadcast(out[lead : lead + rank], r.of(i))
    for axis, old in zip([*out[:lead], *out[lead + rank :]], rest, strict=True):
        r.same(axis, old)


@lower("gather")
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


@sizes("gather", "take_along_dim")
def gather_sizes(r: Relations, op: Op) -> None:
    """Entries of one dimension, picked for every position of the index."""
    for axis, old in zip(r.of(op), r.of(op.args[2]), strict=True):
        r.same(axis, old)


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


@lower("diagonal", "diag", "diag_embed")
def diagonal(b: Builder, x: Node, *_: object, **__: object) -> Node:
    """Diagonals are not understood yet."""
    return b.opaque([x], b.op.shape, "no rule")


exact(
    "alias", "broadcast_tensors", "diag", "diag_embed", "diagonal", "diagonal_scatter", "expand",
    "gather", "index", "index_select", "masked_select", "meshgrid", "permute", "repeat",
    "repeat_interleave", "squeeze", "take_along_dim", "tile", "trace", "transpose", "unsqueeze",
    "view",
)(moved)  # fmt: skip


@exact("view.dtype")
def bits_exact(t: Tape, *_: object) -> Value:
    """Reads bits, not numbers."""
    raise Refusal("has no exact rule")


sizes("nan_to_num", "dropout", "renorm")(alike)
sizes("_to_copy")(pointwise)
