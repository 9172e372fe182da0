import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from symfind.cli.options import debug_option, json_option, reads_file
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working

if TYPE_CHECKING:
    from symfind.analysis.trial import Trial

_WORDS = {
    "exact": "sound, and all of it",
    "incomplete": "sound, but directions are missed",
    "false": "FALSE: a derived direction moves the output",
    "unused": "the rule is not used in its example",
    "untried": "no example",
}


@click.command("rules")
@click.argument("module", metavar="[MODULE]", required=False, callback=reads_file)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 1 unless every rule is exact.")
@json_option
@click.option("--quiet", is_flag=True, help="No progress, no warnings.")
@debug_option
@click.pass_context
def rules_command(
    ctx: click.Context,
    module: str | None,
    seed: int,
    strict: bool,
    json_file: str | None,
    quiet: bool,
) -> None:
    """List the rules that other packages bring, and try each on its example.

    Rules come from entry points of the group symfind.rules; MODULE, a file or an importable module,
    is read as well. Each rule is held against the measured solutions of the local equation of its
    operation: no direction may be false, none missed.

    Exit codes: 0 all sound; 1 a rule is false, or --strict and one is not exact; 2 bad usage.
    """
    with working(quiet):
        from symfind.analysis.trial import tried
        from symfind.load.files import import_file, import_module
        from symfind.ops import registry
        from symfind.ops.own import OWN

        if module is not None:
            import_file(Path(module)) if module.endswith(".py") else import_module(module)
        registry.load_rules()
        trials = [tried(own, seed) for own in OWN.values()]
    data = {"schema": "symfind.rules/1", "rules": [asdict(trial) for trial in trials]}
    text = json.dumps(data, indent=2, ensure_ascii=False)
    deliver(json_file, quiet, lambda: text, lambda: print_text(_table(trials)))
    bad = ("false",) if not strict else ("false", "incomplete", "unused", "untried")
    ctx.exit(any(trial.status in bad for trial in trials))


def _table(trials: "list[Trial]") -> str:
    if not trials:
        return "no rules beside symfind's own\n"
    rows = [("operation", "from", "derived", "measured", "")]
    for t in trials:
        derived, measured = ("-" if n is None else str(n) for n in (t.derived, t.measured))
        rows.append((t.target, t.origin, derived, measured, _WORDS[t.status]))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "".join(
        "  ".join([
            row[0].ljust(widths[0]), row[1].ljust(widths[1]),
            row[2].rjust(widths[2]), row[3].rjust(widths[3]), row[4],
        ]).rstrip() + "\n"
        for row in rows
    )  # fmt: skip
