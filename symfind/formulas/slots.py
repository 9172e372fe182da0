"""What is counted at one member of a family, slot by slot.

A slot is all that acts in one way on tensors of the same names, whatever the numbers in these: the
same bond in every layer. Its count is the sum over the layers. The sizes of indices stand by the
path at which they are found: a tensor, a dimension, an index within it.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from symfind.algebra.axes import Axis, atoms, extent
from symfind.count.counted import Counted
from symfind.count.counting_twins import stabilised
from symfind.count.symbols import AxisSymbols
from symfind.count.tally import Tally
from symfind.formulas.positive import lazy, positive
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family

Slot = tuple[str, ...]
Path = tuple[str, int, str, int]  # tensor, dimension, how that is made up, index in it
Case = tuple[Slot, int, frozenset[str]]
Form = Any  # an expression of sympy in symbols of paths


@dataclass(frozen=True)
class Row:
    """The counts at one member.

    Attributes:
        at: its sizes by name.
        total: all that is redundant.
        orbits: by slot.
        algebras: by slot.
        numbers: how many families a slot has.
        sizes: of every index, by path.
        forms: what the families of a slot count, as expressions in the sizes of paths.
        tensors: the names of all.
        structure: how all are made up, without numbers of layers.
    """

    at: Mapping[str, int]
    total: int
    orbits: Mapping[Slot, int]
    algebras: Mapping[Slot, int]
    numbers: Mapping[Slot, int]
    sizes: Mapping[Path, int]
    forms: Mapping[Slot, tuple[Form, ...]] = field(default_factory=dict)
    tensors: frozenset[str] = frozenset()
    structure: frozenset[str] = frozenset()


class Paths:
    """A symbol for every path."""

    def __init__(self) -> None:
        """None has been asked for."""
        self._symbols: dict[Path, Any] = {}
        self._paths: dict[Any, Path] = {}

    def symbol(self, path: Path) -> Any:
        """The symbol of a path."""
        import sympy

        if path not in self._symbols:
            made = sympy.Symbol(f"path{len(self._symbols)}", integer=True, positive=True)
            self._symbols[path], self._paths[made] = made, path
        return self._symbols[path]

    def path(self, symbol: Any) -> Path:
        """The path of a symbol."""
        return self._paths[symbol]


def slot_of(family: Family) -> Slot:
    """What a family does, and to which tensors, without numbers of layers.

    Matrices of one row are scalings: what acts on the same tensors is one slot.
    """
    names = dict.fromkeys(starred(n) for n in family.names)
    if isinstance(family, (MatrixFamily, ScalingFamily)):
        return ("linear", *sorted(names))
    return (family.kind, type(family).__name__, *sorted(names))


def starred(name: str) -> str:
    """A name with * for its numbers."""
    return ".".join(
        "*" if part.isdigit() else re.sub(r"\d+", "*", part) for part in name.split(".")
    )


def row(counted: Counted, at: Mapping[str, int], paths: Paths, known: set[Case]) -> Row:
    """The counts at a member.

    Args:
        counted: with a symbol of its own for every index.
        at: the sizes of the member by name.
        paths: gives the symbols of forms.
        known: slots with so many families of tensors that are made up in some ways, whose forms
            are known; what is new is added.
    """
    sizes, where, made = _sizes(counted)
    orbits: Counter[Slot] = Counter()
    algebras: Counter[Slot] = Counter()
    slots: dict[Slot, list[Tally]] = {}
    for t in counted.tallies:
        slot = slot_of(t.family)
        orbits[slot] += t.orbit
        algebras[slot] += t.algebra
        slots.setdefault(slot, []).append(t)
    numbers = Counter({slot: len(tallies) for slot, tallies in slots.items()})
    forms: dict[Slot, tuple[Form, ...]] = {}
    for slot, tallies in slots.items():
        names = {name for t in tallies for name in t.family.names}
        case = (slot, len(tallies), frozenset(made[name] for name in names if name in made))
        if case not in known:
            known.add(case)
            forms[slot] = _forms(tallies, counted.symbols, where, paths)
    for name, n in counted.unread.items():
        slot = ("inert", "unread", starred(name))
        orbits[slot] += n
        numbers[slot] += 1
        whole = [paths.symbol((name, d, "whole", 0)) for d in range(len(counted.shapes[name]))]
        case = (slot, 0, frozenset())
        if case not in known:
            known.add(case)
            forms[slot] = (math.prod(whole),)
    tensors, structure = frozenset(counted.shapes), frozenset(made.values())
    total = counted.redundant
    return Row(at, total, orbits, algebras, numbers, sizes, forms, tensors, structure)


def _sizes(counted: Counted) -> tuple[dict[Path, int], dict[Axis, Path], dict[str, str]]:
    """The sizes of all paths, the first path of every index, and how tensors are made up."""
    how: dict[str, str] = {}
    sizes: dict[Path, int] = {}
    where: dict[Axis, Path] = {}
    for name, shape in counted.shapes.items():
        sizes.update({(name, d, "whole", 0): n for d, n in enumerate(shape)})
    for name, sources in counted.derivation.lowered.parameters.items():
        for number, source in enumerate(sources):
            for d, axis in enumerate(source.axes):
                made = f"{number}{_structure(axis)}"
                how[name] = how.get(name, starred(name)) + made
                for i, atom in enumerate(atoms(axis)):
                    path = (name, d, made, i)
                    sizes[path] = extent(atom)
                    where.setdefault(atom.root, path)
    return sizes, where, how


def _structure(axis: Axis) -> str:
    axis = axis.root
    if axis.kind == "atom":
        return "."
    return axis.kind[0] + "(" + "".join(map(_structure, axis.parts)) + ")"


def _forms(
    tallies: list[Tally], symbols: Any, where: Mapping[Axis, Path], paths: Paths
) -> tuple[Form, ...]:
    """What families move, and what they count, as far as their indices have paths."""
    import sympy

    assert isinstance(symbols, AxisSymbols)
    found: dict[Form, None] = {}
    for t in tallies:
        whole = lazy(sympy.sympify(t.family.count(symbols)))
        forms = [whole]
        # of matrices that commute with turns of pairs fewer fix everything, if any
        if isinstance(t.family, MatrixFamily) and not t.family.bond.pairs:
            forms.insert(0, whole - stabilised(t.family, symbols, positive))
        for form in forms:
            axes = {s: symbols.axis(s).root for s in form.free_symbols}
            if all(axis in where for axis in axes.values()):
                own = {s: where[axis] for s, axis in axes.items()}
                found[form.xreplace({s: paths.symbol(path) for s, path in own.items()})] = None
    return tuple(found)
