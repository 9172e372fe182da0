from typing import Any, Literal

import click

from symfind.cli.options import debug_option, format_option, model_options
from symfind.cli.output import print_text
from symfind.cli.progress import working


@click.command("permutations")
@model_options
@format_option(
    "table",
    "json",
    "python",
    help="python: source that defines axes_to_perm, as re-basin codes read it.",
)
@debug_option
def permutations_command(
    model: str, form: Literal["table", "json", "python"], quiet: bool, **arguments: Any
) -> None:
    """List the permutations of hidden indices of MODEL and the axes on which they act."""
    with working(quiet, arguments["device"]) as tell:
        from symfind.session import permutations

        spec = permutations(model, progress=tell, **arguments)
    from symfind.discrete import render

    forms = {"table": render.table, "json": render.as_json, "python": render.as_python}
    print_text(forms[form](spec))
