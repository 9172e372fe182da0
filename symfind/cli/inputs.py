"""Symmetries of the input: fields, finite groups, permutations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import click

from symfind.cli.options import (
    debug_option,
    json_option,
    optional_source_options,
    reads_file,
    weights_option,
    writable,
)
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import Progress, working

_FIELDS = {"affine": False, "degree": 1, "data": None, "steps": 4000, "output": "raw"}
_FINITE = {
    "group": None,
    "axes": (),
    "velocities": None,
    "channels": "trivial",
    "hidden": "auto",
    "out": "auto",
    "symmetrise": None,
}
_REPRESENTATIONS = ["trivial", "regular", "vector"]

_NO_MODEL = "name a MODEL, or give --data FILE.npz"

F = Callable[..., Any]


def _act(ctx: click.Context, parameter: click.Parameter, value: str) -> str | int:
    if value in ("last-axis", "whole"):
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is none of last-axis, whole, or the number of an axis", ctx, parameter
        ) from None


def _axes(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(",")) if value else ()
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no list of axes, such as -2,-1", ctx, parameter
        ) from None


_OPTIONS = (
    click.option(
        "--act",
        default="last-axis",
        show_default=True,
        metavar="last-axis|whole|AXIS",
        callback=_act,
        help="On what fields act: one axis, alike for all other indices, or all of a sample.",
    ),
    click.option("--affine", is_flag=True, help="Fields with constant terms as well."),
    click.option(
        "--degree",
        type=click.IntRange(1, 2),
        default=1,
        show_default=True,
        help="2: all polynomial fields of degree two.",
    ),
    click.option(
        "--on",
        multiple=True,
        metavar="NAME",
        help="Inputs that move together, by name; repeatable. All real ones without it.",
    ),
    click.option(
        "--data",
        metavar="FILE.npz",
        callback=reads_file,
        help="Samples x, and y that a function is fitted to where there is no MODEL.",
    ),
    click.option(
        "--steps",
        type=click.IntRange(1),
        default=4000,
        show_default=True,
        help="Of the fit to data.",
    ),
    click.option("--permutations", is_flag=True, help="Which permutations of entries f has."),
    click.option(
        "--equivariant", is_flag=True, help="With --permutations: the output is permuted alike."
    ),
    click.option(
        "--group",
        metavar="G",
        help="A finite group: D4, C4, Oh, … turn a grid; S_n and C_n permute an axis; or a file "
        ".npy of matrices or permutations.",
    ),
    click.option(
        "--axes",
        metavar="A,B",
        callback=_axes,
        help="Axes of the input that the group acts on; the last ones without it.",
    ),
    click.option(
        "--velocities",
        metavar="DdQq",
        help="The group permutes an axis as it does these velocities: D2Q9, D3Q19, …",
    ),
    click.option(
        "--channels",
        type=click.Choice(_REPRESENTATIONS),
        default="trivial",
        show_default=True,
        help="How the group acts along the axis before the grid.",
    ),
    click.option(
        "--hidden",
        type=click.Choice(["auto", *_REPRESENTATIONS, "index"]),
        default="auto",
        show_default=True,
        help="How it acts along hidden indices; index: as along the input.",
    ),
    click.option(
        "--out",
        type=click.Choice(["auto", *_REPRESENTATIONS, "index"]),
        default="auto",
        show_default=True,
        help="How it acts along the last axis of the output that is no grid.",
    ),
    click.option(
        "--symmetrise",
        metavar="FILE",
        callback=writable,
        help="With --group: write the weights, averaged over the group, for torch.load.",
    ),
)


def _options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("inputs")
@optional_source_options
@_options
@weights_option
@json_option
@click.option("--details", is_flag=True, help="Show everything that was found.")
@debug_option
@click.pass_context
def inputs_command(
    ctx: click.Context,
    model: str | None,
    inputs: tuple[str, ...],
    json_file: str | None,
    details: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Find which transformations of the input leave MODEL unchanged.

    MODEL may also be a plain function of tensors in a file, beside `example_inputs`. A field X with
    grad f(x) . X(x) = 0 for all x is looked for, by rules and by measurement, applied for a finite
    time, and the algebra of all is named. With --data a function is fitted to samples, or MODEL is
    looked at there; each field then has a defect, and a bound of it.

    With --group a finite group is tried: is f invariant or equivariant, how does the group act on
    the parameters, and how many of them has the equivariant network. With --permutations those of
    the entries are searched for.

    Exit codes: 0 done; 1 undetermined; 2 bad usage, or a model that cannot be loaded.
    """
    _check(model, arguments)
    chosen = _finite if arguments["group"] else _entries if arguments["permutations"] else _fields
    with working(quiet) as tell:
        found, text = chosen(_Asked(model, inputs, arguments, details, tell))
    deliver(json_file, quiet, found.to_json, lambda: print_text(text))
    ctx.exit(1 if getattr(found, "status", "found") == "undetermined" else 0)


def _check(model: str | None, arguments: dict[str, Any]) -> None:
    """Options that say nothing together are refused."""
    group, permutations = arguments["group"], arguments["permutations"]
    if model is None and (arguments["data"] is None or group or permutations):
        raise click.UsageError(_NO_MODEL)
    if group and permutations:
        raise click.UsageError("--group tries one group, --permutations finds them: choose one")
    foreign = (_FIELDS if group or permutations else {}) | ({} if group else _FINITE)
    for name, default in foreign.items():
        if arguments[name] != default:
            alone = "is about fields: leave out --group and --permutations"
            raise click.UsageError(f"--{name} {alone if name in _FIELDS else 'needs --group'}")
    if group and arguments["act"] != "last-axis":
        raise click.UsageError("--group acts on --axes, not on --act")
    if arguments["equivariant"] and not permutations:
        raise click.UsageError("--equivariant needs --permutations")


class _Asked(NamedTuple):
    """What the command was given, and whom to tell."""

    model: str | None
    specs: tuple[str, ...]
    arguments: dict[str, Any]
    details: bool
    tell: Progress | None

    @property
    def spec(self) -> str:
        """The model, where one has to be there."""
        if self.model is None:
            raise click.UsageError(_NO_MODEL)
        return self.model

    def picked(self, *names: str) -> dict[str, Any]:
        """Arguments for a search: those that all take, and these."""
        shared = ("on", "seed", "train", "settings", "weights")
        chosen = {name: self.arguments[name] for name in (*shared, *names)}
        return {"specs": self.specs, "progress": self.tell, **chosen}


def _fields(asked: _Asked) -> tuple[Any, str]:
    from symfind.transforms import inputs
    from symfind.transforms.render import table

    found = inputs(asked.model, **asked.picked("act", *_FIELDS))
    return found, table(found, asked.details)


def _entries(asked: _Asked) -> tuple[Any, str]:
    from symfind.transforms import input_permutations
    from symfind.transforms.render_finite import permutations_table

    found = input_permutations(asked.spec, **asked.picked("act", "equivariant"))
    return found, permutations_table(found, asked.details)


def _finite(asked: _Asked) -> tuple[Any, str]:
    from symfind.transforms import equivariance
    from symfind.transforms.render_finite import equivariance_table

    picked = asked.picked(*_FINITE)
    target = picked.pop("symmetrise")
    found = equivariance(asked.spec, **picked)
    if target is not None:
        from symfind.transforms.keep import keep

        keep(found, target)
    return found, equivariance_table(found, asked.details)
