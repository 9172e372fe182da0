from typing import Any

import click

from symfind.cli.options import debug_option, source_options
from symfind.cli.output import print_text
from symfind.cli.progress import working


@click.command("ops")
@source_options
@click.option("--strict", is_flag=True, help="Exit with 1 where an operation has no rule.")
@debug_option
@click.pass_context
def ops_command(
    ctx: click.Context, model: str, quiet: bool, strict: bool, **arguments: Any
) -> None:
    """Which operations of MODEL have a rule: the model is traced, and nothing is derived.

    An operation without a rule is rigid: no symmetry is seen through it, and the report names it.
    On a twin it keeps its sizes; exact mode refuses it.
    """
    with working(quiet):
        from symfind.load import resolve
        from symfind.ops.support import supported, table
        from symfind.trace import trace_loaded

        seed, given = arguments["seed"], arguments["settings"]
        loaded = resolve(model, inputs=arguments["inputs"], settings=given, seed=seed)
        found = supported(trace_loaded(loaded, train=arguments["train"]))
    print_text(table(support.row for support in found))
    rigid = [support.name for support in found if not support.lowered]
    covered = sum(support.count for support in found if support.lowered)
    print_text(f"\n{covered} of {sum(s.count for s in found)} operations have a rule\n")
    ctx.exit(strict and bool(rigid))
