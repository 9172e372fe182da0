from functools import partial
from typing import Any

import click

from symfind.cli.options import debug_option, json_option, source_options
from symfind.cli.output import deliver, print_page
from symfind.cli.progress import working


@click.command("discover")
@source_options
@click.option(
    "--fields",
    type=click.IntRange(1),
    default=6000,
    show_default=True,
    help="Size of the dictionary at most.",
)
@json_option
@click.option("--details", is_flag=True, help="Show every generator with its coefficients.")
@debug_option
@click.pass_context
def discover_command(
    ctx: click.Context,
    model: str,
    json_file: str | None,
    details: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Find the symmetries of MODEL without rules, from its derivatives alone.

    The invariance equation is solved over a dictionary of local vector fields, stacked over random
    parameters and inputs; what is found is compared with what the rules derive. For models of at
    most 2,000 parameters: choose small sizes with --set.

    Exit codes: 0 solved; 1 undetermined; 2 bad usage, or a model that cannot be loaded.
    """
    with working(quiet) as tell:
        from symfind.discovery.terminal import render
        from symfind.session import discover

        found = discover(model, progress=tell, **arguments)
    page = partial(print_page, lambda console: render(found, console, details))
    deliver(json_file, quiet, found.to_json, page)
    ctx.exit(1 if found.status == "undetermined" else 0)
