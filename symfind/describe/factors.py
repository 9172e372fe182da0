"""Families that repeat through the layers, gathered into the factors of a report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symfind.count.symbols import Symbols
from symfind.count.tally import Tally
from symfind.describe.describe import describe
from symfind.describe.names import common_module, unique
from symfind.describe.recorded import Recorder, distinct
from symfind.describe.where import Places
from symfind.describe.wording import action
from symfind.report.model import Factor, GeneratorText, Place
from symfind.solve.families.family import MatrixFamily, ScalingFamily, ShiftFamily
from symfind.solve.point.family import Family


@dataclass
class Group:
    """Tallies of one kind with the same count."""

    tallies: list[Tally]

    @property
    def orbit(self) -> int:
        """Dimensions of the orbit over all places."""
        return sum(t.orbit for t in self.tallies)

    def formula(self, symbols: Symbols, *, orbit: bool = False) -> Any:
        """The expressions of all places, equal ones counted."""
        each = Counter(t.orbit_formula if orbit else t.algebra_formula for t in self.tallies)
        return sum(symbols.depth(n) * one for one, n in each.items())


def gather(tallies: Sequence[Tally]) -> list[Group]:
    """Group what acts in the same way, in order of first appearance.

    Families that add nothing are left out. Names play no part: two families are of one kind when
    they move tensors of the same ranks along the same dimensions with the same exponents.
    """
    groups: dict[Any, list[Tally]] = {}
    for t in tallies:
        if t.algebra or t.orbit:
            whole = t.algebra == t.orbit == t.family.count()
            key = (t.family.kind, _role(t.family), whole or (t.algebra, t.orbit))
            groups.setdefault(key, []).append(t)
    return [Group(members) for members in groups.values()]


def _role(family: Family) -> Any:
    if isinstance(family, MatrixFamily):
        acts = {
            (len(m.source.axes), m.source.cells[m.cell].places[m.atom][0], m.dual)
            for m in family.members
        }
        return family.type, family.single(), frozenset(acts)
    if isinstance(family, ScalingFamily):
        follow = {
            (
                len(m.source.axes),
                m.exponent,
                tuple(sorted(m.source.cells[m.cell].places[i][0] for i in m.places)),
            )
            for m in family.scaling.members
        }
        return "scaling", frozenset(follow)
    ranks = tuple(len(s.axes) for s in family.sources)
    if isinstance(family, ShiftFamily):
        places = family.seed.cells[family.cell].places if family.cell is not None else ()
        along = tuple(places[i][0] for i in family.free) if places else family.free
        return "shift", along, ranks[0], frozenset(ranks[1:])
    return "null", family.kind, ranks[0], frozenset(ranks[1:])


def factor(
    group: Group, symbols: Symbols, taken: set[str], recorder: Recorder, sites: Places
) -> Factor:
    """One row of a report."""
    first = group.tallies[0]
    families = [t.family for t in group.tallies]
    own = [recorder.record(f) for f in families]
    records, shares = distinct(own)
    text, latex = action(first.family, records[0], recorder.record)
    about = describe(first.family)
    places = tuple(_place(t, *one) for t, one in zip(group.tallies, shares, strict=True))
    names = tuple(dict.fromkeys(n for t in group.tallies for n in t.family.names))
    total = sum(t.algebra for t in group.tallies)
    single = _single(group)
    kind = first.family.kind
    site, spread = sites.of(families, own)
    if isinstance(first.family, MatrixFamily) and single == about.single:
        label, algebra = about.group, about.algebra
    elif kind == "scaling":
        label, algebra = "GL+(1, R)", "R"
    else:
        label = algebra = "R" if single == 1 else f"R^{single}"
    return Factor(
        id=unique(places[0].id, taken),
        kind=kind,  # type: ignore[arg-type]
        group=label,
        algebra=algebra,
        sites=total // single,
        dimension=single,
        total=total,
        formula=written(group.formula(symbols)),
        parameters=names,
        generator=GeneratorText(text, latex, records[0].element, records[0].actions),
        source=about.source,
        module=common_module([p.id for p in places]),
        axes=about.axes,
        places=places,
        site=site,
        spread=spread or None,
        records=records,
    )


def _single(group: Group) -> int:
    """Dimension at one site: of one matrix, of one scale, of one shift where all are alike."""
    family = group.tallies[0].family
    found = {t.algebra for t in group.tallies}
    if isinstance(family, MatrixFamily) and all(n % family.single() == 0 for n in found):
        return family.single()
    if family.kind == "scaling" or len(found) > 1:
        return 1
    return found.pop() or 1


def _place(t: Tally, record: int, tensors: tuple[str, ...]) -> Place:
    about = describe(t.family)
    single = about.single if about.single and t.algebra % about.single == 0 else t.algebra
    if t.family.kind == "scaling":
        single = 1
    return Place(
        id=identify(t.family),
        parameters=t.family.names,
        axes=about.axes,
        dimension=single,
        sites=t.algebra // single if single else 1,
        record=record,
        tensors=tensors,
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
    return f"{path}:{shown}"


def _tail(parts: list[str]) -> str:
    return ".".join(parts[:-1]) if len(parts) > 1 and parts[-1] == "weight" else ".".join(parts)


def written(expression: Any) -> str:
    """A formula as Python would read it."""
    import sympy

    return str(sympy.factor_terms(sympy.sympify(expression))).replace(" ", "")
