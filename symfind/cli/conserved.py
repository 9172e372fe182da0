from typing import Any, Literal

import click

from symfind.cli.options import debug_option, format_option, json_option, model_options
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working


@click.command("conserved")
@model_options
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Follow a gradient flow and count the laws a second time, where the model is small.",
)
@click.option(
    "--steps",
    metavar="OPTIMISER",
    help="Follow the laws under discrete steps: sgd:lr=0.1,momentum=0.9,wd=0.01, or adam:lr=0.001.",
)
@json_option
@format_option("table", "json", "latex")
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
    with working(quiet, arguments["device"]) as tell:
        from symfind.conserve import render
        from symfind.session import conserved

        found = conserved(model, progress=tell, **arguments)
    deliver(json_file, quiet, found.to_json, lambda: print_text(render(found, form)))
    ctx.exit(1 if "failed" in found.verification or found.flow.status == "violated" else 0)
