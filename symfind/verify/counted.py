"""How far a loop over generators is, and about how long the rest of it takes."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Progress = Callable[[str], None]
_Item = TypeVar("_Item")
_SOON = 1.0  # seconds, of which nothing needs to be said


def counted(items: Sequence[_Item], what: str, tell: Progress) -> Iterator[_Item]:
    """Go through generators, telling which one it is and how many seconds are left."""
    start = time.monotonic()
    for i, item in enumerate(items):
        passed = time.monotonic() - start
        left = passed / max(i, 1) * (len(items) - i)
        if passed + left > _SOON:
            tell(f"verifying, {what}: generator {i + 1} of {len(items)}, about {left:.0f} s")
        yield item
