"""What a user sees when something goes wrong: one message and an exit code, no traceback."""

import os
import sys
import traceback
from typing import Any

import click

from symfind.errors import SymfindError

BAD_USAGE = 2
INTERRUPTED = 130


class GuardedGroup(click.Group):
    """A group whose commands end in an exit code, whatever they raise."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see the module."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except SymfindError as error:
            _trace(error, ctx)
            click.echo(f"error: {error}", err=True)
            ctx.exit(BAD_USAGE)
        except BrokenPipeError:
            mute_stdout()
            ctx.exit(0)
        except Exception as error:
            _trace(error, ctx)
            last = (traceback.extract_tb(error.__traceback__) or [None])[-1]
            where = f" ({os.path.basename(last.filename)}:{last.lineno})" if last else ""
            click.echo(
                f"internal error: {type(error).__name__}: {error}{where}\n"
                "This is a fault of symfind, not of the model; --debug shows the traceback.",
                err=True,
            )
            ctx.exit(BAD_USAGE)


def mute_stdout() -> None:
    """Send what is left for standard output nowhere, so that Python's exit stays silent."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass


def _trace(error: BaseException, ctx: click.Context) -> None:
    if ctx.find_root().meta.get("symfind.debug"):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
