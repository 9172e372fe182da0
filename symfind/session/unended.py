"""Code of a model that does not come to an end: where it is, and a limit on it.

Loading and tracing run a constructor and a forward that may hold any loop. A thread looks now and
then where they are, and says so.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from symfind.budget import LongRunning, Unended, limited_code
from symfind.errors import SymfindError
from symfind.trace.blame import running

_FIRST = 4.0  # seconds until it is said for the first time, then after twice as many, and so on
_LEAST = 10.0  # seconds that code of a model has in any case: importing a library takes some

Tell = Callable[[str], None]


@contextmanager
def watched(
    doing: str, tell: Tell, limit: float | None, error: type[SymfindError]
) -> Iterator[None]:
    """Run what calls code of a model; say where that is when it takes long, and end it.

    Args:
        doing: in words.
        tell: called with a `LongRunning`, from another thread.
        limit: seconds, None for none; see `limited_code` for where it holds.
        error: raised when the limit has passed.

    Raises:
        SymfindError: of the given kind, with the line that was running.
    """
    entrance = sys._getframe(2)  # of whoever is inside the context; this one and its manager apart
    seconds = None if limit is None else max(limit, _LEAST)
    done = threading.Event()
    place = lambda frame: running(frame, entrance)  # noqa: E731
    observed = (threading.get_ident(), place, doing, tell, done)
    threading.Thread(target=_observe, args=observed, daemon=True).start()
    try:
        with limited_code(seconds, place):
            yield
    except Unended as end:
        raise error(
            f"the limit of {seconds:g} s has passed while {doing}: code of the model is still "
            f"running, at {end.place!r}. If it comes to an end, allow more time (--budget); else "
            "mend the loop, or analyse a submodule that does without it"
        ) from end
    finally:
        done.set()


def _observe(
    thread: int,
    place: Callable[[FrameType | None], str],
    doing: str,
    tell: Tell,
    done: threading.Event,
) -> None:
    """Say where a thread is in code of a model, at longer and longer intervals."""
    wait, passed = _FIRST, 0.0
    while not done.wait(wait):
        passed, wait = passed + wait, passed + wait
        at = place(sys._current_frames().get(thread))
        if at:
            tell(LongRunning(f"{doing}: {at!r} is still running after {passed:g} s"))
