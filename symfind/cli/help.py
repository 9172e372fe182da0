import textwrap

import click

from symfind.cli.output import print_text


@click.command("help")
@click.argument("word", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, word: tuple[str, ...]) -> None:
    """Say what a WORD of the report means, or show a command; all words without one."""
    from symfind.report.glossary import WORDS, close, entry

    text = " ".join(word)
    root = ctx.find_root()
    command = (
        root.command.get_command(root, text) if isinstance(root.command, click.Group) else None
    )
    found = entry(text)
    if not word:
        print_text("\n\n".join(map(_entry, WORDS)) + "\n")
    elif found is not None:
        print_text(_entry(text.lower()) + "\n")
    elif command is not None:
        click.echo(command.get_help(click.Context(command, info_name=text, parent=root)))
    else:
        near = close(text)
        hint = f"did you mean {' or '.join(near)}?" if near else "symfind help lists the words"
        raise click.UsageError(f"no word {text!r}; {hint}")


def _entry(word: str) -> str:
    from symfind.report.glossary import entry

    return word + "\n" + textwrap.fill(
        entry(word) or "", 80, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )  # fmt: skip
