"""The result of a sweep: a row for every model, as text, CSV, pandas or a picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symfind.characters import visible
from symfind.report import words
from symfind.sweeping.summary import Tally, summary, tallies

COUNTS = ("parameters", "algebra", "symmetry", "inert", "redundant", "effective")


@dataclass(frozen=True)
class Sweep:
    """The records of a sweep, in the order in which models were asked for.

    Attributes:
        records: as in the lines of the file, see `symfind.sweeping.record`.
        settings: names of the settings, those with several values first.
    """

    records: tuple[dict[str, Any], ...]
    settings: tuple[str, ...] = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each model; None where a number is not known."""
        return [row(record, self.settings) for record in self.records]

    @property
    def tally(self) -> Tally:
        """How many were analysed, verified, certified."""
        return tallies(self.records).get("all", Tally())

    def to_csv(self) -> str:
        """The rows as a tidy table: a line for each model, a column for each variable."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        rows = self.rows
        writer.writerow(rows[0] if rows else row({}, self.settings))
        for one in rows:
            writer.writerow("" if value is None else _cell(value) for value in one.values())
        return stream.getvalue()

    def to_pandas(self) -> Any:
        """The rows as a `pandas.DataFrame`.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        return pandas.DataFrame(self.rows)

    def plot(self) -> str:
        """How the share of redundant parameters varies with the settings, as SVG."""
        from symfind.sweeping.plot import plot

        return plot(self)

    def table(self) -> str:
        """The rows for a terminal."""
        return table(self)

    def summary(self) -> str:
        """Counts of what came out, with reasons."""
        return summary(self.records)

    def __repr__(self) -> str:
        """How many models there are, and what came out."""
        t = self.tally
        complete = t.certificates["complete"]
        return (
            f"<symfind sweep: {words.plural(t.models, 'model')}, {t.analysed} analysed, "
            f"{t.verified} verified, {complete} complete>"
        )


def row(record: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """The flat row of a record."""
    given, counts = record.get("settings", {}), record.get("dimension", {})
    certificate = record.get("certificate", {})
    status = record.get("status")
    return {
        "spec": record.get("spec"),
        **{f"set.{name}" if name in COUNTS else name: given.get(name) for name in settings},
        **{name: counts.get(name) for name in COUNTS},
        "laws": record.get("laws"),
        "lambda_bound": record.get("lambda_bound"),
        "status": status if status == "analysed" else record.get("reason"),
        "verification": record.get("verification", {}).get("status"),
        "certificate": certificate.get("status"),
        "unexplained": certificate.get("unexplained"),
        "operations": record.get("operations"),
        "unsupported": sum(record["unsupported"].values()) if "unsupported" in record else None,
        "seconds": record.get("seconds"),
        "processor": record.get("processor"),
        "gigabytes": record.get("gigabytes"),
    }


def table(sweep: Sweep) -> str:
    """Settings and counts in columns."""
    many = len({record["spec"] for record in sweep.records}) > 1
    names = [*(["spec"] if many else []), *sweep.settings]
    shown = ("parameters", "symmetry", "inert", "effective", "laws", "lambda_bound", "certificate")
    head = (*names, *shown[:5], "lambda <=", "certificate")
    body = []
    for one in sweep.rows:
        keys = [f"set.{name}" if name in COUNTS else name for name in names]
        cells = [str(one[key]) if one[key] is not None else "-" for key in keys]
        if one["parameters"] is None:
            body.append((*cells, *[""] * (len(shown) - 1), f"failed: {one['status']}"))
        else:
            body.append((*cells, *(_shown(one[name]) for name in shown)))
    widths = [max(len(r[i]) for r in (head, *body)) for i in range(len(head))]
    left = {0} if many else set()
    left.add(len(head) - 1)
    lines = [
        "  ".join(
            c.ljust(w) if i in left else c.rjust(w)
            for i, (c, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in (head, *body)
    ]
    return visible("\n".join(lines), lines=True) + "\n"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cell(value: Any) -> str:
    text = visible(str(value))
    # a spreadsheet takes these for formulas
    return f"'{text}" if text[:1] in ("=", "+", "@") else text
