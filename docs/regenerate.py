"""Rewrite the shown output and source in README.md and docs/ from the commands that make them.

    python -m docs.regenerate            rewrite
    python -m docs.regenerate --check    exit with 1 where a page no longer tells the truth

A block stands between `<!-- run: COMMAND -->` or `<!-- show: FILE[:NAME] -->` and `<!-- end -->`.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
PICTURES = {"docs/pictures/gpt.svg": "examples/gpt.py"}  # of what each group of a model moves
_BLOCK = re.compile(r"(<!-- (run|show): (.*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_TIMING = re.compile(r"\n*symfind \S+, torch [^\n]*(\n[^\n]+)*\n*\Z")
_FLOAT = re.compile(r"\d(\.\d+)?e-\d+|10\^-?\d+\.\d+")


def run(command: str) -> str:
    """What a command prints, without the line that says how long it took."""
    words = shlex.split(command)
    shown = ["-m", "symfind", *words[1:]] if words[0] == "symfind" else words[1:]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "88", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *shown], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    # a failing command is shown with its message
    text = _TIMING.sub("\n", done.stdout) + done.stderr
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "\n".join(["```console", f"$ {command}", *lines, "```", ""])


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


def renewed(page: str) -> str:
    """The text of a page with every block made anew."""

    def fill(match: re.Match[str]) -> str:
        head, kind, what, _, tail = match.groups()
        return head + (run(what) if kind == "run" else show(what)) + tail

    return _BLOCK.sub(fill, page)


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
