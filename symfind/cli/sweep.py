import json
from typing import TYPE_CHECKING, Any

import click

from symfind.characters import visible
from symfind.cli.files import writes
from symfind.cli.options import Duration, debug_option, reads_file, settings_of, writable
from symfind.cli.output import STDOUT, print_text, write_text
from symfind.cli.progress import spoken_warnings, stay_offline
from symfind.errors import OutputError

if TYPE_CHECKING:
    from symfind.sweeping import Sweep

_ROWS = 60  # of a table in a terminal

_EPILOG = """\b
Examples:
  symfind sweep 'torchvision:*' 'timm:resnet*' models.txt -o sweep.jsonl
  symfind sweep 'transformers:*ForCausalLM' --prefer num_hidden_layers=2 -o lm.jsonl
  symfind sweep model.py:build --set depth=1..6 --set width=16,32 --csv out.csv --plot out.svg"""


def _kept(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The file of records, which is read as well as written, so that it has to be another."""
    if value == STDOUT:
        raise OutputError("-o wants the name of a file; --csv - and --json - print")
    if value is not None:
        writes(ctx, value, "-o")
    return value


def _files(flag: str, name: str, help: str) -> Any:
    return click.option(flag, name, metavar="FILE", callback=writable, help=help)


@click.command("sweep", epilog=_EPILOG)
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True, callback=reads_file)
@click.option(
    "-o", "file", metavar="FILE", callback=_kept,
    help="Keep a line of JSON for each model; what is there already is not analysed again.",
)  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUES", callback=settings_of,
    help="Setting for all models; several values make a row each: 1..12, 0..100..10 (steps), "
    "64..1024*2 (factors), 64,96,128; repeatable.",
)  # fmt: skip
@click.option(
    "--prefer", "preferred", multiple=True, metavar="KEY=VALUE", callback=settings_of,
    help="Setting for those models that take it; repeatable.",
)  # fmt: skip
@click.option(
    "--input", "inputs", multiple=True, metavar="SPEC", help="Example input, as of analyze."
)
@click.option(
    "--output", type=click.Choice(["raw", "softmax"]), default="raw", show_default=True,
    help="softmax: outputs that differ by what softmax ignores are the same.",
)  # fmt: skip
@click.option("--train", is_flag=True, help="Analyse training mode (batch statistics).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--verify/--no-verify", default=True, show_default=True,
    help="Check the generators on each model itself.",
)  # fmt: skip
@click.option(
    "--certify", type=click.Choice(["auto", "always", "never"]), default="auto",
    show_default=True, help="Measure the nullity, as of analyze.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="Where models are verified.")
@click.option(
    "--laws/--no-laws", default=None,
    help="Count what gradient flow conserves; by default where a setting has several values.",
)  # fmt: skip
@click.option(
    "--formula/--no-formula", default=True, show_default=True,
    help="Count at other sizes of each model's arguments, for a formula in them.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Models at a time; one a core.")
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
    help="ray: the cluster of RAY_ADDRESS, or one on this machine (extra ray).",
)  # fmt: skip
@click.option(
    "--time", "seconds", type=Duration(), default="5m", show_default=True, metavar="TIME",
    help="After which a model is given up.",
)  # fmt: skip
@click.option(
    "--memory", "gigabytes", type=click.FloatRange(0, min_open=True), default=4.0,
    show_default=True, metavar="GB", help="Above which a model is given up.",
)  # fmt: skip
@click.option(
    "--budget", type=Duration(), metavar="TIME",
    help="Limit on verification and certificate of a model; half of --time by default.",
)  # fmt: skip
@click.option("--one-per-module", is_flag=True, help="Of each module of a zoo the first model.")
@click.option("--retry", is_flag=True, help="Analyse anew what failed before.")
@_files("--csv", "csv_file", "Write the rows as a tidy table; - for stdout.")
@_files("--plot", "plot_file", "Draw redundant shares against a setting: FILE.svg.")
@_files("--json", "json_file", "Write the summary as JSON; - for stdout.")
@click.option("--strict", is_flag=True, help="Exit with 1 unless every model is complete.")
@click.option("--quiet", is_flag=True, help="No progress, no warnings.")
@debug_option
@click.pass_context
def sweep_command(
    ctx: click.Context,
    specs: tuple[str, ...],
    csv_file: str | None,
    plot_file: str | None,
    json_file: str | None,
    laws: bool | None,
    strict: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Analyse many models, or one at many sizes, each in a process of its own.

    A SPEC is a model spec, a pattern of a zoo (quoted: 'timm:vit_*'), or a file .txt with a SPEC,
    and any of --set and --input, on each line. A model that fails, crashes, hangs or grows costs
    its own row only. With -o the same command goes on where it was stopped, however that was.

    Exit codes: 0 done; 1 a generator failed verification, or --strict and a model failed, is not
    complete, or has an operation without a rule; 2 bad usage.
    """
    from symfind.sweeping.ranges import varying
    from symfind.sweeping.run import sweep

    if laws is None:
        laws = bool(varying(arguments["settings"]))
    if laws and not arguments["verify"]:
        laws = False  # they are read off generators that hold on the model

    def tell(line: str) -> None:
        click.echo(visible(line), err=True)  # errors of models are data

    stay_offline()
    with spoken_warnings(quiet):
        try:
            found = sweep(specs, progress=None if quiet else tell, laws=laws, **arguments)
        except KeyboardInterrupt:
            if arguments["file"]:
                tell(f"what is done is kept in {arguments['file']}; the same command goes on")
            raise
    _deliver(found, csv_file, plot_file, json_file)
    ctx.exit(_code(found, strict))


def _deliver(
    found: "Sweep", csv_file: str | None, plot_file: str | None, json_file: str | None
) -> None:
    if csv_file is not None:
        write_text(csv_file, found.to_csv())
    if plot_file is not None:
        write_text(plot_file, found.plot())
    if json_file is not None:
        from symfind.sweeping.summary import tallies

        counts = {name: tally.to_dict() for name, tally in tallies(found.records).items()}
        data = {"schema": "symfind.sweep-summary/1", "suites": counts}
        write_text(json_file, json.dumps(data, indent=2) + "\n")
    if STDOUT not in (csv_file, plot_file, json_file):
        if found.settings and len(found.records) <= _ROWS:
            print_text(found.table() + "\n")
        print_text(found.summary())


def _code(found: "Sweep", strict: bool) -> int:
    tally = found.tally
    done = [record for record in found.records if record["status"] == "analysed"]
    if any(record["verification"]["status"] == "failed" for record in done):
        return 1
    whole = tally.certificates["complete"] == tally.supported == tally.models
    return int(strict and not whole)
