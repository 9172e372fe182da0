import math
from typing import TYPE_CHECKING, Any, Literal

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
    written_option,
)
from symfind.cli.output import BARS, deliver, near, print_text, write_bytes
from symfind.cli.progress import working

if TYPE_CHECKING:
    from symfind.session.acting import Alignment


@click.command("align")
@source_options
@checkpoint_argument("a")
@checkpoint_argument("b")
@device_option
@result_option
@written_option("--out-a", "Write A in the common gauge, too; without it B is led to A as it is.")
@click.option(
    "--data",
    metavar="FILE.py:NAME",
    callback=reads_file,
    help="Batches, pairs (inputs, targets): barriers are measured on them.",
)
@click.option(
    "--steps",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the learned alignment: the loss between A and B is lowered on the data; without "
    "data, on random inputs, how far the outputs are from those of A and B.",
)
@click.option("--only", type=click.Choice(["permutations"]), help="Nothing but these.")
@discover_option
@json_option
@debug_option
def align_command(
    model: str, out: str, out_a: str | None, data: str | None, only: Literal["permutations"] | None,
    json_file: str | None, quiet: bool, **arguments: Any,
) -> None:  # fmt: skip
    """Move checkpoint B of MODEL along its orbit to where checkpoint A is nearest.

    B computes the same function as before, which is checked in float64.
    """
    with working(quiet, arguments["device"]) as tell:
        from symfind.orbit.checkpoint import packed
        from symfind.orbit.objective import read_data
        from symfind.session import align

        batches, loss = read_data(data) if data else (None, None)
        found = align(
            model, data=batches, loss=loss, only=only or "", gauge="common" if out_a else "own",
            progress=tell, **arguments,
        )  # fmt: skip
        parts = [(out, packed(found.b, out)), *([(out_a, packed(found.a, out_a))] if out_a else [])]
        text = shown(found, ", ".join(near(path) for path, _ in parts))
        for path, content in parts:
            write_bytes(path, content)
    deliver(json_file, quiet, found.to_json, lambda: print_text(text))


def shown(found: "Alignment", written: str) -> str:
    """A table of the ways to align, and a picture of the losses between."""
    rows = [f"{'':22}{'distance':>10}{'barrier':>10}   loss from a to b"]
    losses = [x for w in found.ways for x in w.losses if math.isfinite(x)]
    top, low = max(losses, default=0.0), min(losses, default=0.0)
    for w in found.ways:
        barrier = "" if w.barrier is None else f"{w.barrier:.4f}"
        rows.append(f"{w.name:22}{w.distance:10.2e}{barrier:>10}   {_bars(w.losses, low, top)}")
    shares = [f"{kind} {part:.1%}" for kind, part in found.shares.items() if abs(part) > 5e-4]
    lines = [*(row.rstrip() for row in rows), ""]
    lines.append(f"taken away   {', '.join(shares) or 'nothing'} of the squared distance")
    if found.unrest:
        lines.append(f"not at rest  the common gauge is approximate: its last sweep still moved "
                     f"by {found.unrest:.1e}")  # fmt: skip
    if found.imitated:
        lines.append(
            "barrier      on random inputs: squared distance of the outputs from those between"
        )
    if found.chosen and found.chosen != found.ways[-1].name:
        lines.append(f"kept         {found.chosen}: nothing that follows comes as near")
    lines += [f"no unique form: {note}" for note in found.notes]
    lines.append(
        f"outputs      of b change by {found.residual:.1e} in float64, {found.rounded:.1e} as saved"
    )
    lines.append(f"written      {written}")
    return "\n".join(lines) + "\n"


def _bars(losses: tuple[float, ...], low: float, top: float) -> str:
    span = (top - low) or 1.0
    parts = [(x - low) / span if math.isfinite(x) else 1.0 for x in losses]
    return "".join(BARS[round(part * (len(BARS) - 1))] for part in parts)
