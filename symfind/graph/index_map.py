"""How the indices of an operand become those of a result: said once by each primitive.

An index map is a list of runs: dimensions of the operand, the dimensions of the result that are
made of them, and in which way. Everything that is carried along a graph index by index (variation,
zeros, relations, spans, copies, what is seen) is carried run by run.
"""

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from symfind.algebra.runs import runs


class Way(Enum):
    """What happens to the entries along a run."""

    SAME = auto()  # one dimension, entry by entry
    RESHAPED = auto()  # several, in row-major order
    PART = auto()  # a range of the operand's dimension
    PIECE = auto()  # the operand's dimension is a range of the result's
    PICKED = auto()  # entries in any order, by constant numbers
    COPIED = auto()  # the operand has no such index: its value is repeated
    MIXED = auto()  # each entry of the result depends on all of the operand's, or they are summed


@dataclass(frozen=True)
class Run:
    """Dimensions of an operand, those of the result that they become, and how."""

    ins: tuple[int, ...]
    outs: tuple[int, ...]
    way: Way = Way.SAME


IndexMap = tuple[Run, ...]


@lru_cache(4096)
def broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> IndexMap:
    """An operand of shape x aligned right with a result of shape y, repeated where it is short."""
    offset = len(y) - len(x)
    new = [Run((), (d,), Way.COPIED) for d in range(offset)]
    old = [
        Run((d,), (d + offset,), Way.SAME if n == y[d + offset] else Way.COPIED)
        for d, n in enumerate(x)
    ]
    return (*new, *old)


@lru_cache(4096)
def reshaped(x: tuple[int, ...], y: tuple[int, ...]) -> IndexMap:
    """Row-major order kept; dimensions of size one are in no run."""
    return tuple(
        Run(tuple(ins), tuple(outs), Way.SAME if len(ins) == len(outs) == 1 else Way.RESHAPED)
        for ins, outs in runs(x, y)
    )


def along(rank: int, dim: int, way: Way) -> IndexMap:
    """All dimensions as they are, but for one."""
    return tuple(Run((d,), (d,), way if d == dim else Way.SAME) for d in range(rank))


def unchanged(rank: int) -> IndexMap:
    """All dimensions as they are."""
    return tuple(Run((d,), (d,)) for d in range(rank))


def carried(index_map: IndexMap, dim: int) -> int | None:
    """The dimension of an operand that is a dimension of the result, entry by entry, if any."""
    return next((r.ins[0] for r in index_map if r.outs == (dim,) and r.way is Way.SAME), None)
