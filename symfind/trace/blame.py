"""Say which line of the user's code stopped the tracing, and what to do about it."""

import linecache
import os
import traceback
from types import FrameType

from torch import nn

from symfind.errors import TraceError
from symfind.trace.recorder import DataDependent
from symfind.trace.user import is_user_file


def describe(path: str, line: int, function: str, text: str = "") -> str:
    """``file.py:12 in forward: y = foo(x)``."""
    text = (text or linecache.getline(path, line)).strip()
    return f"{os.path.basename(path)}:{line} in {function}" + (f": {text}" if text else "")


def location(trace: str) -> str:
    """The innermost line of user code in ``trace``, a stack trace as torch.fx records it."""
    best = ""
    lines = trace.splitlines()
    for index, line in enumerate(lines):
        line = line.strip()
        if not line.startswith('File "'):
            continue
        path, _, rest = line[6:].partition('", line ')
        number, _, function = rest.partition(", in ")
        if is_user_file(path) and number.isdigit():
            text = lines[index + 1].strip() if index + 1 < len(lines) else ""
            best = describe(path, int(number), function, text)
    return best


_VALUES = {
    "branch": (
        "the path that forward takes depends on the values of tensors",
        "Make it the same for all inputs, for example with torch.where, fix the choice in "
        "the constructor, or analyse a submodule that does without it",
    ),
    "number": (
        "a number is read out of a tensor",
        "Leave it a tensor, so that the output depends on it",
    ),
    "count": (
        "how many entries there are depends on the values of tensors",
        "Keep all entries, and multiply those that are not wanted by zero",
    ),
}


def blame(model: nn.Module, error: BaseException) -> TraceError:
    """A TraceError for ``error``, raised while ``model`` was traced."""
    if isinstance(error, TraceError):
        return error
    culprit = place(error)
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    reason = lines[0].rstrip(".") if lines else type(error).__name__
    name = type(model).__name__
    kind = error.kind if isinstance(error, DataDependent) else "branch"
    if isinstance(error, DataDependent) or _depends_on_data(error):
        return data_dependent(model, kind, culprit)
    at = f" at {culprit!r}" if culprit else ""
    return TraceError(
        f"cannot trace {name}: {reason}{at}. Check that the example inputs have the shapes and "
        "dtypes that forward expects; if they do, write this line with torch operations, or "
        "analyse the submodules around it"
    )


def data_dependent(model: nn.Module, kind: str, where: str) -> TraceError:
    """A TraceError for what depends on values: ``kind`` is branch, number or count."""
    reason, remedy = _VALUES[kind]
    at = f", at {where!r}" if where else ""
    return TraceError(f"cannot trace {type(model).__name__}: {reason}{at}. {remedy}")


def _depends_on_data(error: BaseException) -> bool:
    chain = " ".join(f"{type(e).__name__} {e}" for e in _chain(error))
    words = ("DataDependent", "data-dependent", "unbacked", "Unbacked", "DynamicOutputShape")
    return any(word in chain for word in words)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def running(frame: FrameType | None, entrance: FrameType) -> str:
    """The innermost line of the user's own code, libraries apart, that a frame is in.

    Empty where there is none between the frame and the entrance, which called the model, and where
    that line imports a library: half of one must not be left behind.
    """
    while frame is not None and frame is not entrance:
        path = frame.f_code.co_filename
        if path.startswith("<frozen importlib"):
            return ""
        if is_user_file(path) and "site-packages" not in path:
            return describe(path, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return ""


def place(error: BaseException) -> str:
    """The innermost line of the user's code that led to an error; empty where there is none."""
    fallback = ""
    for exception in _chain(error):
        for frame in reversed(traceback.extract_tb(exception.__traceback__)):
            if is_user_file(frame.filename):
                line = describe(frame.filename, frame.lineno or 0, frame.name, frame.line or "")
                if "site-packages" not in frame.filename:
                    return line
                fallback = fallback or line
    return fallback
