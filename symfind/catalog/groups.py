"""The groups of an entry without its sizes, so that entries can be held beside each other."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from symfind.catalog.entries import BLOCKS, Entry
from symfind.catalog.kept import Kept
from symfind.report import Report, words
from symfind.report.model import Factor

_ROLES = frozenset({
    "residual stream", "query · key", "value", "hidden units", "bond", "channels", "units", "wire",
})  # fmt: skip
_FEW = 2  # unread tensors that have a line each


@dataclass(frozen=True, order=True)
class Kind:
    """A group at a kind of place, whatever its size.

    Attributes:
        form: `GL(n, R)`, `SO(n)`, `GL+(1, R)`.
        role: of the wire on which it acts: `residual stream`, `query · key`, `units`.
        kind: of the factor.
    """

    form: str
    role: str
    kind: str

    def __str__(self) -> str:
        """For a cell."""
        return f"{self.form} ({self.role})"


def form(group: str) -> str:
    """A group with letters for its sizes."""
    letters: dict[str, str] = {}

    def letter(match: re.Match[str]) -> str:
        return letters.setdefault(match[0], "nmkl"[min(len(letters), 3)])

    return re.sub(r"(?<![A-Za-z])(?!1\b)\d+", letter, group.replace("GL+", "GL₊")).replace("₊", "+")


def role(factor: Factor) -> str:
    """The kind of place at which a factor acts; the kind of the factor where that has no name."""
    return _named(factor.site) or factor.kind


def site(text: str) -> str:
    """A place after a preposition: kinds of places take an article, names of modules do not."""
    return f"the {text}" if _named(text) else text


def unread(report: Report) -> list[Factor]:
    """Tensors of which nothing is read, the largest first, where they are many; else none."""
    whole = [f for f in words.by_size(report.factors) if f.kind == "inert" and not f.records]
    return whole if len(whole) > _FEW else []


def _named(text: str) -> str:
    """The kind of place with which a text begins; empty where it begins with a module or tensor."""
    head = text.partition(" of ")[0].partition(":")[0].strip()
    return head if head in _ROLES else ""


def kinds(report: Report) -> dict[Kind, int]:
    """Every group of a report, with the dimensions that it takes."""
    found: Counter[Kind] = Counter()
    for factor in report.factors:
        found[Kind(form(factor.group), role(factor), factor.kind)] += factor.total
    return dict(found)


@dataclass(frozen=True)
class Variation:
    """What a choice does: the groups of one entry beside those of another.

    Attributes:
        entry: with the choice.
        base: without it.
        lost: groups that only the other has, or of which it has more where sizes are the same.
        gained: groups that it alone has, or has more of.
        counts: redundant dimensions without and with it.
    """

    entry: Entry
    base: Entry
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    counts: tuple[int, int]


class Together:
    """All entries of a catalog that were built, beside each other.

    Attributes:
        known: every entry, in the order of the index.
        found: those that were built, by slug.
    """

    def __init__(self, known: Sequence[Entry], found: Mapping[str, Kept]) -> None:
        """Take what lies there."""
        self.known, self.found = known, found
        self.built = [entry for entry in known if entry.slug in found]

    @cached_property
    def kinds(self) -> dict[str, dict[Kind, int]]:
        """The groups of every entry, by slug."""
        return {entry.slug: kinds(self.found[entry.slug].report) for entry in self.built}

    @cached_property
    def variations(self) -> list[Variation]:
        """All entries that are compared with others, where both were built."""
        by_slug = {entry.slug: entry for entry in self.built}
        made = []
        for entry in self.built:
            base = by_slug.get(entry.compare)
            if base is None:
                continue
            before, after = (self.kinds[e.slug] for e in (base, entry))
            counts = tuple(self.found[e.slug].report.dimension.redundant for e in (base, entry))
            made.append(Variation(
                entry, base, _more(before, after, base), _more(after, before, base),
                (counts[0], counts[1]),
            ))  # fmt: skip
        return made

    @cached_property
    def alike(self) -> list[tuple[list[Kind], list[Entry]]]:
        """Entries with the same groups at the same kinds of places, most of them first."""
        same: dict[tuple[Kind, ...], list[Entry]] = {}
        for entry in self.built:
            same.setdefault(tuple(sorted(self.kinds[entry.slug])), []).append(entry)
        several = [(list(key), rows) for key, rows in same.items() if len(rows) > 1 and key]
        return sorted(several, key=lambda item: -len(item[1]))


def _more(one: Mapping[Kind, int], two: Mapping[Kind, int], base: Entry) -> tuple[str, ...]:
    """What one has and the other has not; of blocks, which are of one size, also how much more."""
    found = []
    for kind in sorted(one):
        if kind not in two:
            found.append(str(kind))
        elif base.family == BLOCKS and one[kind] > two[kind]:
            found.append(f"{one[kind] - two[kind]} of {kind}")
    return tuple(found)
