"""What a user sees when something goes wrong: one message and an exit code, no traceback."""

import difflib
import gc
import os
import signal
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

import click

from symfind.characters import visible
from symfind.errors import SymfindError

BAD_USAGE = 2
INTERRUPTED = 130
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
_PACKAGE = str(Path(__file__).parent.parent)
_COLLECTED = 100_000, 20, 20  # allocations between two collections of cycles, and how many of these
# between two of what is older: torch alone is a million objects, that each full one walks through


class GuardedGroup(click.Group):
    """A group whose commands end in an exit code, whatever they raise.

    A model in the place of a command is analysed.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant: `symfind model.py` is `symfind analyze model.py`."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            meant = difflib.get_close_matches(args[0], self.list_commands(ctx))
            if _names_model(args[0]) or not meant:
                args = ["analyze", *args]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see the module."""
        signal.signal(signal.SIGTERM, _terminated)
        before = gc.get_threshold()
        gc.set_threshold(*_COLLECTED)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as error:
            click.echo(str(error) or "interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            mute_stdout()
            ctx.exit(0)
        except BaseException as error:
            _trace(error, ctx)
            click.echo(visible(message(error), lines=True), err=True)
            ctx.exit(BAD_USAGE)
        finally:
            gc.set_threshold(*before)


def _names_model(text: str) -> bool:
    """Whether an argument is a spec rather than a misspelt command."""
    return ":" in text or "/" in text or "\\" in text or os.path.isfile(text)


def _terminated(number: int, frame: object) -> None:
    """What ends a process from outside is an interruption: what is known by then is reported."""
    raise KeyboardInterrupt


def message(error: BaseException) -> str:
    """What is said of an error: whose fault it is, and where."""
    if isinstance(error, SymfindError):
        return f"error: {error}"
    what = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    if isinstance(error, RecursionError):
        return "error: nested too deeply for Python, which follows " + (
            f"{sys.getrecursionlimit()} calls within each other; raise that (sys.setrecursionlimit)"
        )
    if isinstance(error, FileNotFoundError) and not _folder_exists():
        return "error: the current folder is no longer there; change to another one"
    if isinstance(error, OSError) and error.filename is not None:
        return f"error: cannot use {os.fsdecode(error.filename)!r}: {error.strerror or error}"
    if isinstance(error, MemoryError) or any(words in what for words in _NO_MEMORY):
        return "error: not enough memory; choose smaller sizes (--set), or --no-verify"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = _of_user(frames)
    if theirs is not None:
        return f"error: code of the model failed: {what}\n  at {theirs}"
    last = (frames or [None])[-1]
    where = f" ({os.path.basename(last.filename)}:{last.lineno})" if last else ""
    return (
        f"internal error: {what}{where}\n"
        "This is a fault of symfind, not of the model; --debug shows the traceback."
    )


def _folder_exists() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def mute_stdout() -> None:
    """Send what is left for standard output nowhere, so that Python's exit stays silent."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass


def _of_user(frames: traceback.StackSummary) -> str | None:
    """Where in a user's own file it was raised, also through a library that the file called."""
    libraries = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    for frame in reversed(frames):
        if frame.filename.startswith(_PACKAGE):
            return None
        inside = any(frame.filename.startswith(folder) for folder in libraries)
        if not inside and os.path.isfile(frame.filename):
            return f"{frame.filename}:{frame.lineno} in {frame.name}"
    return None


def _trace(error: BaseException, ctx: click.Context) -> None:
    if ctx.find_root().meta.get("symfind.debug"):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
