"""Truth values that depend on inputs or parameters: which of the two ways can be gone at all.

Where one way ends in an exception that the model itself raises (``if x.isnan().any(): raise``,
``assert``), the function that is analysed is defined on the other one only. Where both ways compute
the same (a warning, a line in a log), either will do. Everything else depends on data.
"""

import dis
import sys
import traceback
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

from symfind.trace import recorder as own
from symfind.trace.blame import describe
from symfind.trace.recorder import DataDependent
from symfind.trace.user import is_user_file
from symfind.trace.views import Unrecordable

Spot = tuple[CodeType, int]  # an instruction
Run = Callable[[Callable[[], bool]], Any]

_MOST = 32  # undecided instructions beyond which a model is given up


class _Undecided(BaseException):
    """No way has been chosen yet at ``spot``; not an Exception, lest the model catches it."""

    def __init__(self, spot: Spot, where: str) -> None:
        super().__init__(where)
        self.spot, self.where = spot, where


def explore(run: Run, same: Callable[[Any, Any], bool]) -> tuple[Any, tuple[str, ...]]:
    """The result of ``run(decide)`` on the only way that can be gone, and notes on what was taken.

    Raises:
        DataDependent: two ways can be gone, and they differ.
    """
    chosen: dict[Spot, bool] = {}
    notes: list[str] = []
    while True:
        try:
            return run(_Decide(chosen)), tuple(notes)
        except _Undecided as undecided:
            if len(chosen) >= _MOST:
                raise DataDependent("branch") from undecided
            value, note = _choose(run, same, chosen, undecided)
            chosen[undecided.spot] = value
            notes.extend([note] if note else [])


def _choose(
    run: Run, same: Callable[[Any, Any], bool], chosen: dict[Spot, bool], at: _Undecided
) -> tuple[bool, str]:
    ends = {value: _try(run, chosen, at.spot, value) for value in (False, True)}
    raised = [value for value, end in ends.items() if isinstance(end, _Raised)]
    if len(raised) == 1:
        error = ends[raised[0]].error
        return not raised[0], f"taken as never raised: {type(error).__name__} at {at.where!r}"
    if not raised and None not in ends.values() and same(ends[False], ends[True]):
        return False, ""
    raise DataDependent("branch").with_traceback(at.__traceback__)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _try(run: Run, chosen: dict[Spot, bool], spot: Spot, value: bool) -> Any:
    """Where the way with ``value`` at ``spot`` leads: an exception, a result, or nobody knows."""
    try:
        return run(_Decide(chosen | {spot: value}, once=spot))
    except (DataDependent, Unrecordable, _Undecided):
        return None
    except Exception as error:
        return _Raised(error) if _deliberate(error.__traceback__) else None


def _deliberate(trace: TracebackType | None) -> bool:
    """Whether an exception comes from a ``raise`` (or ``assert``), not from an operation."""
    if trace is None:
        return False
    while trace.tb_next is not None:
        if trace.tb_frame.f_code.co_filename == own.__file__:
            return False
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return dis.opname[code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


class _Decide:
    """Gives the chosen values; a second visit of ``once`` is beyond what was asked about."""

    def __init__(self, chosen: dict[Spot, bool], once: Spot | None = None) -> None:
        self.chosen, self.once, self.visits = chosen, once, 0

    def __call__(self) -> bool:
        frame = sys._getframe(1)
        while not is_user_file(frame.f_code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
        spot = frame.f_code, frame.f_lasti
        self.visits += spot == self.once
        if spot not in self.chosen or self.visits > 1:
            line = traceback.extract_stack(frame, 1)[0]
            where = describe(line.filename, line.lineno or 0, line.name, line.line or "")
            raise _Undecided(spot, where)
        return self.chosen[spot]
