"""A limit on code of a model, which may hold any loop."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from symfind.budget import limited_code
from symfind.trace.blame import running


@contextmanager
def ending(seconds: float | None) -> Iterator[None]:
    """End code of a model that the code inside calls, and that runs for longer; see `limited_code`.

    Raises:
        Unended: with the line of the model that was running.
    """
    entrance = sys._getframe(2)  # whoever is inside the context; this one and its manager apart
    with limited_code(seconds, lambda frame: running(frame, entrance)):
        yield
