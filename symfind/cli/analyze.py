from typing import TYPE_CHECKING, Any

import click

from symfind.cli.options import (
    Duration,
    debug_option,
    json_option,
    model_options,
    page_option,
    weights_option,
)
from symfind.cli.output import deliver, print_page, write_text
from symfind.cli.progress import working
from symfind.errors import Interrupted

if TYPE_CHECKING:
    from symfind.report import Report


@click.command("analyze")
@model_options
@weights_option
@click.option(
    "--certify",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Measure the nullity: where the model or its twin is small enough, always, or never.",
)
@click.option(
    "--points",
    default="generic",
    show_default=True,
    metavar="NAMES",
    help="Where the nullity is measured: generic (random), init, weights; joined by commas.",
)
@click.option(
    "--budget",
    type=Duration(),
    metavar="TIME",
    help="Limit on verification and certificate together, and on code of the model: 60s, 5m, 1h.",
)
@click.option(
    "--discover",
    is_flag=True,
    help="Look long for vector fields that explain what no rule does.",
)
@click.option(
    "--discovery/--no-discovery",
    default=True,
    show_default=True,
    help="Look for such fields at all; those that stand on the model count.",
)
@click.option(
    "--formula/--no-formula",
    default=True,
    show_default=True,
    help="Count at other sizes of the model's arguments, for a formula in them.",
)
@click.option("--without", multiple=True, hidden=True)
@json_option
@page_option
@click.option("--details", is_flag=True, help="Show every place, tensor and size.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 unless the report is complete and everything supported.",
)
@debug_option
@click.pass_context
def analyze_command(
    ctx: click.Context,
    model: str,
    json_file: str | None,
    page_file: str | None,
    details: bool,
    strict: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Analyse MODEL: which groups act, where, and how many dimensions they remove.

    Exit codes: 0 analysed; 1 a generator failed verification, or --strict and the report is not
    complete; 2 bad usage, or a model that cannot be loaded or traced; 130 interrupted before
    anything was derived. Interrupted later, the report says what is known by then.
    """
    try:
        report = run(model, quiet, **arguments)
    except Interrupted as stop:
        if json_file is not None and stop.report is not None:
            write_text(json_file, stop.report.to_json() + "\n")
        raise
    if page_file is not None:
        from symfind.report.pages import form_of, page

        write_text(page_file, page(report, form_of(page_file)))
    deliver(json_file, quiet, report.to_json, lambda: print_report(report, details))
    ctx.exit(exit_code(report, strict))


def run(model: str, quiet: bool, **arguments: Any) -> "Report":
    """Analyse a spec with progress and warnings on standard error."""
    with working(quiet, arguments["device"]) as tell:
        try:
            from symfind.session import analyze

            return analyze(model, progress=tell, **arguments)
        except Interrupted:
            raise
        except KeyboardInterrupt as error:  # in what follows, a report is made of what is known
            raise Interrupted("loading the model") from error


def print_report(report: "Report", details: bool) -> None:
    """Render the report on standard output."""
    from symfind.report.terminal import render

    print_page(lambda console: render(report, console, details))


def exit_code(report: "Report", strict: bool) -> int:
    """The exit code that a report calls for."""
    if report.verification.status == "failed":
        return 1
    if strict and (not report.is_complete or report.unsupported):
        return 1
    return 0
