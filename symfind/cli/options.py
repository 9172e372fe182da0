"""Options that several commands share."""

import os
from collections.abc import Callable
from typing import Any

import click

from symfind.cli.files import reads, writes
from symfind.cli.output import STDOUT, check_writable
from symfind.errors import OutputError

F = Callable[..., Any]


def settings_of(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """KEY=VALUE, repeated, as a table."""
    settings = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", ctx, parameter)
        settings[key.strip()] = value
    return settings


class Duration(click.ParamType):
    """A time such as ``60s``, ``5m``, ``1.5h`` or ``90``, in seconds."""

    name = "time"
    _UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds of a text."""
        text = str(value).strip().lower()
        unit = self._UNITS.get(text[-1:], None)
        try:
            seconds = float(text[:-1] if unit else text) * (unit or 1.0)
        except ValueError:
            seconds = -1.0
        if not 0.0 < seconds < float("inf"):
            self.fail(f"{value!r} is no time; write 60s, 5m or 1h", param, ctx)
        return seconds


def _debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    ctx.find_root().meta["symfind.debug"] = value
    return value


def writable(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A file to write, refused before the work where it cannot be."""
    if value is None or value == STDOUT:
        return value
    check_writable(value)
    writes(ctx, value, parameter.opts[0])
    return os.path.abspath(value)  # the model may change the folder


def _file(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value == STDOUT:
        raise OutputError(f"{parameter.opts[0]} wants the name of a file")
    return writable(ctx, parameter, value)


def reads_file(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """One or several files or specs that are read, refused where the command writes one of them."""
    what = parameter.opts[0] if parameter.opts[0].startswith("-") else "the model"
    for one in (value,) if isinstance(value, str) else value or ():
        reads(ctx, one, what)
    return value


def _page(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from symfind.report.pages import form_of

        form_of(value)
    return writable(ctx, parameter, value)


_SOURCE_OPTIONS = (
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="SPEC",
        help="Example input: f32[8,3,224,224], name=i64[1,128] or 'i64<VOCAB>[1,128]'; repeatable.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        callback=settings_of,
        help="Keyword argument for the factory, class or config; repeatable.",
    ),
    click.option(
        "--output",
        type=click.Choice(["raw", "softmax"]),
        default="raw",
        show_default=True,
        help="softmax: outputs that differ by what softmax ignores are the same.",
    ),
    click.option("--train", is_flag=True, help="Analyse training mode (batch statistics)."),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=0,
        show_default=True,
        help="Random seed.",
    ),
    click.option(
        "--quiet",
        is_flag=True,
        help="No progress, no warnings; beside --json FILE no table either.",
    ),
)

_CHECK_OPTIONS = (
    click.option(
        "--verify/--no-verify",
        default=True,
        show_default=True,
        help="Check the generators on the model itself.",
    ),
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        help="Where generators are verified: cpu, cuda, cuda:1, …",
    ),
)


def debug_option(command: F) -> F:
    """Add ``--debug``, which the guard looks at."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_debug,
        help="Show tracebacks and all warnings.",
    )(command)


def _file_option(flag: str, callback: F, help: str) -> Callable[[F], F]:
    """An option that names a file, refused before the work where it cannot be written."""
    name = f"{flag.removeprefix('--')}_file"
    return click.option(flag, name, metavar="FILE", callback=callback, help=help)


json_option = _file_option("--json", writable, "Write the result as JSON; - for stdout.")
weights_option = click.option(
    "--weights",
    metavar="FILE",
    callback=reads_file,
    help="Analyse this point as well: safetensors, or a torch file without code.",
)
checkpoint_option = click.option(
    "--weights",
    required=True,
    metavar="FILE",
    callback=reads_file,
    help="The checkpoint: safetensors, or a torch file without code.",
)
result_option = click.option(
    "-o",
    "--out",
    "out",
    required=True,
    metavar="FILE",
    callback=_file,
    help="Where the result is written: safetensors by its ending, else a torch file.",
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where the model is evaluated: cpu, cuda, …"
)

discover_option = click.option(
    "--discover", is_flag=True, help="Act by what discovery finds, too; takes time, small models."
)


def written_option(flag: str, help: str) -> Callable[[F], F]:
    """A further file that is written."""
    return click.option(flag, metavar="FILE", callback=_file, help=help)


def checkpoint_argument(name: str) -> Callable[[F], F]:
    """A checkpoint that is read, as an argument."""
    return click.argument(name, metavar=name.upper(), callback=reads_file)


page_option = _file_option(
    "--page",
    _page,
    "Write the report as a page: FILE.html (with pictures), .svg, .md or .tex.",
)


def format_option(*forms: str, help: str | None = None) -> Callable[[F], F]:
    """Add ``--format``, one of some forms, the first by default."""
    return click.option(
        "--format", "form", type=click.Choice(forms), default=forms[0], show_default=True, help=help
    )


def source_options(command: F) -> F:
    """Add the argument MODEL and the options that say which function of parameters it is."""
    for option in reversed(_SOURCE_OPTIONS):
        command = option(command)
    return click.argument("model", metavar="MODEL", callback=reads_file)(command)


def optional_source_options(command: F) -> F:
    """The same where MODEL may be left out."""
    for option in reversed(_SOURCE_OPTIONS):
        command = option(command)
    return click.argument("model", metavar="[MODEL]", callback=reads_file, required=False)(command)


def model_options(command: F) -> F:
    """Add `source_options` and those that say how generators are checked."""
    for option in reversed(_CHECK_OPTIONS):
        command = option(command)
    return source_options(command)
