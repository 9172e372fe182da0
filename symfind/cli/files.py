"""Files that a command reads and writes: none is written over another."""

import os
from pathlib import Path

import click

from symfind.errors import OutputError

_KEY = "symfind.files"


def reads(ctx: click.Context, spec: str, what: str) -> None:
    """Note a file that is read; of a model spec, the file before the last colon.

    Raises:
        OutputError: the command is to write it.
    """
    for path in (spec, spec.rpartition(":")[0]):
        if path and _is_file(path):
            _note(ctx, path, what, writes=False)
            return


def writes(ctx: click.Context, path: str, what: str) -> None:
    """Note a file that is written.

    Raises:
        OutputError: the command reads it, or writes it twice.
    """
    if _is_file(path) or not os.path.lexists(path):  # devices may be written by all
        _note(ctx, path, what, writes=True)


def _note(ctx: click.Context, path: str, what: str, writes: bool) -> None:
    try:
        real = os.path.realpath(path)
    except ValueError as error:  # no path at all
        raise OutputError(f"{what} {path}: {error}") from error
    noted: dict[str, tuple[str, bool]] = ctx.meta.setdefault(_KEY, {})
    other, written = noted.get(real, ("", False))
    if other and (writes or written):
        raise OutputError(f"{what} {path} is the file of {other} as well; name another file")
    noted[real] = (what, writes or written)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
