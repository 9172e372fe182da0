"""The count of a model as a formula, and its value at the sizes of a twin."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Axis, atoms, extent
from symfind.count.null_directions import known_directions
from symfind.count.symbols import Symbols
from symfind.count.tally import Tally, tally
from symfind.solve.point.family import Family
from symfind.solve.solver import Derivation, derive
from symfind.trace import Graph
from symfind.verify.threads import fitting_threads


@dataclass(frozen=True)
class Count:
    """What is derived from a graph, counted at its own sizes and as a formula."""

    derivation: Derivation
    tallies: list[Tally]
    symbols: Symbols
    shapes: Mapping[str, tuple[int, ...]]
    unfelt: tuple[str, ...]  # parameters that no output depends on

    @property
    def families(self) -> list[Family]:
        """All of them, counted or not."""
        return [t.family for t in self.tallies]

    @property
    def unread(self) -> int:
        """Scalars that no output depends on."""
        return sum(math.prod(self.shapes[name]) for name in self.unfelt)

    def known(self) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """What gives all derived directions at a point."""
        return known_directions(self.families, self.shapes, self.unfelt)

    @property
    def redundant(self) -> int:
        """All directions, at the sizes of the graph."""
        return sum(t.orbit for t in self.tallies) + self.unread

    @property
    def inert(self) -> int:
        """Those of parameters that reach no output."""
        return sum(t.orbit for t in self.tallies if t.family.kind == "inert") + self.unread

    def at(self, twin: "Count") -> int | None:
        """The formula of the symmetries at the sizes of a twin, None where a size is ambiguous.

        Inert parameters are left out: how many rows of a table are never read follows from the
        values of constants, and not from sizes.
        """
        sizes = correspondence(self.derivation, twin.derivation)
        total = 0
        for t in self.tallies:
            if t.family.kind == "inert" or not (t.orbit or t.known):
                continue
            value = self._value(t, sizes)
            if value is None:
                return None
            total += value
        return total

    def _value(self, t: Tally, sizes: Mapping[Axis, int]) -> int | None:
        import sympy

        expression = sympy.sympify(t.orbit_formula)
        values = {}
        for symbol in expression.free_symbols:
            size = self.symbols.value(symbol)
            mine = {a for s in t.family.sources for x in s.axes for a in atoms(x)}
            found = {sizes[a] for a in mine if a.size == size and a in sizes}
            if len(found) != 1:
                return None
            values[symbol] = found.pop()
        result = expression.subs(values)
        return int(result) if result.is_Integer else None


def count(graph: Graph, output: str, names: Mapping[str, int]) -> Count:
    """Derive and count.

    Args:
        graph: of a model, or of a twin.
        output: "raw" or "softmax".
        names: the model's own names for sizes.
    """
    with fitting_threads(0):
        derivation = derive(graph, output)
        symbols = Symbols(names)
        shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
        tallies = tally(derivation.families, derivation.parameters, shapes, symbols)
    return Count(derivation, tallies, symbols, shapes, tuple(graph.unread))


def correspondence(model: Derivation, twin: Derivation) -> dict[Axis, int]:
    """The size of every atomic index of a model on its twin, as the rules lowered both."""
    found: dict[Axis, int] = {}
    ambiguous: set[Axis] = set()
    for key, sources in model.lowered.parameters.items():
        others = twin.lowered.parameters.get(key, [])
        for mine, theirs in zip(sources, others, strict=False):
            for a, b in zip(mine.axes, theirs.axes, strict=True):
                for atom, size in _pairs(a.root, b.root):
                    if found.setdefault(atom, size) != size:
                        ambiguous.add(atom)
    return {a: n for a, n in found.items() if a not in ambiguous}


def _pairs(model: Axis, twin: Axis) -> list[tuple[Axis, Any]]:
    if model.kind == "atom":
        return [(model, extent(twin))]
    if model.kind != twin.kind or len(model.parts) != len(twin.parts):
        return []
    return [
        pair
        for a, b in zip(model.parts, twin.parts, strict=True)
        for pair in _pairs(a.root, b.root)
    ]
