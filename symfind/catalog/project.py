"""A catalog of one's own: the file `symfind.toml` that lists its entries."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symfind.catalog.entries import Entry, entries
from symfind.errors import InputError

FILE = "symfind.toml"

_CATALOG = {"title": str, "out": str, "html": bool}
_ENTRY = {
    "spec": str, "title": str, "slug": str, "family": str, "text": str, "settings": dict,
    "inputs": list, "large": bool, "depends": list,
}  # fmt: skip


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
    return Project(entries())


def load(path: Path) -> Project:
    """Read a file.

    Raises:
        InputError: it cannot be read, is no TOML, or holds what no catalog has; the message names
            the entry and the key.
    """
    data = _toml(path)
    _check_keys(data, {"catalog", "entry", "tool"}, str(path))
    head = data.get("catalog", {})
    _check(head, _CATALOG, f"{path}: [catalog]")
    listed = data.get("entry", [])
    if not isinstance(listed, list):
        raise InputError(f"{path}: write [[entry]], in double brackets, for each entry")
    found = [_entry(item, f"{path}: entry {number}") for number, item in enumerate(listed, 1)]
    slugs = [entry.slug for entry in found]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise InputError(f"{path}: two entries have the slug {twice[0]}; give one another slug")
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
    _entry(tomllib.loads("\n".join(lines))["entry"][0], f"{path}: the new entry")
    tomllib.loads(whole)
    return whole


def slug_of(title: str) -> str:
    """A name for files from a title."""
    return re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.") or "entry"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot read {path}: {reason}; symfind catalog add SPEC --title T makes one"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is no TOML: {error}") from error


def _entry(item: Any, where: str) -> Entry:
    _check(item, _ENTRY, where)
    if "spec" not in item:
        raise InputError(f'{where} has no spec; write spec = "file.py:build", or a zoo\'s model')
    title = item.get("title", item["spec"])
    slug = item.get("slug", slug_of(title))
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", slug) or slug in ("readme", "index", "manifest"):
        raise InputError(
            f"{where}: the slug {slug!r} names files; write it in a-z, 0-9, - and ., "
            "and not readme, index or manifest"
        )
    settings = {key: _setting(value) for key, value in item.get("settings", {}).items()}
    inputs, depends = (tuple(map(str, item.get(key, []))) for key in ("inputs", "depends"))
    return Entry(
        slug, title, item["spec"], item.get("family", "Models"), settings, inputs,
        item.get("large", False), item.get("text", ""), depends,
    )  # fmt: skip


def _setting(value: Any) -> str:
    """As `--set` takes it."""
    return value if isinstance(value, str) else repr(value)


def _check(item: Any, keys: Mapping[str, type], where: str) -> None:
    if not isinstance(item, dict):
        raise InputError(f"{where} is no table; write its keys on lines below it")
    _check_keys(item, set(keys), where)
    for key, value in item.items():
        if not isinstance(value, keys[key]):
            kinds = {str: "a text", bool: "true or false", dict: "a table", list: "a list"}
            raise InputError(f"{where}: {key} is {kinds[keys[key]]}, not {value!r}")


def _check_keys(item: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in item:
        if key not in known:
            raise InputError(f"{where} does not know {key!r}; it knows {', '.join(sorted(known))}")


def _text(value: str) -> str:
    """A basic string of TOML, which is one of JSON with one letter more that is escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
