"""The pages of an entry, as texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from symfind.catalog.entries import Entry
from symfind.catalog.kept import Kept
from symfind.report import page
from symfind.report.markdown import markdown

ENDINGS = (".json", ".md", ".svg", ".html")


def entry_pages(
    out: Path, entry: Entry, known: Sequence[Entry], found: Mapping[str, Kept], html: bool
) -> dict[str, str]:
    """Texts of the files of one entry, by their endings."""
    report = found[entry.slug].report
    picture = f"{entry.slug}.svg" if (out / f"{entry.slug}.svg").exists() else None
    pages = {".md": markdown(report, entry.title, picture, entry.text, entry.command)}
    if html:
        pages[".html"] = page(report, ".html")
    return pages
