from pathlib import Path

import click

from symfind.cli.options import debug_option
from symfind.cli.progress import spoken_warnings, stay_offline
from symfind.errors import OutputError


@click.group("catalog")
def catalog_group() -> None:
    """Many models at once."""


@catalog_group.command("build")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("catalog"),
    show_default=True,
    help="Folder of the catalog.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Build this entry only; repeatable.")
@click.option("--quiet", is_flag=True, help="No progress, no warnings.")
@debug_option
@click.pass_context
def build_command(ctx: click.Context, out: Path, only: tuple[str, ...], quiet: bool) -> None:
    """Analyse every entry and write its JSON, its page and the index."""
    stay_offline()
    if out.exists() and not out.is_dir():
        raise OutputError(f"cannot write {out}: it is a file, and the catalog is a folder")
    from symfind.catalog import build

    def tell(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    with spoken_warnings(quiet):
        code = build(out, only, progress=tell)
    ctx.exit(code)
