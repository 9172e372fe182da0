"""What a catalog holds: models by name, each with all that is needed to analyse it anew."""

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from symfind.errors import InputError

BLOCKS = "Building blocks"

# the files of symfind's own catalog, each with the heading of its entries
_OWN = {
    "decoders": "Language: decoders",
    "experts": "Language: experts and recurrences",
    "encoders": "Text, sound, and towers",
    "vision": "Images",
    "others": "Fields, graphs, tables, sequences",
    "blocks": BLOCKS,
}
_KEYS = {
    "spec": str, "title": str, "slug": str, "family": str, "text": str, "settings": dict,
    "inputs": list, "depends": list, "sources": list, "compare": str, "choice": str,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One model of the catalog.

    Attributes:
        slug: its label, for good; the name of its files, without the ending.
        title: how people call it.
        spec: what `symfind analyze` takes.
        family: heading in the index under which it stands.
        settings: keyword arguments, as `--set` takes them.
        inputs: example inputs, as `--input` takes them; empty leaves them to the spec.
        text: Markdown for the top of its page.
        depends: files that its result depends on, beside the one that the spec names.
        sources: keys of references, or references themselves, in Markdown.
        compare: slug of the entry of which this is a variation; empty for none.
        choice: in what it differs from that one.
    """

    slug: str
    title: str
    spec: str
    family: str
    settings: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    text: str = ""
    depends: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    compare: str = ""
    choice: str = ""

    @property
    def command(self) -> str:
        """What analyses it from a shell."""
        words = ["symfind", "analyze", self.spec]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        for given in self.inputs:
            words += ["--input", given]
        return shlex.join(words)


@cache
def entries() -> tuple[Entry, ...]:
    """Return every entry of symfind's own catalog, in the order of the index."""
    folder = resources.files("symfind.catalog") / "data"
    found: list[Entry] = []
    for name, heading in _OWN.items():
        data = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        found += listed(data["entry"], f"{name}.toml", heading)
    return tuple(found)


def listed(items: Sequence[Any], where: str, family: str = "Models") -> list[Entry]:
    """Entries from the tables of a file.

    Raises:
        InputError: a table holds what no entry has, or two have one slug; the message names it.
    """
    found = [entry_of(item, f"{where}: entry {k}", family) for k, item in enumerate(items, 1)]
    slugs = [entry.slug for entry in found]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise InputError(f"{where}: two entries have the slug {slug}; give one another slug")
    for entry in found:
        if entry.compare and entry.compare not in slugs and family == "Models":
            raise InputError(f"{where}: {entry.slug} is compared with {entry.compare}, which no "
                             "entry is")  # fmt: skip
    return found


def entry_of(item: Any, where: str, family: str = "Models") -> Entry:
    """An entry from a table.

    Raises:
        InputError: it holds what no entry has.
    """
    check(item, _KEYS, where)
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
    lists = {key: tuple(map(str, item.get(key, []))) for key in ("inputs", "depends", "sources")}
    return Entry(
        slug, title, item["spec"], item.get("family", family), settings,
        text=item.get("text", ""), compare=item.get("compare", ""), choice=item.get("choice", ""),
        **lists,
    )  # fmt: skip


def slug_of(title: str) -> str:
    """A name for files from a title."""
    return re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.") or "entry"


def check(item: Any, keys: Mapping[str, type], where: str) -> None:
    """See that a table has these keys only, with values of these types.

    Raises:
        InputError: it has not; the message names the key.
    """
    if not isinstance(item, dict):
        raise InputError(f"{where} is no table; write its keys on lines below it")
    check_keys(item, set(keys), where)
    for key, value in item.items():
        if not isinstance(value, keys[key]):
            kinds = {str: "a text", bool: "true or false", dict: "a table", list: "a list"}
            raise InputError(f"{where}: {key} is {kinds[keys[key]]}, not {value!r}")


def check_keys(item: Mapping[str, Any], known: set[str], where: str) -> None:
    """See that a table has no other keys.

    Raises:
        InputError: it has.
    """
    for key in item:
        if key not in known:
            raise InputError(f"{where} does not know {key!r}; it knows {', '.join(sorted(known))}")


def _setting(value: Any) -> str:
    """As `--set` takes it."""
    return value if isinstance(value, str) else repr(value)
