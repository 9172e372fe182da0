"""What came out of a sweep, in a few lines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


@dataclass
class Tally:
    """Counts over some models.

    Attributes:
        models: all of them.
        analysed: those with a report.
        verified: those whose every generator holds on the model.
        certificates: how many have which verdict.
        supported: those in which every operation has a rule.
        unsupported: operations without a rule, by the number of models that have them.
        failures: those without a report, by reason.
    """

    models: int = 0
    analysed: int = 0
    verified: int = 0
    supported: int = 0
    certificates: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count one model."""
        self.models += 1
        if record["status"] != "analysed":
            self.failures[record["reason"]] += 1
            return
        self.analysed += 1
        self.verified += record["verification"]["status"] == "verified"
        self.supported += not record["unsupported"]
        self.certificates[record["certificate"]["status"]] += 1
        self.unsupported.update(set(record["unsupported"]))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "models": self.models,
            "analysed": self.analysed,
            "verified": self.verified,
            "supported": self.supported,
            "certificates": dict(sorted(self.certificates.items())),
            "unsupported": dict(_sorted(self.unsupported)),
            "failures": dict(_sorted(self.failures)),
        }


def tallies(records: Iterable[Record]) -> dict[str, Tally]:
    """Counts by suite (what stands before the colon of a spec), and over all under ``all``."""
    found: dict[str, Tally] = {}
    for record in records:
        head, colon, _ = record["spec"].partition(":")
        suite = head if colon and head.isidentifier() else "files"
        for name in (suite, "all"):
            found.setdefault(name, Tally()).add(record)
    return dict(sorted(found.items(), key=lambda item: item[0] == "all"))


def summary(records: Sequence[Record]) -> str:
    """The counts as text: a table by suite, then what failed and what has no rule."""
    found = tallies(records)
    if not found:
        return "no model\n"
    total = found["all"]
    shown = found if len(found) > 2 else {"all": total}
    lines = _columns([
        ("", "models", "analysed", "verified", "complete", "incomplete", "undetermined",
         "skipped", "all rules"),
        *((name, *map(str, _row(tally))) for name, tally in shown.items()),
    ])  # fmt: skip
    if total.unsupported:
        lines += ["", "operations without a rule (models that have them)"]
        lines += [f"  {number:5d}  {name}" for name, number in _sorted(total.unsupported)]
    if total.failures:
        lines += ["", "not analysed"]
        for reason, number in _sorted(total.failures):
            lines += [f"  {number:5d}  {reason}", *_examples(records, reason)]
    return "\n".join(lines) + "\n"


def _row(tally: Tally) -> tuple[int, ...]:
    verdicts = ("complete", "incomplete", "undetermined", "skipped")
    return (
        tally.models, tally.analysed, tally.verified,
        *(tally.certificates[verdict] for verdict in verdicts), tally.supported,
    )  # fmt: skip


def _examples(records: Sequence[Record], reason: str) -> list[str]:
    failed = [r for r in records if r["status"] != "analysed" and r["reason"] == reason]
    lines = [f"         {r['spec']}: {r['message']}"[:120] for r in failed[:3]]
    return lines + ([f"         and {len(failed) - 3} more"] if failed[3:] else [])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]


def _sorted(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
