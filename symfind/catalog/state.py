"""Whether a catalog tells the truth: against what it was made from, and against a new analysis."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from symfind.catalog import manifest
from symfind.catalog.build import Failure, analyse_apart
from symfind.catalog.entries import Entry
from symfind.catalog.fingerprint import fingerprint
from symfind.catalog.groups import Together
from symfind.catalog.kept import kept, read
from symfind.catalog.manifest import Made
from symfind.catalog.pages import entry_pages
from symfind.report.difference import Difference, difference

State = Literal["current", "stale", "edited", "missing"]


def states(
    out: Path, known: Sequence[Entry], chosen: Sequence[Entry], html: bool
) -> dict[str, State]:
    """Of each chosen entry by slug, without analysing anything.

    `missing`: not built; `stale`: something that the result depends on has changed since; `edited`:
    a page is not what the report makes; else `current`.
    """
    made = manifest.read(out)
    found = {e.slug: one for e in known if (one := read(out, e)) is not None}
    together = Together(known, found)
    return {e.slug: _state(out, e, together, made.get(e.slug), html) for e in chosen}


def _state(out: Path, entry: Entry, together: Together, made: Made | None, html: bool) -> State:
    if entry.slug not in together.found or made is None:
        return "missing"
    if not made.current(fingerprint(entry), earlier=False):
        return "stale"
    for ending, text in entry_pages(out, entry, together, html).items():
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
            now = kept(found.report).report
            yield entry, difference(before.report, now) if before is not None else None
