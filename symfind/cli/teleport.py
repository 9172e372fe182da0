from typing import Any, Literal

import click

from symfind.cli.options import (
    checkpoint_argument,
    debug_option,
    device_option,
    discover_option,
    json_option,
    reads_file,
    result_option,
    source_options,
)
from symfind.cli.output import deliver, near, print_text, write_bytes
from symfind.cli.progress import working


@click.command("teleport")
@source_options
@checkpoint_argument("weights")
@device_option
@result_option
@click.option(
    "--objective",
    required=True,
    type=click.Choice(["grad-norm", "sharpness", "trace", "norm"]),
    help="Of the loss: squared gradient, largest eigenvalue or trace of the Hessian; or ‖w‖².",
)
@click.option(
    "--data", metavar="FILE.py:NAME", callback=reads_file, help="Batches, pairs (inputs, targets)."
)
@click.option("--steps", type=click.IntRange(1), default=10, show_default=True, help="Rounds.")
@click.option("--radius", type=float, help="Bound on the norm of all coefficients together.")
@click.option("--maximise", is_flag=True, help="Raise it instead; needs a radius.")
@discover_option
@json_option
@debug_option
def teleport_command(
    model: str, out: str, objective: Literal["grad-norm", "sharpness", "trace", "norm"],
    data: str | None, json_file: str | None, quiet: bool, **arguments: Any,
) -> None:  # fmt: skip
    """Move the checkpoint WEIGHTS of MODEL to where an objective is lower, on its orbit.

    The result computes the same function, which is checked in float64.
    """
    with working(quiet, arguments["device"]) as tell:
        from symfind.orbit.checkpoint import packed
        from symfind.orbit.objective import read_data
        from symfind.session.teleporting import teleport

        batches, loss = read_data(data) if data else (None, None)
        found = teleport(
            model, objective=objective, data=batches, loss=loss, progress=tell, **arguments
        )
        write_bytes(out, packed(found.weights, out))
    text = (
        f"{objective:12} {found.before:.4g} -> {found.after:.4g}\n"
        f"moved        by {found.moved:.1%} of the weights\n"
        f"outputs      change by {found.residual:.1e} in float64, {found.rounded:.1e} as saved\n"
        f"written      {near(out)}\n"
    )
    deliver(json_file, quiet, found.to_json, lambda: print_text(text))
