"""What the sizes of a traced graph have to do with each other.

Every dimension of every operation gets an `Axis`; each operation declares which axes are one index,
which are products or concatenations of others, which are functions of others (the extent after a
strided convolution), and how its own integer arguments follow from sizes. This is read off the
operators of the trace alone, and knows nothing of the rules by which symmetries are derived: a
twin that is built on it tests those rules as well.

An operation about which nothing is known keeps its sizes: its dimensions are pinned, and stay what
they are on every twin.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from symfind.algebra.axes import Axis, Tangled, atoms, concatenation, merge, product
from symfind.trace import Graph, Op

Extent = Callable[[Axis], int]  # the size of an axis on a twin


class Definition(NamedTuple):
    """The extent of `target` is `rule` of the extent of `source`."""

    target: Axis
    source: Axis
    rule: Callable[[int], int]


class Least(NamedTuple):
    """An axis may not be shorter than this."""

    axis: Axis
    size: int


class Rewrite(NamedTuple):
    """How an operation is spelled on a twin: new arguments by position or name, another target."""

    changes: dict[int | str, Callable[[Extent], Any]]
    target: str | None = None


@dataclass
class Relations:
    """The axes of all operations, and what binds their sizes.

    Attributes:
        axes: per operation, the axes of each of its results.
        pinned: axes that keep their sizes, with the operation that is the reason.
        definitions: extents that are functions of others.
        least: lower bounds.
        copies: axes along which a product of two wires is repeated (heads, groups, batch).
        tables: axes along which a parameter holds one row for each of finitely many things.
        rewrites: per operation, how its arguments follow from sizes.
    """

    graph: Graph
    axes: dict[int, list[list[Axis]]] = field(default_factory=dict)
    pinned: list[tuple[Axis, Op]] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    least: list[Least] = field(default_factory=list)
    copies: list[Axis] = field(default_factory=list)
    tables: list[Axis] = field(default_factory=list)
    rewrites: dict[int, Rewrite] = field(default_factory=dict)
    op: Op = field(default_factory=lambda: Op("", ""))

    def of(self, op: Op) -> list[Axis]:
        """The axes of an operation with one result."""
        return self.axes[id(op)][0]

    def same(self, a: Axis, b: Axis) -> None:
        """Declare two axes to be one index."""
        try:
            merge(a, b)
        except Tangled:
            # Both keep their sizes, so that whatever relates them goes on to hold.
            self.pin(a, b)

    def pin(self, *axes: Axis) -> None:
        """Keep axes at their own sizes."""
        self.pinned += [(axis, self.op) for axis in axes]

    def pin_all(self) -> None:
        """Keep everything that the current operation touches."""
        for operand in self.op.operands:
            for result in self.axes[id(operand)]:
                self.pin(*result)
        for result in self.axes[id(self.op)]:
            self.pin(*result)

    def broadcast(self, out: Sequence[Axis], *operands: Sequence[Axis]) -> None:
        """Align trailing dimensions, leaving those of size one."""
        for axes in operands:
            for mine, theirs in zip(reversed(out), reversed(axes), strict=False):
                if theirs.size == mine.size:
                    self.same(mine, theirs)

    def concatenated(self, whole: Axis, parts: Sequence[Axis]) -> None:
        """Declare an axis to consist of consecutive parts."""
        self.same(whole, concatenation(parts))

    def cut(self, whole: Axis, sizes: Sequence[int]) -> list[Axis]:
        """An axis in consecutive parts."""
        parts = [Axis(n) for n in sizes]
        self.concatenated(whole, parts)
        return parts

    def flattened(self, whole: Axis, factors: Sequence[Axis]) -> None:
        """Declare an axis to be the row-major product of others."""
        self.same(whole, product(factors))


def pointwise(r: Relations, op: Op) -> None:
    """Entry by entry, under broadcasting."""
    r.broadcast(r.of(op), *(r.of(x) for x in op.operands))


def alike(r: Relations, op: Op) -> None:
    """Every result has the shape of the operand."""
    for out in r.axes[id(op)]:
        r.broadcast(out, r.of(op.args[0]))


def sized(axes: Sequence[Axis]) -> Callable[[Extent], list[int]]:
    """A list of extents, as an argument."""
    return lambda e: [e(a) for a in axes]


def size_atoms(axes: Iterable[Axis]) -> list[Axis]:
    """The distinct atoms below some axes, without those of size one."""
    return list(dict.fromkeys(a for axis in axes for a in atoms(axis) if a.size > 1))
