"""Whether rows that are looked up are there: a trace without values does not notice.

Looked up by constants, or by what counts tokens: the positions of those that are no padding.
"""

import math
from collections.abc import Collection, Iterator
from typing import Any

from symfind.ops.facts import facts
from symfind.ops.interval import interval
from symfind.trace import Graph, Op


class OutOfRange(Exception):
    """A row that a table does not have."""


def check_lookups(graph: Graph, unsure: Collection[str] = ()) -> None:
    """Make sure that what is looked up exists.

    Args:
        graph: of a model.
        unsure: lines of code whose lookups by counts are not known to be right.

    Raises:
        OutOfRange: it does not; the message names the operation and the row.
    """
    for op, rows, index in _lookups(graph):
        row = _last_constant(index) if index.constant else _last_counted(index)
        if row >= rows and (index.constant or op.where not in unsure):
            raise OutOfRange(f"{op.target} at {op.where} looks up {row} of {rows}")


def unsure_lookups(graph: Graph) -> frozenset[str]:
    """The lines of code where bounds of counts are too wide for the tables they look into."""
    found = _lookups(graph)
    wide = [op for op, rows, x in found if not x.constant and _last_counted(x) >= rows]
    return frozenset(op.where for op in wide)


def _last_constant(index: Op) -> int:
    value = index.value()
    if value is None or value.is_floating_point() or value.numel() == 0:
        return -1
    return -1 if str(value.dtype) == "torch.bool" else int(value.max())


def _last_counted(index: Op) -> int:
    """The largest row that can be looked up, -1 where nothing is known of it."""
    if str(index.dtype) == "torch.bool":
        return -1
    high = interval(index)[1]
    return int(high) if math.isfinite(high) else -1


def _lookups(graph: Graph) -> Iterator[tuple[Op, int, Op]]:
    for op in graph.ops:
        yield from ((op, rows, index) for rows, index in _chosen(op))


def _chosen(op: Op) -> Iterator[tuple[int, Op]]:
    """How many rows a table has, with what chooses among them."""
    place = facts(op).index
    if place is None:
        return
    given: Any = op.args[place]
    shape = op.args[0].shape
    if op.base == "embedding":
        pairs = [(0, given)]
    elif op.base == "index":
        pairs = list(enumerate(given))
    else:
        pairs = [(op.args[1] % len(shape), given)]
    for dim, index in pairs:
        if isinstance(index, Op):
            yield shape[dim], index
