"""Where a factor acts, in words: the role of the wire, its module once, writers → readers."""

import re
from collections.abc import Sequence

from symfind.action.record import Action, Record
from symfind.describe.sites import Site, common, site
from symfind.graph import primitives as p
from symfind.solve.bonds.matrices import Matrices
from symfind.solve.families.family import MatrixFamily
from symfind.solve.point.family import Family

_SHOWN = 2  # tensors on a side


class Places:
    """Names the sites of the families of one model."""

    def __init__(self, matrices: Matrices | None) -> None:
        """Nothing is computed until asked."""
        self.matrices = matrices
        self._wires: dict[int, list] | None = None

    def of(self, families: Sequence[Family], records: Sequence[Record]) -> str:
        """One text for all places of a factor."""
        names = [self._name(f, r) for f, r in zip(families, records, strict=True)]
        kinds = list(dict.fromkeys(_starred(n) for n in names))
        if len(names) == 1 or kinds[0].startswith("*") or " *" in kinds[0]:
            kinds = list(dict.fromkeys(names))  # a star for all of a name says nothing
        first = kinds[0]
        return f"{first} and {len(kinds) - 1} more" if len(kinds) > 1 else first

    def _name(self, family: Family, record: Record) -> str:
        if isinstance(family, MatrixFamily):
            found = self._site(family)
            if found is not None:
                long = found.role == "residual stream"
                return found.role if long else found.name(_SHOWN)
        if record.element.kind == "scale":
            return _scaled(record)
        first, *rest = record.tensors
        return _arrow("", [first], rest)

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


def _scaled(record: Record) -> str:
    """Channels that a norm writes, or hidden units."""
    actions = [a for a in record.actions if a.act == "scale"]
    sides = [[a for a in actions if (a.exponent > 0) is up] for up in (True, False)]
    if _writes(sides[1]) and not _writes(sides[0]):
        sides.reverse()
    norm = bool(sides[0]) and all(len(a.shape) == 1 for a in sides[0])
    names = [list(dict.fromkeys(a.tensor for a in side)) for side in sides]
    return _arrow("channels" if norm else "units", *names)


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
        short = list(dict.fromkeys(_short(n, path) for n in side))
        more = f", … {len(short)} in all" if len(short) > _SHOWN else ""
        sides.append(", ".join(short[:_SHOWN]) + more)
    arrow = " → ".join(s for s in sides if s)
    head = " of ".join(part for part in (role, path) if part)
    return f"{head}: {arrow}" if head else arrow


def _short(name: str, path: str) -> str:
    return (name.removeprefix(f"{path}.") if path else name).removesuffix(".weight")


def _starred(text: str) -> str:
    """Numbers of layers as *, in every name of a text."""
    return re.sub(r"(?<=\.)\d+(?=[.:])|(?<![\w.*… ])\d+(?=\.)", "*", text)
