"""What a folder of a catalog was made of: the hashes of each entry, and why one has no report."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from symfind.catalog.fingerprint import Fingerprint

NAME = "manifest.json"
SCHEMA = "symfind.catalog/2"


@dataclass(frozen=True)
class Made:
    """How an entry was made.

    Attributes:
        asked: see `Fingerprint`.
        made: see `Fingerprint`.
        failed: why there is no report: the class of the error and what it says.
    """

    asked: str
    made: str
    failed: str = ""

    def current(self, now: Fingerprint, earlier: bool) -> bool:
        """Whether it needs no analysis anew; `earlier`: reports of other versions will do."""
        same = self.asked == now.asked
        return same and not self.failed and (earlier or self.made == now.made)


def read(out: Path) -> dict[str, Made]:
    """How each entry was made, by slug; empty where nothing is known."""
    try:
        data: Any = json.loads((out / NAME).read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            return {}
        return {str(slug): Made(**made) for slug, made in data["entries"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def text(made: Mapping[str, Made]) -> str:
    """The file."""
    rows = (f"{json.dumps(slug)}: {json.dumps(_short(one))}" for slug, one in sorted(made.items()))
    return f'{{"schema": "{SCHEMA}", "entries": {{\n' + ",\n".join(rows) + "\n}}\n"


def _short(made: Made) -> dict[str, Any]:
    return {key: value for key, value in asdict(made).items() if value not in ("", None)}
