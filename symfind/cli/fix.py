from typing import TYPE_CHECKING, Any, Literal

import click

from symfind.cli.options import (
    checkpoint_argument,
    debug_option,
    device_option,
    discover_option,
    json_option,
    result_option,
    source_options,
    written_option,
)
from symfind.cli.output import deliver, near, print_text, write_bytes
from symfind.cli.progress import working

if TYPE_CHECKING:
    from symfind.session.fixing import Fixed


_SAME = 1e-6  # distance of two forms that are one


@click.command("fix")
@source_options
@checkpoint_argument("weights")
@device_option
@result_option
@click.option(
    "--as",
    "form",
    type=click.Choice(["pins", "balanced", "canonical"]),
    default="canonical",
    show_default=True,
    help="Entries zero or one; the least norm; or one representative of the orbit.",
)
@written_option("--freeze", "Write which entries to hold so that no symmetry is left.")
@discover_option
@json_option
@debug_option
def fix_command(
    model: str, out: str, form: Literal["pins", "balanced", "canonical"], freeze: str | None,
    json_file: str | None, quiet: bool, **arguments: Any,
) -> None:  # fmt: skip
    """Move the checkpoint WEIGHTS of MODEL to a canonical form, with a proof.

    The result computes the same function, which is checked in float64.
    """
    with working(quiet, arguments["device"]) as tell:
        from symfind.errors import InputError
        from symfind.orbit.checkpoint import packed
        from symfind.session.fixing import fix, mask_file

        found = fix(model, form=form, progress=tell, **arguments)
        if freeze and not found.frozen:
            raise InputError(f"no mask can be chosen: {found.proof.why}; leave out --freeze")
        parts = [(out, packed(found.weights, out))]
        parts += [(freeze, packed(mask_file(found.frozen), freeze))] if freeze else []
        text = shown(found, ", ".join(near(path) for path, _ in parts))
        for path, content in parts:
            write_bytes(path, content)
    deliver(json_file, quiet, found.to_json, lambda: print_text(text))


def shown(found: "Fixed", written: str) -> str:
    """The proof, line by line."""
    p = found.proof
    lines = [
        f"form         {found.form}",
        f"norm²        {p.norm[0]:.10g} -> {p.norm[1]:.10g}",
        f"outputs      change by {found.residual:.1e} in float64, {found.rounded:.1e} as saved",
    ]
    if p.redundant is not None:
        lines.append(f"redundant    {p.redundant:,} directions at this checkpoint")
        lines.append(f"held         {p.frozen:,} entries, {p.pinned:,} of them zero or one")
    lines += [f"not zero, not one  {n:,} of {site}" for site, n in p.unpinned.items()]
    if p.nullity is not None:
        hint = "; --discover may find what no rule derives" if p.unexplained else ""
        lines.append(f"nullity      {p.nullity:,}; with these entries held {p.unexplained:,}{hint}")
    if p.again is not None:
        what = "unique      " if p.again < _SAME else "not unique  "
        lines.append(f"{what} the form of a random image differs by {p.again:.1e}")
    if found.unrest:
        lines.append(f"not at rest  the last sweep still moved by {found.unrest:.1e}")
    lines += [f"not unique   {note}" for note in found.notes]
    lines += [f"not measured {p.why}"] if p.why else []
    return "\n".join([*lines, f"written      {written}"]) + "\n"
