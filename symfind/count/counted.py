"""What is derived of a graph, counted: of a model, or of one of its twins."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from symfind.count.null_directions import known_directions
from symfind.count.symbols import Symbols
from symfind.count.tally import Seen, Tally, tally
from symfind.solve.families.family import NullFamily
from symfind.solve.point.family import Family
from symfind.solve.solver import Derivation
from symfind.trace import Graph


@dataclass(frozen=True, repr=False)
class Counted:
    """A derivation with what each family adds, at the sizes of the graph and as a formula.

    Attributes:
        derivation: the families.
        tallies: what each of them adds to those before it.
        symbols: of the formulas.
        shapes: of all parameters, by name.
        unfelt: parameters that no output depends on.
        numbers: whether the formulas are of no use.
        seen: what families were seen to add at other sizes.
    """

    derivation: Derivation
    tallies: list[Tally]
    symbols: Symbols
    shapes: Mapping[str, tuple[int, ...]]
    unfelt: tuple[str, ...]
    numbers: bool = False
    seen: Seen = field(default_factory=dict)

    @property
    def families(self) -> list[Family]:
        """All of them, counted or not."""
        return [t.family for t in self.tallies]

    @property
    def parameters(self) -> int:
        """Scalars, shared ones counted once."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def unread(self) -> dict[str, int]:
        """Scalars of every parameter that no output depends on."""
        return {name: math.prod(self.shapes[name]) for name in self.unfelt}

    def known(self) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """What gives all derived directions at a point."""
        return known_directions(self.families, self.shapes, self.unfelt)

    @property
    def redundant(self) -> int:
        """All directions, at the sizes of the graph."""
        return sum(t.orbit for t in self.tallies) + sum(self.unread.values())

    @property
    def inert(self) -> int:
        """Those of parameters that reach no output."""
        inert = sum(t.orbit for t in self.tallies if t.family.kind == "inert")
        return inert + sum(self.unread.values())

    @cached_property
    def inert_beside(self) -> int:
        """What parameters that reach no output add to what all others are counted with.

        A formula counts what the others do to hidden rows as well, whose number follows no size.
        """
        rest = [f for f in self.families if not (isinstance(f, NullFamily) and f.slices)]
        if len(rest) == len(self.families):
            return self.inert
        found = tally(rest, self.derivation.parameters, self.shapes, self.symbols, self.numbers)
        return self.redundant - sum(t.orbit for t in found if t.family.kind != "inert")


def counted(
    graph: Graph,
    derivation: Derivation,
    symbols: Symbols,
    numbers: bool = False,
    seen: Seen | None = None,
) -> Counted:
    """Count what was derived from a graph.

    Args:
        graph: of a model, or of a twin.
        derivation: of the graph.
        symbols: names of sizes.
        numbers: whether the numbers alone are asked for.
        seen: of a count of the same derivation with other names.
    """
    seen = {} if seen is None else seen
    shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
    tallies = tally(derivation.families, derivation.parameters, shapes, symbols, numbers, seen)
    return Counted(derivation, tallies, symbols, shapes, tuple(graph.unread), numbers, seen)
