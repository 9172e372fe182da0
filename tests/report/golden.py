"""Golden outputs: files that hold what a rendering is expected to print.

Set SYMFIND_OVERWRITE=1 to write the files anew, then read the diff.
"""

import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare with the file `name`, or write it when asked to."""
    path = _FOLDER / name
    if os.environ.get("SYMFIND_OVERWRITE"):
        _FOLDER.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{name} has no golden file; set SYMFIND_OVERWRITE=1 to write it"
    assert text == path.read_text(encoding="utf-8")
