"""A limit on time, by the clock or of the processor, that holds at any moment."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 1.0  # seconds after which it is raised again
Handler = Callable[[int, FrameType | None], None]


class OutOfTime(BaseException):
    """The limit has passed; like an interruption from the keyboard, no code of a model stops it."""


class OutOfProcessorTime(OutOfTime):
    """A limit on the time of the processor has passed."""


class Unended(OutOfTime):
    """A limit on code of a model has passed; `place` says where that is."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class LongRunning(str):
    """A line on what is being done, of code of a model that may never come to an end."""


class _State(threading.local):
    deadline: float | None = None
    allowed: float | None = None
    processor: float | None = None
    sheltered = 0
    pending = False


_state = _State()


def check() -> None:
    """Raise `OutOfTime` where the limit in force has passed.

    Raises:
        OutOfTime: it has.
    """
    if _state.deadline is not None and time.monotonic() >= _state.deadline:
        _expire()
    if _state.processor is not None and time.process_time() >= _state.processor:
        _expire(OutOfProcessorTime)


def remaining() -> float | None:
    """Seconds left, None without a limit."""
    return None if _state.deadline is None else max(0.0, _state.deadline - time.monotonic())


def allowed() -> float | None:
    """Seconds that the limit in force gave in all, None without a limit."""
    return _state.allowed


def _expire(kind: type[OutOfTime] = OutOfTime) -> None:
    if _state.sheltered:
        _state.pending = True
        return
    raise kind


def _alarm(number: int, frame: FrameType | None) -> None:
    if _state.deadline is not None:
        _expire()


def _used_up(number: int, frame: FrameType | None) -> None:
    if _state.processor is not None:
        _expire(OutOfProcessorTime)


@contextmanager
def _timed(name: str, timer: str, handler: Handler, seconds: float, again: float) -> Iterator[None]:
    """Call a handler on the main thread once a timer has run out, and then again and again."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, timer):
        yield
        return
    number, which = getattr(signal, name), getattr(signal, timer)
    before, start = signal.signal(number, handler), time.monotonic()
    outer, often = signal.setitimer(which, max(seconds, 1e-6), again)
    try:
        yield
    finally:
        signal.setitimer(which, 0.0)
        signal.signal(number, before)
        if outer:
            signal.setitimer(which, max(outer - (time.monotonic() - start), 1e-6), often)


@contextmanager
def limited_processor(seconds: float) -> Iterator[None]:
    """Raise `OutOfProcessorTime` in the code inside once it has used so much of the processor.

    Where that is caught inside, it is raised again a second later: nothing goes on for long. On
    threads other than the main one it is raised where `check` is called. It may stand inside
    `limited`, not inside itself.

    Raises:
        OutOfProcessorTime: the limit has passed.
    """
    _state.processor = time.process_time() + seconds
    with _timed("SIGPROF", "ITIMER_PROF", _used_up, seconds, _AGAIN):
        try:
            yield
        finally:
            _state.processor = None


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in the code inside once so many seconds have passed.

    On the main thread of a system with interval timers at any moment (a long operation inside a
    library ends first), elsewhere where `check` is called.

    Raises:
        OutOfTime: the limit has passed.
    """
    if seconds is None:
        yield
        return
    outer = _state.deadline, _state.allowed
    _state.deadline, _state.allowed = time.monotonic() + seconds, seconds
    try:
        with _timed("SIGALRM", "ITIMER_REAL", _alarm, seconds, 0.0):
            try:
                yield
            finally:
                _state.deadline = None
    finally:
        (_state.deadline, _state.allowed), _state.pending = outer, False


@contextmanager
def limited_code(seconds: float | None, place: Callable[[FrameType | None], str]) -> Iterator[None]:
    """Raise `Unended` in code of a model that runs when so many seconds have passed.

    Raised again every second, in case that code stops it. Only on the main thread of a system with
    interval timers, where signals arrive; elsewhere there is no limit. It may stand inside
    `limited`, whose limit holds as well.

    Args:
        seconds: None for no limit.
        place: where in a model's code a frame is; empty where it is in none, which may go on.

    Raises:
        Unended: the limit has passed.
    """
    if seconds is None:
        yield
        return
    end, left = time.monotonic() + seconds, remaining()

    def passed(number: int, frame: FrameType | None) -> None:
        check()
        at = "" if _state.sheltered or time.monotonic() < end else place(frame)
        if at:
            raise Unended(at)

    first = seconds if left is None else min(seconds, left)
    with _timed("SIGALRM", "ITIMER_REAL", passed, first, _AGAIN):
        yield


@contextmanager
def sheltered() -> Iterator[None]:
    """Hold the limit back until the end of the code inside, which must not be torn."""
    _state.sheltered += 1
    try:
        yield
    finally:
        _state.sheltered -= 1
        if _state.pending and not _state.sheltered:
            _state.pending = False
            check()
