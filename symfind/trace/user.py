"""Whose line of code is running: the user's, torch's, or this package's."""

import os
import sys
import sysconfig
from functools import cache

import torch

_TORCH = os.path.dirname(torch.__file__) + os.sep
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_ENTRANCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrapper.py")
_STANDARD = sysconfig.get_paths()["stdlib"]

Place = tuple[str, int, str]  # file, line, function


@cache
def is_user_file(path: str) -> bool:
    """Whether ``path`` is neither torch, nor this package, nor generated code."""
    return not path.startswith((_TORCH, _OWN, "<")) and (
        "site-packages" in path or not path.startswith(_STANDARD)
    )


def here() -> Place | None:
    """The innermost line of user code that runs now, inside of the model that is called."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if is_user_file(path):
            return path, frame.f_lineno, frame.f_code.co_name
        if path == _ENTRANCE:
            return None
        frame = frame.f_back  # type: ignore[assignment]
    return None
