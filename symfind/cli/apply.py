from typing import TYPE_CHECKING, Any

import click

from symfind.cli.options import (
    checkpoint_option,
    debug_option,
    device_option,
    json_option,
    reads_file,
    result_option,
    source_options,
)
from symfind.cli.output import deliver, near, print_text, write_bytes
from symfind.cli.progress import working

if TYPE_CHECKING:
    from symfind.session.acting import Applied


@click.command("apply")
@source_options
@device_option
@checkpoint_option
@click.option("--site", required=True, metavar="ID", help="Where: an id of `analyze --details`.")
@click.option(
    "--matrix",
    required=True,
    metavar="FILE|hadamard|random",
    callback=reads_file,
    help="The element: a file with one tensor, a Hadamard matrix, or a random element.",
)
@result_option
@json_option
@debug_option
def apply_command(
    model: str, site: str, matrix: str, out: str, json_file: str | None, quiet: bool,
    **arguments: Any,
) -> None:  # fmt: skip
    """Put a matrix of the group at one site of a checkpoint of MODEL.

    The result computes the same function, which is checked in float64. Refused, with exit code 2
    and nothing written, where the matrix is not in the group at that site.
    """
    with working(quiet, arguments["device"]) as tell:
        from symfind.orbit.checkpoint import packed
        from symfind.session import apply

        found = apply(model, site=site, matrix=matrix, progress=tell, **arguments)
        write_bytes(out, packed(found.weights, out))
    deliver(json_file, quiet, found.to_json, lambda: print_text(shown(found, site, out)))


def shown(found: "Applied", site: str, out: str) -> str:
    """What was done, in a few lines."""
    return (
        f"site      {site}\n"
        f"moved     {', '.join(found.parameters)}\n"
        f"          by {found.moved:.1%} of the weights\n"
        f"outputs   change by {found.residual:.1e} in float64, {found.rounded:.1e} as saved\n"
        f"written   {near(out)}\n"
    )
