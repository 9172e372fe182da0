import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symfind.characters import visible
from symfind.cli.options import debug_option, json_option, settings_of
from symfind.cli.output import deliver, print_text, write_text
from symfind.cli.progress import spoken_warnings, stay_offline
from symfind.errors import OutputError

if TYPE_CHECKING:
    from symfind.catalog import Project

F = Callable[..., Any]

_FILE = "symfind.toml"


@click.group("catalog")
def catalog_group() -> None:
    """Many models at once, as pages: symfind's own entries, or those of a file symfind.toml.

    Where the folder holds a symfind.toml, or --config names one, its entries are meant.
    """


def _shared(command: F) -> F:
    options = (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="A file that lists entries; symfind.toml where it is there.",
        ),
        click.option(
            "--out", type=click.Path(path_type=Path), help="Folder of the catalog.  [catalog]"
        ),
        click.option("--only", multiple=True, metavar="NAME", help="This entry only; repeatable."),
        click.option("--quiet", is_flag=True, help="No progress, no warnings."),
        debug_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


_jobs_option = click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Entries at a time; one a core."
)


@catalog_group.command("build")
@_shared
@_jobs_option
@click.option("--html", is_flag=True, help="Write pages in HTML as well.")
@click.option("--fresh", is_flag=True, help="Analyse every entry, changed or not.")
@click.option(
    "--earlier", is_flag=True, help="Keep what another version of symfind, torch or a zoo made."
)
@click.pass_context
def build_command(
    ctx: click.Context,
    config: Path | None,
    out: Path | None,
    only: tuple[str, ...],
    quiet: bool,
    jobs: int | None,
    html: bool,
    fresh: bool,
    earlier: bool,
) -> None:
    """Analyse every entry and write its JSON, its page and the index.

    An entry is analysed again only if its model, settings, inputs, files, or symfind or torch have
    changed since.

    Exit codes: 0 built; 1 an entry failed, or one of its generators failed verification; 2 bad
    usage.
    """
    with _project(config, out, quiet) as (project, folder):
        from symfind.catalog import build

        arguments: dict[str, Any] = {
            "jobs": jobs, "html": html or project.html, "fresh": fresh, "earlier": earlier,
        }  # fmt: skip
        code = build(
            folder, only, progress=_tell(quiet),
            known=project.entries, title=project.title, **arguments,
        )  # fmt: skip
    ctx.exit(code)


@catalog_group.command("list")
@_shared
@json_option
def list_command(
    config: Path | None,
    out: Path | None,
    only: tuple[str, ...],
    quiet: bool,
    json_file: str | None,
) -> None:
    """List the entries, and whether what was built of each is up to date."""
    with _project(config, out, quiet) as (project, folder):
        from symfind.catalog.build import chosen_of
        from symfind.catalog.kept import read
        from symfind.catalog.state import states

        chosen = chosen_of(project.entries, only)
        found = states(folder, project.entries, chosen, project.html)
        reports = {entry.slug: read(folder, entry) for entry in chosen}
    rows = []
    for entry in chosen:
        kept = reports[entry.slug]
        verdict = kept.report.certificate.status if kept is not None else "-"
        rows.append((entry.slug, entry.title, entry.command, found[entry.slug], verdict))
    names = ("slug", "title", "command", "state", "certificate")
    data = {"schema": "symfind.catalog-list/1",
            "entries": [dict(zip(names, row, strict=True)) for row in rows]}  # fmt: skip
    shown = [(row[0], row[3], row[4], row[1]) for row in rows]
    text = _columns([("name", "state", "certificate", "title"), *shown])
    deliver(json_file, quiet, lambda: json.dumps(data, indent=2), lambda: print_text(text))


@catalog_group.command("add")
@click.argument("spec", metavar="SPEC")
@click.option("--title", required=True, help="How people call it.")
@click.option("--slug", default="", help="Name of its files; made of the title without it.")
@click.option("--family", default="", help="Heading in the index under which it stands.")
@click.option("--text", default="", help="Markdown for the top of its page.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", callback=settings_of,
    help="Keyword argument for the factory, class or config; repeatable.",
)  # fmt: skip
@click.option("--input", "inputs", multiple=True, metavar="SPEC", help="Example input; repeatable.")
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path(_FILE), show_default=True,
    help="The file that lists entries; made if it is not there.",
)  # fmt: skip
@debug_option
def add_command(config: Path, **arguments: Any) -> None:
    """Add an entry to symfind.toml; build analyses it."""
    from symfind.catalog.project import add

    write_text(str(config), add(config, **arguments))


@catalog_group.command("check")
@_shared
@click.pass_context
def check_command(
    ctx: click.Context, config: Path | None, out: Path | None, only: tuple[str, ...], quiet: bool
) -> None:
    """Say which entries are not up to date, without analysing anything.

    Exit codes: 0 all are; 1 one is missing, stale (something has changed since it was built), or
    edited (a page is not what its report makes); 2 bad usage.
    """
    with _project(config, out, quiet) as (project, folder):
        from symfind.catalog.build import chosen_of
        from symfind.catalog.state import states

        chosen = chosen_of(project.entries, only)
        found = states(folder, project.entries, chosen, project.html)
    bad = {slug: state for slug, state in found.items() if state != "current"}
    for slug, state in bad.items():
        print_text(f"{slug}: {state}\n")
    print_text(f"{len(found) - len(bad)} of {len(found)} entries are up to date\n")
    ctx.exit(1 if bad else 0)


@catalog_group.command("diff")
@_shared
@_jobs_option
@click.pass_context
def diff_command(
    ctx: click.Context,
    config: Path | None,
    out: Path | None,
    only: tuple[str, ...],
    quiet: bool,
    jobs: int | None,
) -> None:
    """Analyse entries anew and say what differs from what was built; nothing is written.

    Exit codes: 0 no difference; 1 an entry differs, fails, or was not built; 2 bad usage.
    """
    changed = 0
    with _project(config, out, quiet) as (project, folder):
        from symfind.catalog.build import Failure, chosen_of
        from symfind.catalog.state import differences
        from symfind.report.difference_text import render

        chosen = chosen_of(project.entries, only)
        for entry, found in differences(folder, chosen, jobs, _tell(quiet)):
            if found is None:
                said = "not built\n"
            elif isinstance(found, Failure):
                said = f"failed: {found.kind}: {found.message}\n"
            elif found.same:
                continue
            else:
                said = render(found)
            changed += 1
            print_text(f"{entry.slug}: {said}\n")
    print_text(f"{len(chosen) - changed} of {len(chosen)} entries are as they were built\n")
    ctx.exit(1 if changed else 0)


@contextlib.contextmanager
def _project(
    config: Path | None, out: Path | None, quiet: bool
) -> "Iterator[tuple[Project, Path]]":
    """The catalog that is meant and its folder; in the folder of its file, as specs are."""
    stay_offline()
    with spoken_warnings(quiet):
        from symfind.catalog.project import load, own

        if config is None and Path(_FILE).is_file():
            config = Path(_FILE)
        project = own() if config is None else load(config)
        folder = (out or project.folder / project.out).absolute()
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"cannot write {folder}: it is a file, and the catalog is a folder")
        with contextlib.chdir(project.folder):
            yield project, folder


def _tell(quiet: bool) -> Callable[[str], None]:
    def tell(line: str) -> None:
        if not quiet:
            click.echo(visible(line), err=True)  # errors of models are data

    return tell


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)
    return "\n".join(lines) + "\n"
