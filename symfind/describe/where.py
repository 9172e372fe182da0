"""Where a factor acts, in words: the role of the wire, its module once, writers → readers."""

import re
from collections.abc import Sequence

from symfind.action.record import Action, Record
from symfind.describe.sites import Site, common, directions, merged, site
from symfind.graph import primitives as p
from symfind.solve.bonds.matrices import Matrices
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family

_SHOWN = 2  # tensors on a side
_PLACES = {"query · key": "layers", "value": "layers", "channels": "norms", "units": "places"}


class Places:
    """Names the sites of the families of one model."""

    def __init__(self, matrices: Matrices | None) -> None:
        """Nothing is computed until asked."""
        self.matrices = matrices
        self._wires: dict[int, list] | None = None

    def of(self, families: Sequence[Family], records: Sequence[Record]) -> tuple[str, str]:
        """One text for all places of a factor, and how many there are: `2 layers × 3 heads`."""
        found = [self._named(f, r) for f, r in zip(families, records, strict=True)]
        names = [name for name, _ in found]
        kinds = list(dict.fromkeys(_starred(n) for n in names))
        unit = "layers" if len(kinds) == 1 and "*" in kinds[0] else _PLACES.get(found[0][1], "")
        if len(names) == 1 or kinds[0].startswith("*") or " *" in kinds[0]:
            kinds = list(dict.fromkeys(names))  # a star for all of a name says nothing
        text = f"{kinds[0]} and {len(kinds) - 1} more" if len(kinds) > 1 else kinds[0]
        return text, _spread(found[0][1], unit, records)

    def _named(self, family: Family, record: Record) -> tuple[str, str]:
        """Where a family acts, and the role of the wire."""
        if isinstance(family, MatrixFamily):
            found = self._site(family)
            if found is not None:
                long = found.role == "residual stream"
                return (found.role if long else found.name(_SHOWN)), found.role
        if record.element.kind == "scale":
            return _scaled(record, family)
        first, *rest = record.tensors
        return _arrow("", [first], rest), ""

    def _site(self, family: MatrixFamily) -> Site | None:
        if self.matrices is None:
            return None
        if self._wires is None:
            unknowns = self.matrices.classes()
            self._wires = {id(self.matrices.bond(root)): own for root, own in unknowns.items()}
        own = self._wires.get(id(family.bond))
        if own is None:
            return None
        places = [(n, n.cells[c].places[a][0]) for n, c, a, *_ in own]
        members = [(n, d) for n, d in places if isinstance(n, p.Source) and n.role == "parameter"
                   and sum(k > 1 for k in n.shape) > 1]  # fmt: skip
        return site(places, members) if members else None


def _spread(role: str, unit: str, records: Sequence[Record]) -> str:
    """How many places there are, and of how many heads or channels each, where all are alike."""
    copies = {r.element.copies for r in records}
    if len(copies) > 1 or records[0].element.kind not in ("matrix", "scale"):
        return ""
    inner = {"query · key": "heads", "value": "heads", "channels": "channels", "units": "units"}
    *outer, last = copies.pop() or (1,)
    parts = [(len(records), unit)] + [(n, "blocks") for n in outer] + [(last, inner.get(role, ""))]
    said = [f"{n:,} {noun if n > 1 else noun.removesuffix('s')}" for n, noun in parts
            if noun and (n > 1 or noun == "heads")]  # fmt: skip
    return " × ".join(said) if len(said) > 1 else ""


def _scaled(record: Record, family: Family) -> tuple[str, str]:
    """Channels that a norm scales, or hidden units, from who writes to who reads; and which."""
    actions = [a for a in record.actions if a.act == "scale"]
    sides = [[a for a in actions if (a.exponent > 0) is up] for up in (True, False)]
    gains = [bool(side) and all(len(a.shape) == 1 for a in side) for side in sides]
    known = _directions(family)
    out = [bool(side) and all(known.get(a.tensor, ()) == ("out",) for a in side if len(a.shape) > 1)
           for side in sides]  # fmt: skip
    later = gains[0] and not gains[1] and out[1]  # a gain behind what is written
    if later or (_writes(sides[1]) and not _writes(sides[0]) and not (gains[1] and out[0])):
        sides.reverse()
    role = "channels" if any(gains) else "units" if record.element.copies else "wire"
    return _arrow(role, *([a.tensor for a in side] for side in sides)), role


def _directions(family: Family) -> dict[str, tuple[str, ...]]:
    """Whether tensors write or read the channels of a scaling."""
    found: dict[str, tuple[str, ...]] = {}
    for m in family.scaling.members if isinstance(family, ScalingFamily) else ():
        if m.places:
            dim = m.source.cells[m.cell].places[m.places[-1]][0]
            found[m.source.key] = directions(m.source, dim)
    return found


def _writes(actions: Sequence[Action]) -> bool:
    return any(len(a.shape) == 1 for a in actions)


def _arrow(role: str, writers: Sequence[str], readers: Sequence[str]) -> str:
    """The module path that all share, and who acts on whom."""
    names = [*writers, *readers]
    if len(names) == 1 and not role:
        return names[0]
    path = common(names)
    sides = []
    for side in (writers, readers):
        short = merged(_short(n, path) for n in _modules(side))
        more = f", … {len(short)} in all" if len(short) > _SHOWN else ""
        sides.append(", ".join(short[:_SHOWN]) + more)
    arrow = " → ".join(s for s in sides if s)
    head = " of ".join(part for part in (role, path) if part)
    return f"{head}: {arrow}" if head else arrow


def _modules(names: Sequence[str]) -> list[str]:
    """Names, without biases of modules whose weights are there as well."""
    weights = {n.removesuffix(".weight") for n in names if n.endswith(".weight")}
    return [n for n in names if not (n.endswith(".bias") and n.removesuffix(".bias") in weights)]


def _short(name: str, path: str) -> str:
    return (name.removeprefix(f"{path}.") if path else name).removesuffix(".weight")


def _starred(text: str) -> str:
    """Numbers of layers as *, in every name of a text."""
    return re.sub(r"(?<=\.)\d+(?=[.:])|(?<![\w.*… ])\d+(?=\.)", "*", text)
