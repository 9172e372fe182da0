"""What two reports disagree on: groups gained and lost layer by layer, dimensions, verdicts."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from symfind.report.codec import encode
from symfind.report.dims import layer
from symfind.report.model import Factor, Place, Report

SCHEMA = "symfind.diff/1"
COUNTS = ("parameters", "algebra", "symmetry", "inert", "redundant", "effective")

Action = tuple[str, str, str, int]  # kind, group at one site, what it moves there, dimension


@dataclass(frozen=True)
class Change:
    """So many sites of one group, on one side only.

    Attributes:
        kind: of the factor.
        group: at one site.
        role: the tensors that it moves, named within the layer.
        sites: how many more there are than on the other side.
        dimension: of all these sites together.
    """

    kind: str
    group: str
    role: str
    sites: int
    dimension: int


@dataclass(frozen=True)
class LayerChange:
    """What differs in some layers, which all differ alike.

    Attributes:
        layers: their names, those of the first report where both have them.
        before: dimension of the symmetries of one of these layers in the first report, None where
            the first has no such layer.
        after: the same in the second.
        lost: groups of the first that the second has not.
        gained: groups of the second that the first has not.
    """

    layers: tuple[str, ...]
    before: int | None
    after: int | None
    lost: tuple[Change, ...]
    gained: tuple[Change, ...]


@dataclass(frozen=True)
class Difference:
    """Two reports compared. Residuals, times, versions and seeds are no difference.

    Attributes:
        names: of both models.
        counts: the counts that differ, before and after.
        layers: the layers that differ.
        verdicts: status of certificate and verification, where they differ.
        unsupported: operations without a rule on one side only; before, after: how often.
    """

    names: tuple[str, str]
    counts: dict[str, tuple[int, int]]
    layers: tuple[LayerChange, ...]
    verdicts: dict[str, tuple[str, str]]
    unsupported: dict[str, tuple[int, int]]

    @property
    def same(self) -> bool:
        """Whether both have the same groups, counts, verdicts and gaps."""
        return not (self.counts or self.layers or self.verdicts or self.unsupported)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"schema": SCHEMA, "same": self.same, **encode(self)}


def difference(before: Report, after: Report) -> Difference:
    """Compare two reports, of one model at two times or of two models.

    Layers are matched by name; where the names of all that is left differ, in their order.
    """
    counts = {name: (getattr(before.dimension, name), getattr(after.dimension, name))
              for name in COUNTS}  # fmt: skip
    verdicts = {
        name: (getattr(before, name).status, getattr(after, name).status)
        for name in ("certificate", "verification")
    }
    gaps = [{item.op: len(item.nodes) for item in report.unsupported} for report in (before, after)]
    found = {op: (gaps[0].get(op, 0), gaps[1].get(op, 0)) for op in sorted({*gaps[0], *gaps[1]})}
    return Difference(
        (before.model.name, after.model.name),
        _differing(counts),
        _layers(before, after),
        _differing(verdicts),
        _differing(found),
    )


def _differing(pairs: dict[str, Any]) -> dict[str, Any]:
    return {name: (one, two) for name, (one, two) in pairs.items() if one != two}


def _layers(before: Report, after: Report) -> tuple[LayerChange, ...]:
    one, two = _by_layer(before.factors), _by_layer(after.factors)
    alike: dict[Any, list[str]] = {}
    for left, right in _matched(list(one), list(two)):
        mine, other = one.get(left or "", Counter()), two.get(right or "", Counter())
        lost, gained = _changes(mine - other), _changes(other - mine)
        if lost or gained:
            sums = tuple(
                None if name is None else sum(a[3] * n for a, n in found.items())
                for name, found in ((left, mine), (right, other))
            )
            alike.setdefault((sums, lost, gained), []).append(left or right or "")
    return tuple(
        LayerChange(tuple(names), sums[0], sums[1], lost, gained)
        for (sums, lost, gained), names in alike.items()
    )


def _by_layer(factors: Iterable[Factor]) -> dict[str, Counter[Action]]:
    """Of each layer, how many sites each action has."""
    found: dict[str, Counter[Action]] = {}
    for factor in factors:
        places = factor.places or (
            Place(factor.id, factor.parameters, "", factor.dimension, factor.sites),
        )
        for place in places:
            home = layer(place.id)
            role = _role(place, home)
            action = (factor.kind, factor.group, role, place.dimension)
            found.setdefault(home or "(root)", Counter())[action] += place.sites
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _role(place: Place, home: str) -> str:
    """What is moved, named without the layer, so that layers can be held beside each other.

    A bias that moves along with its weight is not named: the group acts on the same bond.
    """
    path, colon, role = place.id.partition(":")
    inside = path.removeprefix(home).strip(".")
    parts = re.sub(r"#\d+$", "", role).split("-")
    role = "-".join(p for p in parts if p.removesuffix(".bias") == p or p[:-5] not in parts)
    return f"{inside}{colon if inside else ''}{role}" or place.id


def _changes(counts: Counter[Action]) -> tuple[Change, ...]:
    return tuple(
        Change(kind, group, role, sites, sites * dimension)
        for (kind, group, role, dimension), sites in sorted(
            counts.items(), key=lambda item: (-item[0][3] * item[1], item[0])
        )
    )


def _matched(one: list[str], two: list[str]) -> list[tuple[str | None, str | None]]:
    """Pairs of layers of both sides; None where one side has no such layer."""
    both = set(one) & set(two)
    pairs: list[tuple[str | None, str | None]] = [(name, name) for name in one if name in both]
    rest_one, rest_two = ([n for n in names if n not in both] for names in (one, two))
    for numbered in (True, False):
        left, right = (
            [n for n in rest if bool(re.search(r"\d", n)) == numbered]
            for rest in (rest_one, rest_two)
        )
        matched = min(len(left), len(right)) if numbered or len(left) == len(right) else 0
        pairs += list(zip(left[:matched], right[:matched], strict=True))
        pairs += [(name, None) for name in left[matched:]]
        pairs += [(None, name) for name in right[matched:]]
    return pairs


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(p)) if p.isdigit() else (1, p) for p in re.split(r"(\d+)", name)]
