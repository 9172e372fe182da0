"""What the catalog keeps of an analysis: the report without what it repeats, and texts beside it.

A group that acts alike in 80 layers is written for one of them. The command on the page makes the
whole report.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from symfind.catalog.entries import Entry
from symfind.report import Report, ReportFormatError
from symfind.report.discrete import Discrete, DiscretePlace
from symfind.report.model import Factor, Place

KEY = "catalog"  # of what stands beside the report in its file

P = TypeVar("P", Place, DiscretePlace)


@dataclass(frozen=True)
class Kept:
    """One entry as it was analysed.

    Attributes:
        report: of the model, with one place of each kind.
        texts: why groups are no larger and what flow conserves; see `symfind.sweeping.record`.
    """

    report: Report
    texts: Mapping[str, Any] = field(default_factory=dict)


def kept(report: Report, texts: Mapping[str, Any] | None = None) -> Kept:
    """What is kept of a report."""
    short = replace(
        report.without_timing(),
        model=replace(report.model, tensors={}),
        factors=tuple(map(_factor, report.factors)),
        approximate=tuple(map(_factor, report.approximate)),
        discrete=tuple(map(_discrete, report.discrete)),
    )
    return Kept(short, texts or {})


def to_json(one: Kept) -> str:
    """The file of an entry: a report that `symfind diff` reads, on one line for each key."""
    data = {**one.report.to_dict(), KEY: dict(one.texts)}
    rows = (f"{json.dumps(key)}: {_compact(value)}" for key, value in data.items())
    return "{" + ",\n".join(rows) + "}\n"


def read(out: Path, entry: Entry) -> Kept | None:
    """What was kept of an entry that was built before; None where there is nothing."""
    try:
        text = (out / f"{entry.slug}.json").read_text(encoding="utf-8")
        return Kept(Report.from_json(text), json.loads(text).get(KEY, {}))
    except (OSError, ValueError, ReportFormatError):
        return None


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _factor(factor: Factor) -> Factor:
    first: dict[Any, Place] = {}
    for place in factor.places:
        first.setdefault((place.record, place.dimension, place.sites), place)
    places = tuple(replace(p, axes="", parameters=()) for p in first.values())
    used = sorted({p.record for p in places if p.record is not None})
    numbers = {old: new for new, old in enumerate(used)}
    places = tuple(p if p.record is None else replace(p, record=numbers[p.record]) for p in places)
    return replace(
        factor, axes="", places=places, parameters=starred(factor.parameters),
        records=tuple(factor.records[k] for k in used if k < len(factor.records)), generators=(),
    )  # fmt: skip


def _discrete(item: Discrete) -> Discrete:
    return replace(item, places=item.places[:1], parameters=starred(item.parameters))


def starred(names: Sequence[str]) -> tuple[str, ...]:
    """Names of tensors with a star for the number of a layer, each once."""
    return tuple(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)", "*", n) for n in names))
