"""Build the catalog: one JSON and one page per entry, and an index."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from symfind.catalog.entries import Entry, entries
from symfind.errors import InputError, OutputError
from symfind.report import Report, ReportFormatError, page, words
from symfind.report.markdown import code, markdown, plain, table

Analyse = Callable[[Entry], Report]
Progress = Callable[[str], None]

_FAMILIES = {"architecture": "Architectures", "block": "Building blocks"}


def build(
    out: Path,
    only: Sequence[str] = (),
    progress: Progress | None = None,
    analyse: Analyse | None = None,
) -> int:
    """Analyse the entries and write `<slug>.json`, `.md` and `.svg`, and the index `README.md`.

    An entry that fails does not stop the others: it is named to `progress` and in the index, and
    its earlier files stay as they were. With `only`, the index keeps the other entries that were
    built before. Two builds with the same versions write the same bytes.

    Args:
        out: folder of the catalog; made if it is not there.
        only: slugs to build; all when empty.
        progress: called with one line before each entry and after a failure.
        analyse: how an entry becomes a report; the real analysis unless given.

    Returns:
        0, or 1 if an entry failed or one of its generators failed verification.

    Raises:
        InputError: a slug in `only` that no entry has.
        OutputError: a file that cannot be written.
    """
    tell = progress or (lambda line: None)
    chosen = _chosen(only)
    failed: dict[str, str] = {}
    unsound: list[str] = []
    for number, entry in enumerate(chosen, 1):
        tell(f"[{number}/{len(chosen)}] {entry.title}")
        try:
            report = (analyse or analyse_entry)(entry).without_timing()
            pages = _pages(entry, report)
        except Exception as error:
            # Whatever one model runs into, the rest of the catalog is worth having.
            failed[entry.slug] = type(error).__name__
            tell(f"{entry.slug} failed: {type(error).__name__}: {error}")
            continue
        if report.verification.status == "failed":
            unsound.append(entry.slug)
            tell(f"{entry.slug}: a generator failed verification")
        for ending, text in pages.items():
            _write(out / f"{entry.slug}{ending}", text)
    _write(out / "README.md", index(out, failed))
    return 1 if failed or unsound else 0


def _pages(entry: Entry, report: Report) -> dict[str, str]:
    """Texts of the files of one entry, by their endings."""
    pages = {".json": report.to_json() + "\n"}
    if report.factors:
        pages[".svg"] = page(report, ".svg")
    picture = f"{entry.slug}.svg" if report.factors else None
    return {**pages, ".md": markdown(report, entry.title, picture)}


def analyse_entry(entry: Entry) -> Report:
    """Analyse one entry: not verified where it is too large to run."""
    # Imported here so that listing the catalog needs no torch.
    from symfind.session import analyze

    return analyze(
        entry.spec,
        settings=dict(entry.settings),
        inputs=entry.inputs,
        verify=not entry.large,
        seed=0,
    )


def index(out: Path, failed: dict[str, str]) -> str:
    """Write the index over the reports that lie in `out`; `failed` maps slugs to error names."""
    sections = [["# Catalog"]]
    lines = [f"- {code(slug)}: {name}" for slug, name in failed.items()]
    for family, heading in _FAMILIES.items():
        rows = []
        for entry in entries():
            if entry.family == family and entry.slug not in failed:
                report = _read(out / f"{entry.slug}.json")
                if report is None:
                    continue
                rows.append(_row(entry, report))
                if report.verification.status == "failed":
                    lines.append(f"- {code(entry.slug)}: a generator failed verification")
        if rows:
            headers = ("architecture", "parameters", "redundant", "share", "certificate")
            sections.append([f"## {heading}", "", *table(headers, rows, "lrrrl")])
    if lines:
        sections.append(["## Failed", "", *lines])
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _chosen(only: Sequence[str]) -> list[Entry]:
    known = {entry.slug: entry for entry in entries()}
    unknown = [slug for slug in only if slug not in known]
    if unknown:
        raise InputError(
            f"the catalog has no entry {', '.join(unknown)}; it has {', '.join(known)}"
        )
    return [entry for slug, entry in known.items() if not only or slug in only]


def _row(entry: Entry, report: Report) -> tuple[str, ...]:
    d = report.dimension
    return (
        f"[{plain(entry.title)}]({entry.slug}.md)",
        words.count(d.parameters),
        words.count(d.redundant),
        words.share(d.redundant, d.parameters),
        words.status(report.certificate),
    )


def _read(path: Path) -> Report | None:
    try:
        return Report.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ReportFormatError):
        return None


def _write(path: Path, text: str) -> None:
    # A reader sees the old file or the new one, never half of either.
    try:
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
