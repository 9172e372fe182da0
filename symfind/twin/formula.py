"""The count of a model as a formula, and its value at the sizes of a twin."""

from collections.abc import Collection, Mapping
from typing import Any

from symfind.algebra.axes import Axis, atoms, extent
from symfind.count.counted import Counted, counted
from symfind.count.symbols import AxisSymbols, Symbols
from symfind.count.tally import Tally
from symfind.count.without import switched_off
from symfind.ops.lower import Lowered
from symfind.solve.solver import derive
from symfind.trace import Graph
from symfind.verify.threads import fitting_threads


def count(
    graph: Graph,
    output: str,
    names: Mapping[str, int] | Symbols,
    without: Collection[str] = (),
) -> Counted:
    """Derive and count.

    Args:
        graph: of a model, or of a twin.
        output: "raw" or "softmax".
        names: the model's own names for sizes, or what gives symbols to indices; nothing where the
            numbers alone are asked for.
        without: kinds of families that are not derived.
    """
    with fitting_threads(0):
        symbols = names if isinstance(names, Symbols) else Symbols(names)
        derivation = switched_off(derive(graph, output), without)
        return counted(graph, derivation, symbols, numbers=not names)


def at_sizes(model: Counted, twin: Counted) -> int | None:
    """The formula of the symmetries of a model at the sizes of a twin, None where one is ambiguous.

    Inert parameters are left out: how many rows of a table are never read follows from the values
    of constants, and not from sizes.
    """
    sizes = correspondence(model.derivation.lowered, twin.derivation.lowered)
    total = 0
    for t in model.tallies:
        if t.family.kind == "inert" or not (t.orbit or t.known):
            continue
        value = _value(t, model.symbols, sizes)
        if value is None:
            return None
        total += value
    return total


def _value(t: Tally, symbols: Symbols, sizes: Mapping[Axis, int]) -> int | None:
    import sympy

    expression = sympy.sympify(t.orbit_formula)
    values = {}
    for symbol in expression.free_symbols:
        if isinstance(symbols, AxisSymbols):
            if symbols.axis(symbol).root not in sizes:
                return None
            values[symbol] = sizes[symbols.axis(symbol).root]
            continue
        size = symbols.value(symbol)
        mine = {a for s in t.family.sources for x in s.axes for a in atoms(x)}
        found = {sizes[a] for a in mine if a.size == size and a in sizes}
        if len(found) != 1:
            return None
        values[symbol] = found.pop()
    result = expression.subs(values)
    return int(result) if result.is_Integer else None


def corresponds(model: Lowered, twin: Lowered) -> bool:
    """Whether every index of the parameters of a model has a size on its twin."""
    sizes = correspondence(model, twin)
    axes = (axis for sources in model.parameters.values() for s in sources for axis in s.axes)
    return all(a.root in sizes for axis in axes for a in atoms(axis) if a.size > 1)


def correspondence(model: Lowered, twin: Lowered) -> dict[Axis, int]:
    """The size of every atomic index of a model on its twin, as the rules lowered both."""
    found: dict[Axis, int] = {}
    ambiguous: set[Axis] = set()
    for key, sources in model.parameters.items():
        others = twin.parameters.get(key, [])
        for mine, theirs in zip(sources, others, strict=False):
            if len(mine.axes) != len(theirs.axes):  # read in another way: as with equal heads
                ambiguous |= {a.root for x in mine.axes for a in atoms(x)}
                continue
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
