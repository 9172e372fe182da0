from typing import TYPE_CHECKING, Any

import click

from symfind.cli.options import debug_option, json_option, source_options
from symfind.cli.output import deliver, print_text
from symfind.cli.progress import working

if TYPE_CHECKING:
    from symfind.exact.verdict import Verdict


@click.command("exact")
@source_options
@click.option(
    "--prime",
    type=int,
    metavar="P",
    help="The modulus, a prime between 2^16 and 2^31; drawn at random without it.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=12_000,
    show_default=True,
    help="Parameters above which it is not begun: time grows with their cube.",
)
@json_option
@click.option("--strict", is_flag=True, help="Exit with 1 unless the derivation is complete.")
@debug_option
@click.pass_context
def exact_command(
    ctx: click.Context,
    model: str,
    json_file: str | None,
    strict: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Nullity of MODEL without any tolerance, and whether all of it was derived.

    For piecewise rational models: linear, convolution, ReLU and its like, pooling, whole powers,
    products, quotients. Needs the extra `exact`.

    Exit codes: 0 examined; 1 more was derived than is null, or --strict and not complete; 2 bad
    usage, or a model that cannot be loaded, or is not piecewise rational.
    """
    verdict = examine(model, quiet, **arguments)
    deliver(json_file, quiet, verdict.to_json, lambda: print_text(verdict.table()))
    ctx.exit(verdict.status == "contradicted" or (strict and verdict.status != "complete"))


def examine(
    model: str, quiet: bool, prime: int | None, most: int = 12_000, **arguments: Any
) -> "Verdict":
    """Derive, measure exactly, and compare."""
    with working(quiet) as tell:
        from symfind.exact.nullity import check_size
        from symfind.exact.rank import flint
        from symfind.exact.verdict import Verdict
        from symfind.session import open

        flint()
        session = open(model, progress=tell, **arguments)
        report = session.report(verify=False, certify="never", formula=False)
        redundant = report.dimension.redundant
        check_size(report.dimension.parameters, most)
        exact = session.exact(prime, redundant, most)
        return Verdict(report.model.name, report.output, report.model.mode, exact, redundant)
