"""Progress and warnings, on standard error."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from symfind.budget import LongRunning
from symfind.characters import visible
from symfind.cli.device import check_device

Progress = Callable[[str], None]

_PACKAGE = Path(__file__).parent.parent


@contextmanager
def progress(quiet: bool) -> Iterator[Progress | None]:
    """A function to call with what is being done now, or ``None`` where nobody wants to see it.

    Where standard error is no terminal, only what may never come to an end is printed.
    """
    from rich.console import Console

    stream = sys.stderr  # not what it stands for while a model is traced, which is silenced
    console = Console(file=stream)
    if quiet:
        yield None
    elif console.is_terminal:
        with console.status("starting") as status:
            yield status.update
    else:
        yield lambda line: _unended(line, stream)


def _unended(line: str, stream: TextIO) -> None:
    if isinstance(line, LongRunning):
        click.echo(visible(line), file=stream)


@contextmanager
def spoken_warnings(quiet: bool) -> Iterator[None]:
    """Print symfind's own warnings as lines; with ``--debug`` those of other packages too."""
    debug = click.get_current_context().find_root().meta.get("symfind.debug", False)
    said = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        own = _PACKAGE in Path(filename).parents
        if quiet or not (own or debug) or str(message) in said:
            return
        said.add(str(message))
        click.echo(f"warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


@contextmanager
def working(quiet: bool, device: str = "cpu") -> Iterator[Progress | None]:
    """Everything around the work itself: no downloads, warnings as lines, progress, a device."""
    stay_offline()
    with spoken_warnings(quiet), progress(quiet) as tell:
        if tell:
            tell("importing torch")
        check_device(device)
        yield tell


def stay_offline() -> None:
    """Keep packages that are imported later in this process from downloading or chatting."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
