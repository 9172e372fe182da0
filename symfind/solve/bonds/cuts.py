"""What cuts down the group that a wire could carry, noted where the equations meet it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from symfind.graph.primitives import Node

# rigid: nothing acts; skew: a length is kept; ones: a mean is kept; pairs: rotations commute;
# gain: a loop passes a diagonal; tie: the same, where lengths would be kept but for a diagonal;
# differ: rotations of other pairs
Kind = Literal["rigid", "skew", "ones", "pairs", "gain", "tie", "differ"]


@dataclass(frozen=True)
class Cut:
    """One operation that lets less through.

    Attributes:
        kind: of the constraint.
        node: where it is met; None for what is no operation.
        gains: numbers of the wires of the diagonals that stand between.
    """

    kind: Kind
    node: Node | None
    gains: tuple[int, ...] = ()


@dataclass
class Cuts:
    """Cuts of a class; those of classes that joined it are kept as they are."""

    own: list[Cut] = field(default_factory=list)
    joined: list["Cuts"] = field(default_factory=list)

    def __iter__(self) -> Iterator[Cut]:
        """All of them."""
        stack: list[Any] = [self]
        while stack:
            top = stack.pop()
            yield from top.own
            stack.extend(top.joined)
