"""One analysis at a time, and a caller who finds everything as it was.

Tracing and measuring set what belongs to the whole process: where standard output goes, which logs
are heard, the default dtype, the mode of a model. Calls from several threads wait for each other.
"""

import logging
import os
import random
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress

from symfind.errors import LoadError

_lock = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Hold other threads back, and put random states and settings back on leaving.

    Raises:
        LoadError: code of the model stopped the program (`sys.exit`), which ends the analysis only.
    """
    with _lock, _restored():
        try:
            yield
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            if _own(error):
                raise
            raise LoadError(_stopped(error)) from error


@contextmanager
def _restored() -> Iterator[None]:
    import torch

    streams, folder = (sys.stdout, sys.stderr), _folder()
    disabled, dtype = logging.root.manager.disable, torch.get_default_dtype()
    python, numpy = random.getstate(), sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        _no_errors()
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        # a forward pass is run hundreds of times; what it prints must not mix with results
        nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8", errors="replace"))
        stack.enter_context(redirect_stdout(nowhere))
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            logging.disable(disabled)
            torch.set_default_dtype(dtype)
            random.setstate(python)
            if numpy is not None:
                numpy.random.set_state(drawn)
            if folder is not None and folder != _folder():
                with suppress(OSError):  # code of the model may have removed it
                    os.chdir(folder)


def _no_errors() -> None:
    """Warnings that a caller turned into errors are warnings again: most are not symfind's."""
    for action, _, category, module, line in list(warnings.filters):
        if action == "error" and module is None and not line:
            warnings.simplefilter("default", category)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return None


def _own(error: BaseException) -> bool:
    """Whether it is symfind's own signal that time is up."""
    return type(error).__module__.startswith("symfind.")


def _stopped(error: BaseException) -> str:
    what = f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if os.path.dirname(__file__) not in f.filename]
    at = f" at {own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else ""
    return f"code of the model stopped the program ({what}){at}; let it raise an error, or return"
