"""Whether constants look up rows that tables have: a trace without values does not notice."""

from collections.abc import Iterator
from typing import Any

from symfind.ops.facts import facts
from symfind.trace import Graph, Op


class OutOfRange(Exception):
    """A row that a table does not have."""


def check_lookups(graph: Graph) -> None:
    """Make sure that what constants look up exists.

    Raises:
        OutOfRange: it does not; the message names the operation and the row.
    """
    for op in graph.ops:
        for rows, index in _constant(op):
            value = index.value()
            if value is None or value.is_floating_point() or value.numel() == 0:
                continue
            if str(value.dtype) != "torch.bool" and int(value.max()) >= rows:
                raise OutOfRange(f"{op.target} at {op.where} looks up {int(value.max())} of {rows}")


def _constant(op: Op) -> Iterator[tuple[int, Op]]:
    """How many rows a table has, with the constant that chooses among them."""
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
        if isinstance(index, Op) and index.constant:
            yield shape[dim], index
