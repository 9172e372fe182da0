"""Writing results: whole or not at all, and refused before the work rather than after it."""

import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from symfind.characters import visible
from symfind.cli.guard import mute_stdout
from symfind.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

STDOUT = "-"
BARS = "▁▂▃▄▅▆▇█"  # heights in a line of text
_PREFIX = ".symfind."


def check_writable(path: str) -> None:
    """Make sure that a file can be written, without touching what is there.

    Raises:
        OutputError: It cannot; the message says why.
    """
    if path == STDOUT:
        return
    target = Path(path)
    try:
        if target.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        if _is_special(target):
            return
        folder = _resolved(target).parent
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {path}: {reason}") from error
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {folder}; create it first")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"cannot write {path}: the file is read-only")
    try:
        handle, probe = tempfile.mkstemp(dir=folder, prefix=_PREFIX)
        os.close(handle)
        os.unlink(probe)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: str, text: str) -> None:
    """Write a file in one step, or standard output for ``-``.

    Raises:
        OutputError: It cannot be written; what was there before stays.
    """
    if path == STDOUT:
        # JSON is UTF-8, whatever the terminal speaks
        print_text(visible(text, lines=True).encode("utf-8"))
        return
    target = Path(path)
    try:
        if _is_special(target):
            target.write_text(text, encoding="utf-8", errors="backslashreplace")
        else:
            _replace(_resolved(target), text.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def write_bytes(path: str, data: bytes) -> None:
    """Write a file in one step.

    Raises:
        OutputError: It cannot be written; what was there before stays.
    """
    target = Path(path)
    try:
        if _is_special(target):
            target.write_bytes(data)
        else:
            _replace(_resolved(target), data)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def near(path: str) -> str:
    """A path as it is seen from where the command was called."""
    here = os.path.relpath(path)
    return path if here.startswith("..") else here


def deliver(
    file: str | None, quiet: bool, to_json: Callable[[], str], show: Callable[[], None]
) -> None:
    """Write JSON where a file was named, and show the result unless only the file is wanted."""
    if file is not None:
        write_text(file, to_json() + "\n")
    if file != STDOUT and not (quiet and file is not None):
        show()


def print_text(text: str | bytes) -> None:
    """Print a result; a reader that has gone away is no error.

    Raises:
        OutputError: Standard output cannot take it (a full disk).
    """
    if isinstance(text, str):
        text = visible(text, lines=True)
    _echo(text)


def _echo(text: str | bytes) -> None:
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        mute_stdout()
    except (OSError, ValueError) as error:  # full, or closed by the model
        if isinstance(error, UnicodeEncodeError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write to standard output: {reason}") from error


def print_page(render: "Callable[[Console], None]") -> None:
    """Print what a function renders on a console as wide and as colourful as standard output.

    Raises:
        OutputError: Standard output cannot take it.
    """
    from rich.console import Console

    target = Console()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    # rendered first and printed at once: a pipe may close at any line
    page = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace", newline="")
    console = Console(
        file=page,
        width=target.width,
        force_terminal=target.is_terminal,
        no_color=target.no_color,
        legacy_windows=False,
    )
    render(console)
    page.seek(0)
    text = page.read()
    if not target.is_terminal:  # columns are filled up with spaces
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    _echo(text)  # its own escape sequences are colours


def _replace(target: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=_PREFIX)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _resolved(target: Path) -> Path:
    # a link keeps pointing to its file
    return target.resolve()


def _is_special(target: Path) -> bool:
    # /dev/null and named pipes must not be replaced by a file
    return target.exists() and not target.is_file()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
