"""What the result of an entry depends on, as two hashes: equal ones need no analysis anew."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from symfind.catalog.entries import Entry

_ZOOS = ("torchvision", "timm", "transformers")


@dataclass(frozen=True)
class Fingerprint:
    """Hashes.

    Attributes:
        asked: of the entry's model, settings and inputs, and the files that it names.
        made: of all that runs: symfind, torch, and the zoo of the entry.
    """

    asked: str
    made: str


def fingerprint(entry: Entry) -> Fingerprint:
    """Of an entry as it would be built now."""
    asked = {
        "spec": entry.spec,
        "settings": {key: str(value) for key, value in entry.settings.items()},
        "inputs": entry.inputs,
        "files": dict(_files(entry)),
    }
    return Fingerprint(_hash(asked), _hash({**_versions(entry.spec), "symfind": _source()}))


def _hash(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def _files(entry: Entry) -> Iterator[tuple[str, str]]:
    """Files by name, with the hash of what is in them."""
    names = [
        entry.spec,
        entry.spec.rpartition(":")[0],
        entry.spec.partition(":")[2],
        *entry.depends,
    ]
    head = entry.spec.partition(":")[0]
    if head.startswith("symfind."):  # a model of the catalog's own
        home = Path(__file__).parents[2].joinpath(*head.split(".")).with_suffix(".py")
        yield head, hashlib.sha256(home.read_bytes()).hexdigest()
    for name in names:
        try:
            if name and Path(name).is_file():
                yield name, hashlib.sha256(Path(name).read_bytes()).hexdigest()
        except (OSError, ValueError):  # no name of a file
            continue


def _versions(spec: str) -> dict[str, str]:
    names = ["torch", *(zoo for zoo in _ZOOS if spec.startswith(f"{zoo}:"))]
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


@cache
def _source() -> str:
    """Of symfind itself; how pages are written is no part of a result."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in ("catalog", "cli"):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
