from typing import Any

import click

from symfind.cli.options import debug_option, source_options, writable
from symfind.cli.output import print_text, write_text
from symfind.cli.progress import working

_FORMS = (
    "awq", "smoothquant", "spinquant", "torch-pruning", "mergekit", "mergekit-spaces",
    "git-re-basin",
)  # fmt: skip


@click.command("export")
@source_options
@click.option(
    "--format", "form", type=click.Choice(_FORMS), required=True, help="Whose form to write."
)
@click.option(
    "-o", "--out", metavar="FILE", default="-", callback=writable,
    help="Where to write; - for stdout.",
)  # fmt: skip
@debug_option
def export_command(model: str, form: str, out: str, quiet: bool, **arguments: Any) -> None:
    """Write the scales, rotations or permutations of MODEL in a form that another package reads.

    awq, smoothquant, spinquant: recipes of llm-compressor. torch-pruning: groups of channels.
    mergekit: an architecture; mergekit-spaces: with the spaces that versions before 0.1 read.
    git-re-basin: axes_to_perm. What a form cannot say stands in comments.
    """
    with working(quiet) as tell:
        import symfind
        from symfind.discrete import render
        from symfind.export import mergekit, permuted, recipes
        from symfind.export.groups import directions_of

        session = symfind.open(model, progress=tell, **arguments)
        if form in ("awq", "smoothquant", "spinquant"):
            report = session.report(certify="never", formula=False)
            wires = session.explain(everything=True).wires
            text = {
                "awq": recipes.awq,
                "smoothquant": recipes.smoothquant,
                "spinquant": lambda r: recipes.spinquant(r, wires, _tied(session.loaded.model)),
            }[form](report)
        else:
            spec, outputs = session.permutations(), directions_of(session.derivation.lowered.nodes)
            facts = mergekit.facts(session.loaded.model, session.loaded.name, outputs)
            text = {
                "torch-pruning": lambda s: permuted.torch_pruning(s, outputs),
                "mergekit": lambda s: mergekit.mergekit(s, facts),
                "mergekit-spaces": lambda s: mergekit.mergekit(s, facts, spaces=True),
                "git-re-basin": render.as_python,
            }[form](spec)
    print_text(text) if out == "-" else write_text(out, text)


@click.command("check")
@source_options
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@debug_option
@click.pass_context
def check_command(ctx: click.Context, model: str, file: str, quiet: bool, **arguments: Any) -> None:
    """Hold a hand-written mapping or permutation spec against the groups of MODEL.

    FILE is a recipe or a list of mappings (JSON or YAML), or Python source that defines
    axes_to_perm. Every entry is exact, incomplete (a reader is missing), broken (by which reader),
    or names nothing. Exit codes: 0 all are exact; 1 some are not.
    """
    with working(quiet) as tell:
        import symfind
        from symfind.export import checking, reading, verdicts
        from symfind.export.groups import directions_of

        content = reading.read(file)
        session = symfind.open(model, progress=tell, **arguments)
        report = session.report(verify=True, certify="never", formula=False)
        wires = session.explain(everything=True).wires
        spec = session.permutations() if checking.permuting(content) else None
        found = checking.check(
            content, report, spec, wires, _tied(session.loaded.model),
            directions_of(session.derivation.lowered.nodes),
        )  # fmt: skip
    print_text(verdicts.render(found))
    ctx.exit(int(any(c.verdict != "exact" for c in found)))


def _tied(model: Any) -> dict[str, str]:
    """Modules whose tensors are those of other modules, by name."""
    from symfind.export.pairs import module

    first: dict[int, str] = {}
    found = {}
    for name, tensor in model.named_parameters(remove_duplicate=False):
        one = first.setdefault(id(tensor), name)
        if one != name:
            found[module(name)] = module(one)
    return found
