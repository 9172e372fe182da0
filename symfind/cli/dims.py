from typing import TYPE_CHECKING, Any, Literal

import click

from symfind.cli.analyze import exit_code, run
from symfind.cli.options import debug_option, format_option, json_option, model_options, reads_file
from symfind.cli.output import BARS, STDOUT, deliver, print_text, write_text
from symfind.cli.progress import working
from symfind.errors import InputError

if TYPE_CHECKING:
    from symfind.session.dimensions import Dims

_SHOWN = 12  # sites


@click.command("dims")
@model_options
@click.option(
    "--weights",
    metavar="FILE",
    callback=reads_file,
    help="A checkpoint: what the count means there; needs --data.",
)
@click.option(
    "--data",
    metavar="FILE.py:NAME",
    help="Batches, pairs (inputs, targets): their Fisher matrix at the checkpoint.",
)
@format_option("table", "csv", "json")
@json_option
@debug_option
@click.pass_context
def dims_command(
    ctx: click.Context,
    model: str,
    weights: str | None,
    data: str | None,
    form: Literal["table", "csv", "json"],
    json_file: str | None,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Tabulate the dimensions of MODEL by kind of symmetry and by layer.

    With --weights and --data: which directions of a checkpoint the data can see. Rank and spectrum
    of the Fisher matrix across the orbit, the description length with the correction that makes it
    the same in every gauge, the sensitivity of gauge directions, and a score of every site.
    """
    if (weights is None) != (data is None):
        raise InputError("a checkpoint is looked at on data: give both --weights and --data")
    if weights is not None and data is not None:
        if form == "csv":
            raise InputError("a checkpoint has no CSV: --format table or json")
        if ctx.get_parameter_source("output") is click.core.ParameterSource.DEFAULT:
            arguments["output"] = None
        found = _measured(model, weights, data, quiet, arguments)
        target = STDOUT if form == "json" and json_file is None else json_file
        deliver(target, quiet, found.to_json, lambda: print_text(shown(found)))
        return
    report = run(model, quiet, certify="never", **arguments)
    from symfind.report.dims import dims_table

    if json_file is not None:
        write_text(json_file, dims_table(report, "json"))
    if json_file != STDOUT and not (quiet and json_file is not None):
        print_text(dims_table(report, form).rstrip("\n") + "\n")
    ctx.exit(exit_code(report, strict=False))


def _measured(
    model: str, weights: str, data: str, quiet: bool, arguments: dict[str, Any]
) -> "Dims":
    arguments = {k: v for k, v in arguments.items() if k not in ("verify", "device")}
    with working(quiet, "cpu") as tell:
        from symfind.orbit.objective import read_data
        from symfind.session import dims

        batches, loss = read_data(data)
        return dims(model, weights, batches, loss=loss, progress=tell, **arguments)


def shown(found: "Dims") -> str:
    """What was measured, line by line."""
    f = found.found
    own, form, image, again = f.here, f.reference, f.image, f.again
    top = float(own.spectrum[0]) if len(own.spectrum) else 0.0
    counted = form.spectrum[: found.rank].tolist()
    span = f", eigenvalues {counted[0]:.2g} to {counted[-1]:.2g}" if counted else ""
    lines = [
        f"parameters   {found.parameters:,}",
        f"orbit        {found.orbit:,} dimensions; {found.effective:,} effective directions",
        f"data         {f.samples:,} samples, {f.outputs}",
        f"Fisher       rank {found.rank:,}{span}",
    ]
    lines += [f"             {_bars(counted)}   one bar for a decade"] if counted else []
    if found.flat:
        lines.append(f"flat         {found.flat:,} effective directions that this data cannot see")
    if not form.clear:
        lines.append("             the spectrum has no clear gap: the rank is a matter of the cut")
    lines += [
        f"log pdet F   {own.log_pdet:.3f}; at a random image {image.log_pdet:.3f}",
        f"corrected    {form.corrected:.3f}; of the image {again.corrected:.3f}"
        f" (differs by {abs(form.corrected - again.corrected):.0e})",
        f"description  {found.description_length:.3f} nats = d/2 log(N/2π) + ½ corrected,"
        f" d = {found.rank}, N = {f.samples}",
        f"learning     coefficient at most d/2 = {found.learning_coefficient:g}, an upper bound",
        f"sensitivity  of gauge directions at most {own.null:.0e}; of a random one {f.random:.2g},"
        f" of the largest {top:.2g}",
    ]
    if f.overlap is not None:
        lines += [
            f"entries      {f.overlap:.0%} of the {f.top} most sensitive are so in a random gauge"
            f" (by chance {f.top / found.parameters:.0%})",
            *["             which entries are sensitive is a matter of the gauge"]
            * (f.overlap < 0.9),
        ]
    lines += ["", *_scores(found)] if f.scores else []
    lines += [f"no unique form: {note}" for note in f.notes]
    return "\n".join(lines) + "\n"


def _scores(found: "Dims") -> list[str]:
    """One row for a site: what passes through it, the same in every gauge."""
    rows = [f"{'score of':48}{'number':>7}{'least':>10}{'most':>10}"]
    for s in found.found.scores[:_SHOWN]:
        name = f"{s.site}: {s.element}"
        name = name if len(name) < 48 else name[:46] + "…"
        low, high = (float(v) for v in (s.values.min(), s.values.max()))
        rows.append(f"{name:48}{s.values.numel():>7}{low:>10.2g}{high:>10.2g}")
    rest = len(found.found.scores) - _SHOWN
    rows += [f"and {rest} more in the JSON"] if rest > 0 else []
    return [*rows, f"in a random gauge they change by {found.found.change:.0e}"]


def _bars(values: list[float]) -> str:
    """How many eigenvalues there are in every decade, from the largest down."""
    import math

    decades = [math.floor(math.log10(v)) for v in values if v > 0]
    counts = [decades.count(d) for d in range(max(decades), min(decades) - 1, -1)]
    most = max(counts)
    return "".join(BARS[math.ceil(n / most * (len(BARS) - 1))] for n in counts)
