"""Families that repeat through the layers, gathered into the factors of a report."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symfind.report.model import Factor, GeneratorText, Place
from symfind.solve.count import Tally, signature
from symfind.solve.describe import describe
from symfind.solve.family import MatrixFamily
from symfind.solve.symbols import Symbols


@dataclass
class Group:
    """Tallies of one kind with the same count."""

    tallies: list[Tally]

    @property
    def orbit(self) -> int:
        """Dimensions of the orbit over all places."""
        return sum(t.orbit for t in self.tallies)

    def formula(self, symbols: Symbols, *, orbit: bool = False) -> Any:
        """Number of places times the expression at one."""
        first = self.tallies[0]
        one = first.orbit_formula if orbit else first.algebra_formula
        return symbols.depth(len(self.tallies)) * one


def gather(tallies: Sequence[Tally]) -> list[Group]:
    """Group what repeats, in order of first appearance; families that add nothing are left out."""
    groups: dict[Any, list[Tally]] = {}
    for t in tallies:
        if t.algebra or t.orbit:
            roles = tuple(_role(name) for name in t.family.names)
            key = (signature(t.family), t.algebra, t.orbit, _pattern(roles))
            groups.setdefault(key, []).append(t)
    return [Group(members) for members in groups.values()]


def _pattern(roles: tuple[str, ...]) -> Any:
    # How a report reads, not what is derived: layers are told apart by their numbers.
    return tuple(dict.fromkeys(re.sub(r"\d+", "*", r) for r in roles))


def _role(name: str) -> str:
    return name


def factor(group: Group, symbols: Symbols, taken: set[str]) -> Factor:
    """One row of a report."""
    first = group.tallies[0]
    about = describe(first.family)
    places = tuple(_place(t) for t in group.tallies)
    names = tuple(dict.fromkeys(n for t in group.tallies for n in t.family.names))
    total = sum(t.algebra for t in group.tallies)
    copies = about.copies if about.copies * about.single == first.algebra else 1
    single = first.algebra // copies
    return Factor(
        id=_unique(places[0].id, taken),
        kind=first.family.kind,  # type: ignore[arg-type]
        group=about.group if about.copies * about.single == first.algebra else f"R^{first.algebra}",
        algebra=about.algebra
        if about.copies * about.single == first.algebra
        else f"R^{first.algebra}",
        sites=copies * len(group.tallies),
        dimension=single,
        total=total,
        formula=spell(group.formula(symbols)),
        parameters=names,
        generator=GeneratorText(about.text, about.latex),
        source=about.source,
        module=_module([p.id for p in places]),
        axes=about.axes,
        places=places,
    )


def _place(t: Tally) -> Place:
    about = describe(t.family)
    exact = about.copies * about.single == t.algebra
    return Place(
        id=identify(t.family),
        parameters=t.family.names,
        axes=about.axes,
        dimension=about.single if exact else t.algebra,
        sites=about.copies if exact else 1,
    )


def identify(family: Any) -> str:
    """A readable name: the common path of its tensors, and their last names."""
    names = list(family.names)
    split = [n.split(".") for n in names]
    prefix: list[str] = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) != 1:
            break
        prefix.append(parts[0])
    if len(prefix) == len(split[0]):
        prefix = prefix[:-1]
    tails = list(dict.fromkeys(_tail(s[len(prefix) :]) for s in split))
    shown = "-".join(tails[:4]) + ("-..." if len(tails) > 4 else "")
    path = ".".join(prefix) or "model"
    role = shown if isinstance(family, MatrixFamily) else f"{shown}:{family.kind}"
    return f"{path}:{role}"


def _tail(parts: list[str]) -> str:
    return ".".join(parts[:-1]) if len(parts) > 1 and parts[-1] == "weight" else ".".join(parts)


def _unique(name: str, taken: set[str]) -> str:
    result, n = name, 2
    while result in taken:
        result, n = f"{name}#{n}", n + 1
    taken.add(result)
    return result


def _module(ids: list[str]) -> str:
    if len(ids) == 1:
        return ""
    patterns = {re.sub(r"\d+", "*", i) for i in ids}
    return patterns.pop() if len(patterns) == 1 else ""


def spell(expression: Any) -> str:
    """A formula as Python would read it."""
    import sympy

    return str(sympy.factor_terms(sympy.sympify(expression))).replace(" ", "")
