from typing import Any, Literal

import click

from symfind.cli.analyze import exit_code, run
from symfind.cli.options import debug_option, format_option, model_options
from symfind.cli.output import print_text


@click.command("dims")
@model_options
@format_option("table", "csv", "json")
@debug_option
@click.pass_context
def dims_command(
    ctx: click.Context,
    model: str,
    form: Literal["table", "csv", "json"],
    quiet: bool,
    **arguments: Any,
) -> None:
    """Tabulate the dimensions of MODEL by kind of symmetry and by layer."""
    report = run(model, quiet, certify="never", **arguments)
    from symfind.report.dims import dims_table

    print_text(dims_table(report, form).rstrip("\n") + "\n")
    ctx.exit(exit_code(report, strict=False))
