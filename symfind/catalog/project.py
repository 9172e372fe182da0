"""A catalog of one's own: the file `symfind.toml` that lists its entries."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symfind.catalog.entries import Entry, check, check_keys, entries, entry_of, listed, slug_of
from symfind.errors import InputError

FILE = "symfind.toml"

_CATALOG = {"title": str, "out": str, "html": bool}


@dataclass(frozen=True)
class Project:
    """A catalog: its entries, and where and how it is written.

    Attributes:
        entries: in the order of the index.
        title: of the index.
        out: folder, relative to the file.
        html: whether pages are written in HTML as well.
        folder: of the file, to which the specs of entries are relative.
    """

    entries: tuple[Entry, ...]
    title: str = "Catalog"
    out: Path = Path("catalog")
    html: bool = False
    folder: Path = Path(".")


def own() -> Project:
    """symfind's own catalog."""
    return Project(entries(), "The catalog of symfind")


def load(path: Path) -> Project:
    """Read a file.

    Raises:
        InputError: it cannot be read, is no TOML, or holds what no catalog has; the message names
            the entry and the key.
    """
    data = _toml(path)
    check_keys(data, {"catalog", "entry", "tool"}, str(path))
    head = data.get("catalog", {})
    check(head, _CATALOG, f"{path}: [catalog]")
    items = data.get("entry", [])
    if not isinstance(items, list):
        raise InputError(f"{path}: write [[entry]], in double brackets, for each entry")
    found = listed(items, str(path))
    return Project(
        tuple(found),
        head.get("title", "Catalog"),
        Path(head.get("out", "catalog")),
        head.get("html", False),
        path.parent,
    )


def add(
    path: Path,
    spec: str,
    title: str,
    slug: str = "",
    family: str = "",
    text: str = "",
    settings: Mapping[str, str] | None = None,
    inputs: Sequence[str] = (),
) -> str:
    """Add an entry at the end of a file, which is made if it is not there.

    Returns:
        What the file is to hold, checked.

    Raises:
        InputError: the file cannot be read, or has such an entry already.
    """
    slug = slug or slug_of(title)
    lines = ["[[entry]]", f"title = {_text(title)}", f"slug = {_text(slug)}"]
    lines += [f"spec = {_text(spec)}"]
    lines += [f"family = {_text(family)}"] if family else []
    lines += [f"text = {_text(text)}"] if text else []
    if inputs:
        lines.append(f"inputs = [{', '.join(map(_text, inputs))}]")
    if settings:
        pairs = (f"{_text(key)} = {_text(str(value))}" for key, value in settings.items())
        lines.append(f"settings = {{ {', '.join(pairs)} }}")
    if path.exists():
        if slug in {entry.slug for entry in load(path).entries}:
            raise InputError(f"{path} has an entry {slug} already; choose another --slug")
        before = path.read_text(encoding="utf-8").rstrip("\n") + "\n"
    else:
        before = '[catalog]\ntitle = "Catalog"\nout = "catalog"\n'
    whole = before + "\n" + "\n".join(lines) + "\n"
    entry_of(tomllib.loads("\n".join(lines))["entry"][0], f"{path}: the new entry")
    tomllib.loads(whole)
    return whole


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot read {path}: {reason}; symfind catalog add SPEC --title T makes one"
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no TOML: {error}") from error


def _text(value: str) -> str:
    """A basic string of TOML, which is one of JSON with one letter more that is escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
