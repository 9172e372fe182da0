"""Operations that move entries, and repeat them."""

import math
from collections.abc import Sequence
from typing import Any

from symfind.algebra.axes import Axis, product
from symfind.trace import Op
from symfind.twin.relations import Extent, Relations, Rewrite, pointwise, relation


@relation("input", "parameter", "constant")
def leaf(r: Relations, op: Op) -> None:
    """Nothing is known about its dimensions but their sizes."""


@relation("output")
def output(r: Relations, op: Op) -> None:
    """The wire that is returned."""
    r.axes[id(op)] = r.axes[id(op.args[0])]


@relation("getitem")
def getitem(r: Relations, op: Op) -> None:
    """One of several results."""
    source, index = op.args
    if len(r.axes[id(source)]) == 1 and source.shape is not None:
        r.axes[id(op)] = r.axes[id(source)]
    else:
        r.axes[id(op)] = [r.axes[id(source)][index]]


@relation("add")
def add(r: Relations, op: Op) -> None:
    """A sum; a parameter that is added has one row for each position."""
    pointwise(r, op)
    for x in op.operands:
        if x.target == "parameter":
            r.tables += r.of(x)[:-1]


@relation("where", "_to_copy", "hardswish", "prelu", "complex", "polar")
def entrywise(r: Relations, op: Op) -> None:
    """As pointwise operations."""
    pointwise(r, op)


def sized(axes: Sequence[Axis]) -> Any:
    """A list of extents, as an argument."""
    return lambda e: [e(a) for a in axes]


@relation("view")
def view(r: Relations, op: Op) -> Rewrite | None:
    """Minimal runs of dimensions with equal products on both sides are one index."""
    if op.target == "aten.view.dtype":
        r.pin_all()
        return None
    source, out = r.of(op.args[0]), r.of(op)
    for left, right in runs(source, out):
        r.same(product(left), product(right))
    return Rewrite({1: sized(out)})


def runs(left: Sequence[Axis], right: Sequence[Axis]) -> list[tuple[list[Axis], list[Axis]]]:
    """Minimal runs of dimensions with equal products, without dimensions of size one."""
    a, b = [x for x in left if x.size != 1], [x for x in right if x.size != 1]
    found: list[tuple[list[Axis], list[Axis]]] = []
    a.reverse()
    b.reverse()
    while a and b:
        one, two = [a.pop()], [b.pop()]
        m, n = one[0].size, two[0].size
        while m != n and (a if m < n else b):
            if m < n:
                one.append(a.pop())
                m *= one[-1].size
            else:
                two.append(b.pop())
                n *= two[-1].size
        found.append((one, two))
    return found


@relation("unsqueeze", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d", "view_as_real",
          "view_as_complex")  # fmt: skip
def ones(r: Relations, op: Op) -> None:
    """Dimensions of size one come and go; the parts of complex numbers are two."""
    source = [a for a in r.of(op.args[0]) if a.size != 1]
    out = [a for a in r.of(op) if a.size != 1]
    for a, b in zip(source, out, strict=False):
        r.same(a, b)


@relation("permute")
def permute(r: Relations, op: Op) -> None:
    """Dimensions in another order."""
    source = r.of(op.args[0])
    for axis, d in zip(r.of(op), op.args[1], strict=True):
        r.same(axis, source[d])


@relation("transpose")
def transpose(r: Relations, op: Op) -> None:
    """Two dimensions exchanged."""
    source = list(r.of(op.args[0]))
    a, b = op.args[1:3]
    source[a], source[b] = source[b], source[a]
    for axis, old in zip(r.of(op), source, strict=True):
        r.same(axis, old)


@relation("expand")
def expand(r: Relations, op: Op) -> Rewrite:
    """Repetition along new dimensions and those of size one."""
    r.broadcast(r.of(op), r.of(op.args[0]))
    return Rewrite({1: sized(r.of(op))})


@relation("repeat", "tile")
def repeat(r: Relations, op: Op) -> Rewrite:
    """Copies side by side: the copy number is the outer index."""
    source, out = r.of(op.args[0]), r.of(op)
    lead = len(out) - len(source)
    copies = list(out[:lead])
    for axis, old in zip(out[lead:], source, strict=True):
        copies.append(Axis(axis.size // old.size if old.size else 1))
        r.flattened(axis, [copies[-1], old])
    return Rewrite({1: sized(copies)}, "aten.repeat.default")


@relation("repeat_interleave")
def repeat_interleave(r: Relations, op: Op) -> Rewrite | None:
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


def cut(r: Relations, axis: Axis, sizes: Sequence[int]) -> list[Axis]:
    """An axis in consecutive parts."""
    parts = [Axis(n) for n in sizes]
    r.concatenated(axis, parts)
    return parts


@relation("slice")
def slice_(r: Relations, op: Op) -> Rewrite:
    """A range of one dimension; with a step that divides it, one residue class."""
    source, dim, start, end, step = op.args
    axes, out = r.of(source), r.of(op)
    dim %= len(axes)
    whole, length = axes[dim], out[dim].size
    for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
        if d != dim:
            r.same(axis, old)
    start, end, step = slice(start, end, step).indices(whole.size)
    if step == 1:
        before, own, _ = cut(r, whole, [start, length, whole.size - start - length])
        r.same(own, out[dim])
        return Rewrite({2: lambda e: e(before), 3: lambda e: e(before) + e(out[dim]), 4: _one})
    if whole.size % step == 0 and start < step and end > whole.size - step + start:
        classes = Axis(step)
        r.pin(classes)
        r.flattened(whole, [out[dim], classes])
        return Rewrite({2: lambda e: start, 3: lambda e: e(whole)})
    r.pin(whole, out[dim])
    return Rewrite({})


def _one(e: Extent) -> int:
    return 1


@relation("slice_scatter")
def slice_scatter(r: Relations, op: Op) -> Rewrite | None:
    """One range of a dimension replaced."""
    source, given, dim, start, end, step = (*op.args, 1)[:6]
    axes = r.of(source)
    r.broadcast(r.of(op), axes)
    start, end, step = slice(start, end, step).indices(axes[dim].size)
    if step != 1:
        r.pin_all()
        return None
    before, own, _ = cut(r, axes[dim], [start, end - start, axes[dim].size - end])
    for d, axis in enumerate(r.of(given)):
        r.same(axis, own if d == dim % len(axes) else axes[d])
    return Rewrite({3: lambda e: e(before), 4: lambda e: e(before) + e(own)})


@relation("select")
def select(r: Relations, op: Op) -> Rewrite | None:
    """One entry of a dimension."""
    source, dim, index = op.args
    if not isinstance(index, int):
        r.pin_all()
        return None
    axes = list(r.of(source))
    whole = axes.pop(dim)
    index %= whole.size
    for axis, old in zip(r.of(op), axes, strict=True):
        r.same(axis, old)
    before = cut(r, whole, [index, 1, whole.size - index - 1])[0]
    return Rewrite({2: lambda e: e(before)})


@relation("select_scatter")
def select_scatter(r: Relations, op: Op) -> Rewrite:
    """One entry of a dimension replaced."""
    source, given, dim, index = op.args
    axes = list(r.of(source))
    r.broadcast(r.of(op), axes)
    whole = axes.pop(dim)
    index %= whole.size
    for axis, old in zip(r.of(given), axes, strict=True):
        r.same(axis, old)
    before = cut(r, whole, [index, 1, whole.size - index - 1])[0]
    return Rewrite({3: lambda e: e(before)})


@relation("split", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit")
def split(r: Relations, op: Op) -> Rewrite:
    """Consecutive ranges of one dimension."""
    axes = r.of(op.args[0])
    dim = (op.args[2] if len(op.args) > 2 else 0) % len(axes)
    parts = []
    for out in r.axes[id(op)]:
        for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
            if d != dim:
                r.same(axis, old)
        parts.append(out[dim])
    r.concatenated(axes[dim], parts)
    return Rewrite({1: sized(parts)}, "aten.split_with_sizes.default")


@relation("unbind")
def unbind(r: Relations, op: Op) -> None:
    """Every entry of one dimension."""
    axes = list(r.of(op.args[0]))
    whole = axes.pop(op.args[1] if len(op.args) > 1 else 0)
    cut(r, whole, [1] * whole.size)
    for out in r.axes[id(op)]:
        for axis, old in zip(out, axes, strict=True):
            r.same(axis, old)


@relation("cat")
def cat(r: Relations, op: Op) -> None:
    """Concatenation."""
    out = r.of(op)
    dim = (op.args[1] if len(op.args) > 1 else 0) % len(out)
    xs = [r.of(x) for x in op.args[0] if len(x.shape) == len(out)]
    for axes in xs:
        for d, (axis, old) in enumerate(zip(out, axes, strict=True)):
            if d != dim:
                r.same(axis, old)
    r.concatenated(out[dim], [axes[dim] for axes in xs])


@relation("stack")
def stack(r: Relations, op: Op) -> None:
    """Concatenation along a new dimension."""
    out = list(r.of(op))
    new = out.pop(op.args[1] if len(op.args) > 1 else 0)
    cut(r, new, [1] * new.size)
    for x in op.args[0]:
        for axis, old in zip(out, r.of(x), strict=True):
            r.same(axis, old)


@relation("constant_pad_nd", "pad", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
          "replication_pad2d")  # fmt: skip
def pad(r: Relations, op: Op) -> None:
    """Entries put before and after a dimension: their number stays."""
    pads = op.args[1]
    for d, (axis, old) in enumerate(zip(r.of(op), r.of(op.args[0]), strict=True)):
        place = 2 * (len(r.of(op)) - 1 - d)
        before, after = pads[place : place + 2] if place < len(pads) else (0, 0)
        if before >= 0 and after >= 0:
            ends = [Axis(before), Axis(after)]
            r.pin(*ends)
            r.concatenated(axis, [ends[0], old, ends[1]])
            if (before or after) and "constant" not in op.target:
                r.least.append(_least(old, max(before, after) + 1))
        else:
            r.pin(axis, old)


def _least(axis: Axis, size: int) -> Any:
    from symfind.twin.relations import Least

    return Least(axis, min(size, axis.size))


# entries that trade places between dimensions ----------------------------------------------------
@relation("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(r: Relations, op: Op) -> None:
    """Channels to space, or back: the factor stays."""
    factor = op.args[1]
    few, many = (op, op.args[0]) if "unshuffle" not in op.target else (op.args[0], op)
    wide, deep = r.of(few), r.of(many)
    squares = [Axis(factor), Axis(factor)]
    r.pin(*squares)
    for a, b in zip(wide[:-3], deep[:-3], strict=True):
        r.same(a, b)
    r.flattened(deep[-3], [wide[-3], *squares])
    for d, square in zip((-2, -1), squares, strict=True):
        r.flattened(wide[d], [deep[d], square])


@relation("channel_shuffle")
def channel_shuffle(r: Relations, op: Op) -> Rewrite:
    """The transpose of (group, channel)."""
    source, out = r.of(op.args[0]), r.of(op)
    groups = op.args[1]
    outer, inner = Axis(groups), Axis(math.prod(op.shape or ()) and source[1].size // groups)
    r.flattened(source[1], [outer, inner])
    r.flattened(out[1], [inner, outer])
    for d in (0, *range(2, len(out))):
        r.same(source[d], out[d])
    return Rewrite({1: lambda e: e(outer)})
