"""Build a catalog: analyse what has changed, and write its pages and its index."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symfind.catalog import manifest
from symfind.catalog.entries import BLOCKS, Entry, entries
from symfind.catalog.fingerprint import Fingerprint, fingerprint
from symfind.catalog.groups import Together
from symfind.catalog.kept import Kept, kept, read
from symfind.catalog.manifest import Made
from symfind.catalog.writing import remove, write, write_index, write_pages, write_result
from symfind.errors import InputError
from symfind.report import Report
from symfind.sweeping.limits import Limits

Analyse = Callable[[Entry], Report]
Progress = Callable[[str], None]

SECONDS = 360.0  # by the clock, for verification and certificate of one entry
_LIMITS = Limits(None, 8.0, 480.0)  # of one entry; above 480 s of the processor it is stopped


@dataclass(frozen=True)
class Failure:
    """Why an entry has no report: the class of the error, and what it says."""

    kind: str
    message: str

    def __str__(self) -> str:
        """Both."""
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True)
class Result:
    """What one analysis gave.

    Attributes:
        report: whole.
        texts: beside it.
        used: of processor and memory, in words.
    """

    report: Report
    texts: dict[str, Any]
    used: str = ""


def build(
    out: Path,
    only: Sequence[str] = (),
    progress: Progress | None = None,
    analyse: Analyse | None = None,
    *,
    known: Sequence[Entry] | None = None,
    title: str = "Catalog",
    html: bool = False,
    jobs: int | None = None,
    fresh: bool = False,
    earlier: bool = False,
) -> int:
    """Analyse the entries and write `<slug>.json`, `.md` and `.svg`, and the index `README.md`.

    An entry is analysed if anything that its result depends on has changed since it was built; its
    pages are written in any case. What is done is written at once, so that a build that is stopped
    goes on where it was. An entry that fails does not stop the others: it is named to `progress`
    and in the index, and its earlier files stay as they were. With `only`, the index keeps the
    other entries that were built before. Two builds with the same versions write the same bytes.

    Args:
        out: folder of the catalog; made if it is not there.
        only: slugs to build; all when empty.
        progress: called with one line for each entry.
        analyse: how an entry becomes a report, in this process; without it each is analysed in a
            process of its own.
        known: all entries of the catalog; symfind's own unless given.
        title: of the index.
        html: write pages in HTML as well.
        jobs: entries at a time; one for each processor unless given.
        fresh: analyse all of them, whether or not anything has changed.
        earlier: keep what was made by another version of symfind, torch or a zoo.

    Returns:
        0, or 1 if an entry failed or one of its generators failed verification.

    Raises:
        InputError: a slug in `only` that no entry has.
        OutputError: a file that cannot be written.
    """
    tell = progress or (lambda line: None)
    known = entries() if known is None else known
    chosen = chosen_of(known, only)
    before = manifest.read(out)
    made = {slug: one for slug, one in before.items() if slug in {e.slug for e in known}}
    now = {entry.slug: fingerprint(entry) for entry in chosen}
    stale = [
        e for e in chosen
        if fresh or e.slug not in made or not made[e.slug].current(now[e.slug], earlier)
        or read(out, e) is None
    ]  # fmt: skip
    if len(stale) < len(chosen):
        tell(f"{len(chosen) - len(stale)} of {len(chosen)} entries are up to date")
    stale.sort(key=lambda entry: entry.family != BLOCKS)  # what is small first
    unsound = []
    try:
        for number, (entry, found) in enumerate(_analysed(stale, analyse, jobs), 1):
            head = f"[{number}/{len(stale)}] {entry.title}"
            made[entry.slug] = _record(out, entry, found, now[entry.slug])
            write(out / manifest.NAME, manifest.text(made))
            if isinstance(found, Failure):
                tell(f"{head}: {entry.slug} failed: {found}")
                continue
            tell(f"{head}: {found.report.certificate.status}{found.used}")
            if found.report.verification.status == "failed":
                unsound.append(entry.slug)
    finally:  # where the build is interrupted, what is done has its pages
        write(out / manifest.NAME, manifest.text(made))
        failed = {slug: one.failed for slug, one in made.items() if one.failed}
        _pages(out, known, chosen, failed, title, html)
    for slug in unsound:
        tell(f"{slug}: a generator failed verification")
    if not only:
        remove(out, set(before) - {entry.slug for entry in known})
    return 1 if unsound or any(entry.slug in failed for entry in chosen) else 0


def chosen_of(known: Sequence[Entry], only: Sequence[str]) -> list[Entry]:
    """The entries with some slugs, all where there are none.

    Raises:
        InputError: no entry has one of them.
    """
    slugs = [entry.slug for entry in known]
    unknown = [slug for slug in only if slug not in slugs]
    if unknown:
        raise InputError(
            f"the catalog has no entry {', '.join(unknown)}; it has {', '.join(slugs)}"
        )
    return [entry for entry in known if not only or entry.slug in only]


def analyse_apart(
    chosen: Sequence[Entry], jobs: int | None = None
) -> Iterator[tuple[Entry, Result | Failure]]:
    """Analyse entries, each in a process of its own within limits, and yield them as they end."""
    # Imported here so that listing the catalog needs no torch.
    from symfind.sweeping.engine import run_local
    from symfind.sweeping.job import Job, Options

    options = Options(budget=SECONDS, laws=True, texts=True)
    asked: dict[str, tuple[Job, list[Entry]]] = {}
    for entry in chosen:
        job = Job(entry.spec, dict(entry.settings), {}, tuple(entry.inputs), options)
        asked.setdefault(job.key, (job, []))[1].append(entry)
    for job, record, text in run_local([job for job, _ in asked.values()], _LIMITS, jobs, True):
        for entry in asked[job.key][1]:
            if text is None:
                yield entry, Failure(record["reason"], record["message"])
            else:
                used = ""
                if "processor" in record:
                    used = f", {record['processor']:.0f} s, {record['gigabytes']:.1f} GB"
                yield entry, Result(Report.from_json(text), record.get("texts", {}), used)


def _analysed(
    chosen: Sequence[Entry], analyse: Analyse | None, jobs: int | None
) -> Iterator[tuple[Entry, Result | Failure]]:
    if analyse is None:
        yield from analyse_apart(chosen, jobs)
        return
    for entry in chosen:
        try:
            yield entry, Result(analyse(entry), {})
        except Exception as error:
            # Whatever one model runs into, the rest of the catalog is worth having.
            yield entry, Failure(type(error).__name__, str(error))


def _record(out: Path, entry: Entry, found: Result | Failure, now: Fingerprint) -> Made:
    """Write what came of an analysis at once."""
    if isinstance(found, Failure):
        return Made(now.asked, now.made, str(found))
    write_result(out, entry, kept(found.report, found.texts), found.report)
    return Made(now.asked, now.made)


def _pages(
    out: Path,
    known: Sequence[Entry],
    chosen: Sequence[Entry],
    failed: dict[str, str],
    title: str,
    html: bool,
) -> None:
    """Pages of the chosen entries, each beside all others that lie there, and the index."""
    found: dict[str, Kept] = {e.slug: one for e in known if (one := read(out, e)) is not None}
    together = Together(known, found)
    for entry in chosen:
        if entry.slug in found:
            write_pages(out, entry, together, html)
    write_index(out, together, failed, title, html)
