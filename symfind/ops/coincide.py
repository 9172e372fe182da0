"""Integers that take one value exactly where others do: the place of padding, and its token.

A mask says where a token is padding, or is none. Both ways once assumed, intervals (Moore 1966,
Interval Analysis, ch. 2) of what is computed at that very place are propagated entry by entry: if
it is one number where the token is padding, and never that number where it is none, both coincide.
"""

from collections.abc import Iterator, Mapping

from symfind.ops.interval import EVERYTHING, Interval, bounds, interval
from symfind.trace import Op

_ENTRYWISE = ("add", "sub", "mul", "maximum", "minimum", "_to_copy", "clone", "detach", "where",
              "logical_not", "cumsum")  # fmt: skip


def coincidences(one: Op, other: Op) -> Iterator[tuple[int, int]]:
    """Values of two wires of integers that are taken at the same places, whatever the input.

    Args:
        one: the wire that is compared with numbers.
        other: a wire of the same shape that is made of such comparisons.
    """
    if one.shape == other.shape and one is not other:
        masks = [op for op in _ancestors(other) if _compared(op, one) is not None]
        for value in dict.fromkeys(_compared(op, one) for op in masks):
            assert value is not None
            there, apart = (_here(other, one, value, equal) for equal in (True, False))
            if there[0] == there[1] and not apart[0] <= there[0] <= apart[1]:
                yield value, int(there[0])


def _ancestors(op: Op) -> list[Op]:
    found = {id(op): op}
    stack = [op]
    while stack:
        for x in stack.pop().operands:
            if id(x) not in found:
                found[id(x)] = x
                stack.append(x)
    return list(found.values())


def _compared(op: Op, wire: Op) -> int | None:
    """The number that a wire is compared with."""
    plain = op.base in ("eq", "ne") and len(op.args) == 2 and op.args[0] is wire
    return op.args[1] if plain and isinstance(op.args[1], int) else None


def _here(op: Op, wire: Op, value: int, equal: bool) -> Interval:
    """What an entry can be where the entry of another wire at its place is a value, or is not."""
    known: dict[int, Interval] = {}
    for one in _in_order(op):
        known[id(one)] = _at(one, wire, value, equal, known)
    return known[id(op)]


def _in_order(op: Op) -> list[Op]:
    """An operation, and all that it is computed from at the same places: that first."""
    found: dict[int, Op] = {}

    def visit(x: Op) -> None:
        if id(x) not in found:
            for below in _below(x):
                visit(below)
            found[id(x)] = x

    visit(op)
    return list(found.values())


def _below(op: Op) -> list[Op]:
    """The operands whose entries at a place make up that of the result."""
    if op.constant or op.trainable or op.base not in _ENTRYWISE:
        return []
    return [x for x in op.operands if x.shape == op.shape]


def _at(op: Op, wire: Op, value: int, equal: bool, known: Mapping[int, Interval]) -> Interval:
    if _compared(op, wire) == value:
        truth = float(equal == (op.base == "eq"))
        return truth, truth
    if op is wire:
        return (float(value), float(value)) if equal else interval(op)
    if not _below(op):
        return interval(op)
    if op.base == "cumsum":
        return _running(op, known)
    parts = {id(x): interval(x) for x in op.operands}
    parts |= {id(x): known[id(x)] for x in _below(op)}
    if op.base == "logical_not":
        return _denied(parts[id(op.args[0])])
    if op.base == "where" and len(op.args) == 3:
        return _chosen(op, parts)
    return bounds(op, parts)


def _denied(x: Interval) -> Interval:
    low, high = x
    return float(low == 0 == high), float(low <= 0 <= high)


def _chosen(op: Op, parts: Mapping[int, Interval]) -> Interval:
    """Of one of two wires, which of them where that is known."""
    low, high = parts[id(op.args[0])]
    x = op.args[1] if low == 1 else op.args[2]
    if low != high:
        return bounds(op, parts)
    return parts[id(x)] if isinstance(x, Op) else (float(x), float(x))


def _running(op: Op, known: Mapping[int, Interval]) -> Interval:
    """The entry itself, and any number of those before it."""
    (x,), dim = op.operands, (op.args[1] if len(op.args) > 1 else op.kwargs.get("dim"))
    if not isinstance(dim, int):
        return EVERYTHING
    low, high = known[id(x)]
    least, most = interval(x)
    others = (x.shape or (1,))[dim] - 1
    return low + min(0.0, others * least), high + max(0.0, others * most)
