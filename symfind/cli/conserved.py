from typing import Any, Literal

import click

from symfind.cli.device import check_device
from symfind.cli.options import debug_option, model_options
from symfind.cli.output import STDOUT, check_writable, print_text, write_text
from symfind.cli.progress import progress, spoken_warnings, stay_offline


@click.command("conserved")
@model_options
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Follow a gradient flow and count the laws a second time, where the model is small.",
)
@click.option("--json", "json_file", metavar="FILE", help="Write the laws as JSON; - for stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "latex"]),
    default="table",
    show_default=True,
)
@debug_option
@click.pass_context
def conserved_command(
    ctx: click.Context,
    model: str,
    json_file: str | None,
    form: Literal["table", "json", "latex"],
    quiet: bool,
    verify: bool,
    **arguments: Any,
) -> None:
    """List what gradient flow conserves in MODEL, whatever the loss and the data.

    Exit codes: 0 done; 1 a law changed along the flow, or a generator failed verification; 2 bad
    usage, or a model that cannot be loaded or traced.
    """
    if not verify:
        raise click.UsageError(
            "laws are read off generators that hold on the model: leave out --no-verify"
        )
    if json_file is not None:
        check_writable(json_file)
    stay_offline()
    with spoken_warnings(quiet), progress(quiet) as tell:
        if tell:
            tell("importing torch")
        check_device(arguments["device"])
        from symfind.conserve import conserved, render

        found = conserved(model, progress=tell, **arguments)
    if json_file is not None:
        write_text(json_file, found.to_json() + "\n")
    if json_file != STDOUT and not (quiet and json_file is not None):
        print_text(render(found, form))
    ctx.exit(1 if "failed" in found.verification or found.flow.status == "violated" else 0)
