"""What a folder of a catalog was made of: the hash of each entry, and the files that are ours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "manifest.json"
SCHEMA = "symfind.catalog/1"


def read(out: Path) -> dict[str, str]:
    """The hash with which each entry was made, by slug; empty where nothing is known."""
    try:
        data: Any = json.loads((out / NAME).read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            return {}
        return {str(slug): str(key) for slug, key in data["entries"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def text(keys: Mapping[str, str]) -> str:
    """The file."""
    data = {"schema": SCHEMA, "entries": dict(sorted(keys.items()))}
    return json.dumps(data, indent=1) + "\n"
