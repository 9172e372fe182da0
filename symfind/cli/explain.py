from typing import Any

import click

from symfind.cli.options import debug_option, json_option, source_options
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working


@click.command("explain")
@source_options
@click.option("--rotation", is_flag=True, help="Only where a rotation could be expected.")
@click.option(
    "--between",
    nargs=2,
    metavar="A B",
    help="Only the wire that tensor A writes and tensor B reads; parts of names will do.",
)
@click.option("--at", default="", metavar="SITE", help="Only wires of tensors with this in a name.")
@json_option
@click.option("--details", is_flag=True, help="All reasons, also at inputs and outputs.")
@debug_option
def explain_command(
    model: str,
    rotation: bool,
    between: tuple[str, str] | None,
    at: str,
    json_file: str | None,
    details: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Say why MODEL has no larger groups: what every wire could carry, and what cuts it down.

    A wire is what some tensors write and others read. Where both are linear it could carry all of
    GL(n); norms, entrywise functions, gains and tied tensors leave less. Nothing is measured here.
    """
    with working(quiet) as tell:
        import symfind

        session = symfind.open(model, progress=tell, **arguments)
        found = session.explain(rotation, between, at, details)
    from symfind.report.explained import render

    deliver(json_file, quiet, lambda: _json(found), lambda: print_text(render(found, details)))


def _json(found: Any) -> str:
    import json

    from symfind.report.codec import encode

    return json.dumps({"schema": "symfind.explain/1", **encode(found)}, indent=2,
                      ensure_ascii=False)  # fmt: skip
