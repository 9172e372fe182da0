"""Entries that are looked up, and tensors that are made from nothing but sizes."""

from symfind.algebra.axes import Axis
from symfind.trace import Op
from symfind.twin.relations import Relations, Rewrite, relation
from symfind.twin.rules.movement import cut, sized


# what is looked up ---------------------------------------------------------------------------
@relation("embedding")
def embedding(r: Relations, op: Op) -> Rewrite:
    """Rows of a table; that one of them has no gradient is no property of the function."""
    table, index = op.args[:2]
    out = r.of(op)
    for axis, old in zip(out, [*r.of(index), r.of(table)[1]], strict=True):
        r.same(axis, old)
    r.tables.append(r.of(table)[0])
    _in_order(r, r.of(table)[0], index)
    return Rewrite({2: lambda e: -1})


def _in_order(r: Relations, rows: Axis, index: Op) -> None:
    """Rows that are read one after the other are one index with what counts them."""
    long = [a for a in r.of(index) if a.size > 1]
    value = index.value() if len(long) == 1 else None
    if value is None:
        return
    flat = value.reshape(-1).tolist()
    start, n = flat[0], len(flat)
    if start >= 0 and start + n <= rows.size and flat == list(range(start, start + n)):
        r.same(cut(r, rows, [start, n, rows.size - start - n])[1], long[0])


@relation("index")
def index(r: Relations, op: Op) -> None:
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


@relation("index_select")
def index_select(r: Relations, op: Op) -> None:
    """Entries of one dimension."""
    source, dim, picks = op.args
    axes = r.of(source)
    for d, (axis, old) in enumerate(zip(r.of(op), axes, strict=True)):
        r.same(axis, r.of(picks)[0] if d == dim % len(axes) else old)


@relation("gather", "take_along_dim")
def gather(r: Relations, op: Op) -> None:
    """Entries of one dimension, picked for every position of the index."""
    for axis, old in zip(r.of(op), r.of(op.args[2]), strict=True):
        r.same(axis, old)


@relation("scatter", "scatter_add", "scatter_reduce", "index_put", "index_add", "masked_scatter")
def scatter(r: Relations, op: Op) -> None:
    """A tensor with some entries replaced."""
    r.broadcast(r.of(op), r.of(op.args[0]))


# what is made --------------------------------------------------------------------------------
@relation("full", "zeros", "ones", "empty", "rand", "randn")
def full(r: Relations, op: Op) -> Rewrite:
    """One value everywhere."""
    return Rewrite({0: sized(r.of(op))})


@relation("arange")
def arange(r: Relations, op: Op) -> Rewrite:
    """Equally spaced numbers: the first stays."""
    (axis,) = r.of(op)
    numbers = [a for a in op.args if isinstance(a, (int, float))]
    start = numbers[0] if len(numbers) > 1 else 0
    step = numbers[2] if len(numbers) > 2 else 1
    end = numbers[1] if len(numbers) > 1 else numbers[0]
    number = type(end)
    return Rewrite(
        {
            min(len(numbers) - 1, 1): lambda e: (
                end if e(axis) == axis.size else number(start + e(axis) * step)
            )
        }
    )


@relation("linspace")
def linspace(r: Relations, op: Op) -> Rewrite:
    """Numbers between two ends."""
    return Rewrite({2: lambda e: e(r.of(op)[0])})


@relation("eye")
def eye(r: Relations, op: Op) -> Rewrite:
    """The identity."""
    out = r.of(op)
    if len([a for a in op.args if isinstance(a, int)]) == 1:
        r.same(*out)
        return Rewrite({0: lambda e: e(out[0])})
    return Rewrite({0: lambda e: e(out[0]), 1: lambda e: e(out[1])})


@relation("scalar_tensor")
def scalar(r: Relations, op: Op) -> None:
    """A number."""
