"""Whether a catalog tells the truth: against what it was made from, and against a new analysis."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from symfind.catalog import manifest
from symfind.catalog.build import Failure, analyse_apart, read
from symfind.catalog.entries import Entry
from symfind.catalog.fingerprint import fingerprint
from symfind.catalog.pages import entry_pages
from symfind.report.difference import Difference, difference

State = Literal["current", "stale", "edited", "missing"]


def states(out: Path, chosen: Sequence[Entry], html: bool) -> dict[str, State]:
    """Of each entry by slug, without analysing anything.

    `missing`: not built; `stale`: something that the result depends on has changed since; `edited`:
    a page is not what the report makes; else `current`.
    """
    keys = manifest.read(out)
    return {entry.slug: _state(out, entry, keys.get(entry.slug), html) for entry in chosen}


def _state(out: Path, entry: Entry, key: str | None, html: bool) -> State:
    report = read(out, entry)
    if report is None or key is None:
        return "missing"
    if key != fingerprint(entry):
        return "stale"
    for ending, text in entry_pages(entry, report, html).items():
        try:
            if (out / f"{entry.slug}{ending}").read_text(encoding="utf-8") != text:
                return "edited"
        except (OSError, UnicodeDecodeError):
            return "missing"
    return "current"


def differences(
    out: Path,
    chosen: Sequence[Entry],
    jobs: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Iterator[tuple[Entry, Difference | Failure | None]]:
    """Analyse entries anew and hold each beside its report; None where there is none."""
    for number, (entry, found) in enumerate(analyse_apart(chosen, jobs), 1):
        if tell:
            tell(f"[{number}/{len(chosen)}] {entry.title}")
        before = read(out, entry)
        if isinstance(found, Failure):
            yield entry, found
        else:
            yield entry, difference(before, found) if before is not None else None
