import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symfind.cli.options import debug_option, json_option, reads_file, settings_of
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working
from symfind.errors import InputError

if TYPE_CHECKING:
    from symfind.report import Report


@click.command("diff")
@click.argument("a", metavar="A", callback=reads_file)
@click.argument("b", metavar="B", callback=reads_file)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", callback=settings_of,
    help="Setting for both, where they are model specs; repeatable.",
)  # fmt: skip
@click.option(
    "--set-a", multiple=True, metavar="KEY=VALUE", callback=settings_of, help="For A alone."
)
@click.option(
    "--set-b", multiple=True, metavar="KEY=VALUE", callback=settings_of, help="For B alone."
)
@click.option(
    "--input", "inputs", multiple=True, metavar="SPEC",
    help="Example input of both, where they are model specs; repeatable.",
)  # fmt: skip
@click.option(
    "--certify/--no-certify", default=False, show_default=True,
    help="Verify and certify the models as well; reports have it with them.",
)  # fmt: skip
@json_option
@click.option("--quiet", is_flag=True, help="No progress, no warnings.")
@debug_option
@click.pass_context
def diff_command(
    ctx: click.Context,
    a: str,
    b: str,
    settings: dict[str, str],
    set_a: dict[str, str],
    set_b: dict[str, str],
    inputs: tuple[str, ...],
    certify: bool,
    json_file: str | None,
    quiet: bool,
) -> None:
    """Compare two reports (JSON files of analyze), two model specs, or one of each.

    Groups are listed that only one of them has, layer by layer, with the dimensions that change.

    Exit codes: 0 the same; 1 different; 2 bad usage.
    """
    with working(quiet) as tell:
        common: dict[str, Any] = {"inputs": inputs, "progress": tell}
        both = [_read(path) for path in (a, b)]
        if both[0] is not None and (settings or inputs) and both[1] is not None:
            raise InputError("--set and --input are for model specs, and both are reports")
        checked = certify or any(report is not None for report in both)
        reports = [
            report or _analysed(spec, {**settings, **own}, checked, common)
            for report, spec, own in zip(both, (a, b), (set_a, set_b), strict=True)
        ]
    from symfind.report.difference import difference
    from symfind.report.difference_text import render

    found = difference(*reports)
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False)
    deliver(json_file, quiet, lambda: text, lambda: print_text(render(found)))
    ctx.exit(0 if found.same else 1)


def _read(path: str) -> "Report | None":
    """The report in a file, None where it is a model spec."""
    if not path.endswith(".json") or path.startswith("transformers:"):
        return None
    from symfind.report import Report, ReportFormatError

    try:
        return Report.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the report {path}: {reason}") from error
    except ReportFormatError as error:
        raise InputError(
            f"{path}: {error}; write one with symfind analyze MODEL --json {path}"
        ) from error


def _analysed(
    spec: str, settings: dict[str, str], checked: bool, common: dict[str, Any]
) -> "Report":
    from symfind.session import analyze

    certify: Any = "auto" if checked else "never"
    return analyze(spec, settings=settings, verify=checked, certify=certify, **common)
