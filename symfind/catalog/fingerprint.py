"""What the result of an entry depends on, as one hash: equal hashes need no analysis anew."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from symfind.catalog.entries import Entry

_ZOOS = ("torchvision", "timm", "transformers")


def fingerprint(entry: Entry) -> str:
    """Of the entry's model, settings and inputs, the files that it names, and all that runs."""
    asked = {
        "spec": entry.spec,
        "settings": {key: str(value) for key, value in entry.settings.items()},
        "inputs": entry.inputs,
        "large": entry.large,
        "files": dict(_files(entry)),
        "versions": _versions(entry.spec),
        "symfind": _source(),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _files(entry: Entry) -> Iterator[tuple[str, str]]:
    """Files by name, with the hash of what is in them."""
    names = [
        entry.spec,
        entry.spec.rpartition(":")[0],
        entry.spec.partition(":")[2],
        *entry.depends,
    ]
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
    """Of symfind itself."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
