"""Rewrite the shown output and source in README.md and docs/ from the commands that make them.

    python -m docs.regenerate            rewrite
    python -m docs.regenerate --check    exit with 1 where a page no longer tells the truth

A block stands between `<!-- run: COMMAND -->` or `<!-- show: FILE[:NAME] -->` and `<!-- end -->`.
"""

import ast
import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from symfind.cli import main as symfind_command

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
PICTURES = {"docs/pictures/gpt.svg": "examples/gpt.py"}  # of what each group of a model moves
_BLOCK = re.compile(r"(<!-- (run|show): (.*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_TIMING = re.compile(r"\n*symfind \S+, torch [^\n]*(\n[^\n]+)*\n*\Z")
_FLOAT = re.compile(r"\d(\.\d+)?e-\d+|10\^-?\d+\.\d+")


@cache
def run(command: str) -> str:
    """What a command prints, without the line that says how long it took."""
    program, *words = shlex.split(command)
    place = {"COLUMNS": "88", "NO_COLOR": "1"}
    with contextlib.chdir(ROOT), patch.dict(os.environ, place):
        out, err = _symfind(words) if program == "symfind" else (_python(words), "")
    text = _TIMING.sub("\n", out) + err
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "\n".join(["```console", f"$ {command}", *lines, "```", ""])


def _symfind(words: list[str]) -> tuple[str, str]:
    """What `symfind` prints on both streams: of a command that fails, its message."""
    done = CliRunner().invoke(symfind_command, words, prog_name="symfind")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout, done.stderr


def _python(words: list[str]) -> str:
    """What a script prints; in a process of its own, which knows no rules of other pages."""
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def show(place: str) -> str:
    """A file, or one definition in it, as code."""
    path, _, name = place.partition(":")
    text = (ROOT / path).read_text()
    if name:
        (node,) = (n for n in ast.walk(ast.parse(text)) if getattr(n, "name", "") == name)
        assert isinstance(node, ast.FunctionDef | ast.ClassDef) and node.end_lineno is not None
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        text = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return "\n".join(["```python", f"# {path}", text.strip("\n"), "```", ""])


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Of the text of a page: `run` or `show`, of what, and what stands there."""
    for match in _BLOCK.finditer(page):
        yield match[2], match[3], match[4]


def made(kind: str, what: str) -> str:
    """What a block should hold."""
    return run(what) if kind == "run" else show(what)


def renewed(page: str) -> str:
    """The text of a page with every block made anew."""
    return _BLOCK.sub(lambda match: match[1] + made(match[2], match[3]) + match[5], page)


def drawn(spec: str) -> str:
    """The picture of a model."""
    from symfind import analyze
    from symfind.report.pages import page

    return page(analyze(spec), ".svg")


def same(one: str, two: str) -> bool:
    """Equal but for measured rounding errors, which differ between machines."""
    one, two = (_FLOAT.sub("#", text) for text in (one, two))
    return one.split() == two.split()


def main() -> int:
    """Rewrite or check all pages and pictures."""
    stale = []
    making = {page: partial(renewed, (ROOT / page).read_text()) for page in PAGES}
    making |= {path: partial(drawn, spec) for path, spec in PICTURES.items()}
    for name, make in making.items():
        path = ROOT / name
        new = make()
        if path.exists() and same(path.read_text(), new):
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(new)
            print(f"rewritten: {name}")
    if "--check" in sys.argv[1:] and stale:
        print(f"out of date: {', '.join(stale)}; run python -m docs.regenerate", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
