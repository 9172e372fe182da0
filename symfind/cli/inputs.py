from typing import Any

import click

from symfind.cli.options import debug_option, json_option, source_options, weights_option
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working


def _act(ctx: click.Context, parameter: click.Parameter, value: str) -> str | int:
    if value in ("last-axis", "whole"):
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is none of last-axis, whole, or the number of an axis", ctx, parameter
        ) from None


@click.command("inputs")
@source_options
@click.option(
    "--act",
    default="last-axis",
    show_default=True,
    metavar="last-axis|whole|AXIS",
    callback=_act,
    help="On what fields act: one axis, alike for all other indices, or all of a sample.",
)
@click.option("--affine", is_flag=True, help="Fields with constant terms as well.")
@click.option(
    "--degree",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="2: all polynomial fields of degree two.",
)
@click.option(
    "--on",
    multiple=True,
    metavar="NAME",
    help="Inputs that move together, by name; repeatable. All real ones without it.",
)
@weights_option
@json_option
@click.option("--details", is_flag=True, help="Show every generator.")
@debug_option
@click.pass_context
def inputs_command(
    ctx: click.Context,
    model: str,
    inputs: tuple[str, ...],
    json_file: str | None,
    details: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Find which transformations of the input leave MODEL unchanged.

    MODEL may also be a plain function of tensors in a file, beside `example_inputs`. A field X with
    grad f(x) . X(x) = 0 for all x is looked for, by rules and by measurement, applied for a finite
    time, and the algebra of all is named.

    Exit codes: 0 done; 1 undetermined; 2 bad usage, or a model that cannot be loaded.
    """
    with working(quiet) as tell:
        from symfind.transforms import inputs as find
        from symfind.transforms.render import table

        found = find(model, specs=inputs, progress=tell, **arguments)
    deliver(json_file, quiet, found.to_json, lambda: print_text(table(found, details)))
    ctx.exit(1 if found.status == "undetermined" else 0)
