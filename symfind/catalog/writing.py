"""The files of a catalog in its folder, each written in one step."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from symfind.catalog.entries import Entry
from symfind.catalog.groups import Together
from symfind.catalog.index import index, index_html
from symfind.catalog.kept import Kept, to_json
from symfind.catalog.pages import ENDINGS, entry_pages
from symfind.errors import OutputError
from symfind.report import Report, page


def write_result(out: Path, entry: Entry, one: Kept, whole: Report) -> None:
    """What an analysis gave: the JSON, and the picture that only the whole report can draw."""
    write(out / f"{entry.slug}.json", to_json(one))
    if whole.factors:
        write(out / f"{entry.slug}.svg", page(whole, ".svg"))


def write_pages(out: Path, entry: Entry, together: Together, html: bool) -> None:
    """The pages of an entry."""
    for ending, text in entry_pages(out, entry, together, html).items():
        write(out / f"{entry.slug}{ending}", text)


def write_index(
    out: Path, together: Together, failed: Mapping[str, str], title: str, html: bool
) -> None:
    """The index over all entries that were built."""
    write(out / "README.md", index(together, failed, title))
    if html:
        write(out / "index.html", index_html(together, failed, title))


def remove(out: Path, slugs: Iterable[str]) -> None:
    """Take away what no entry is left of."""
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
