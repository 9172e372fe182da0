"""Build the catalog: one JSON and one page per entry, and an index."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from symfind.catalog import manifest
from symfind.catalog.entries import Entry, entries
from symfind.catalog.fingerprint import fingerprint
from symfind.catalog.pages import ENDINGS, entry_pages, index, index_html
from symfind.errors import InputError, OutputError
from symfind.report import Report, ReportFormatError

Analyse = Callable[[Entry], Report]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Failure:
    """Why an entry has no report: the class of the error, and what it says."""

    kind: str
    message: str


@dataclass
class _Made:
    """What came of a build so far."""

    failed: dict[str, str] = field(default_factory=dict)
    unsound: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)


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
) -> int:
    """Analyse the entries and write `<slug>.json`, `.md` and `.svg`, and the index `README.md`.

    An entry is analysed if anything that its result depends on has changed since it was built; its
    pages are written in any case. An entry that fails does not stop the others: it is named to
    `progress` and in the index, and its earlier files stay as they were. With `only`, the index
    keeps the other entries that were built before. Two builds with the same versions write the
    same bytes.

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
    made = _Made(
        keys={slug: key for slug, key in before.items() if slug in {e.slug for e in known}}
    )
    keys = {entry.slug: fingerprint(entry) for entry in chosen}
    stale = [e for e in chosen if fresh or before.get(e.slug) != keys[e.slug] or not read(out, e)]
    for entry in chosen:
        if entry not in stale:
            _keep(out, entry, read(out, entry), made, html)
    if len(stale) < len(chosen):
        tell(f"{len(chosen) - len(stale)} of {len(chosen)} entries are up to date")
    for number, (entry, found) in enumerate(_analysed(stale, analyse, jobs), 1):
        head = f"[{number}/{len(stale)}] {entry.title}"
        if isinstance(found, Failure):
            made.failed[entry.slug] = found.kind
            tell(f"{head}: {entry.slug} failed: {found.kind}: {found.message}")
            continue
        tell(f"{head}: {found.certificate.status}")
        made.keys[entry.slug] = keys[entry.slug]
        _keep(out, entry, found, made, html)
    for slug in made.unsound:
        tell(f"{slug}: a generator failed verification")
    _finish(out, known, made, before, title, html, whole=not only)
    return 1 if made.failed or made.unsound else 0


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


def read(out: Path, entry: Entry) -> Report | None:
    """The report of an entry that was built before."""
    try:
        return Report.from_json((out / f"{entry.slug}.json").read_text(encoding="utf-8"))
    except (OSError, ReportFormatError):
        return None


def _analysed(
    chosen: Sequence[Entry], analyse: Analyse | None, jobs: int | None
) -> Iterator[tuple[Entry, Report | Failure]]:
    if analyse is None:
        yield from analyse_apart(chosen, jobs)
        return
    for entry in chosen:
        try:
            yield entry, analyse(entry).without_timing()
        except Exception as error:
            # Whatever one model runs into, the rest of the catalog is worth having.
            yield entry, Failure(type(error).__name__, str(error))


def analyse_apart(
    chosen: Sequence[Entry], jobs: int | None = None
) -> Iterator[tuple[Entry, Report | Failure]]:
    """Analyse entries, each in a process of its own, and yield them as they end.

    Those too large to run are not verified on themselves.
    """
    # Imported here so that listing the catalog needs no torch.
    from symfind.sweeping.engine import run_local
    from symfind.sweeping.job import Job, Options
    from symfind.sweeping.limits import Limits

    asked: dict[str, tuple[Job, list[Entry]]] = {}
    for entry in chosen:
        options = Options(verify=not entry.large)
        job = Job(entry.spec, dict(entry.settings), {}, tuple(entry.inputs), options)
        asked.setdefault(job.key, (job, []))[1].append(entry)
    run = run_local([job for job, _ in asked.values()], Limits(None, None), jobs, whole=True)
    for job, record, text in run:
        for entry in asked[job.key][1]:
            if text is None:
                yield entry, Failure(record["reason"], record["message"])
            else:
                yield entry, Report.from_json(text).without_timing()


def _keep(out: Path, entry: Entry, report: Report | None, made: _Made, html: bool) -> None:
    if report is None:
        return
    if report.verification.status == "failed":
        made.unsound.append(entry.slug)
    for ending, text in entry_pages(entry, report, html).items():
        write(out / f"{entry.slug}{ending}", text)


def _finish(
    out: Path,
    known: Sequence[Entry],
    made: _Made,
    before: Mapping[str, str],
    title: str,
    html: bool,
    whole: bool,
) -> None:
    """Write the index over all reports that lie there, and take away what no entry is left of."""
    reports = {entry.slug: report for entry in known if (report := read(out, entry))}
    write(out / "README.md", index(known, reports, made.failed, title))
    if html:
        write(out / "index.html", index_html(known, reports, made.failed, title))
    write(out / manifest.NAME, manifest.text(made.keys))
    if whole:
        _remove(out, set(before) - {entry.slug for entry in known})


def _remove(out: Path, slugs: Iterable[str]) -> None:
    for slug in slugs:
        if "/" not in slug and "\\" not in slug:
            for ending in ENDINGS:
                (out / f"{slug}{ending}").unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old one or the new one, never half of either.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if path.exists() and path.read_bytes() == text.encode("utf-8"):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            # mkstemp makes private files; a catalog is to be read by everyone.
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
