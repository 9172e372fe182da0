"""Build the documentation as a site that needs no network: `python -m docs.site [--out site]`.

Needs the extra `docs`. The pages are those of the repository, laid out as they are there, so that
links mean the same on both; formulas become MathML, which browsers set by themselves.
"""

import argparse
import re
import shutil
import tempfile
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md", "LICENSE")
FOLDERS = {"docs": ("*.md", "pictures/*.svg", "assets/*"), "catalog": ("*.md", "*.svg", "*.json")}

_BLOCK = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"\\math(?:tt|rm)\{((?:[^{}\\]|\\[_#%&])*)\}")
_INLINE = re.compile(r"\$`([^`]+)`\$")


def stage(target: Path) -> None:
    """Copy every page, formulas set, into an empty folder."""
    paths = [ROOT / page for page in PAGES]
    paths += [
        p for folder, kinds in FOLDERS.items() for k in kinds for p in (ROOT / folder).glob(k)
    ]
    for path in paths:
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            copy.write_text(with_formulas(path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(path, copy)


def with_formulas(page: str) -> str:
    """A page of Markdown with MathML in the place of its formulas."""
    page = _BLOCK.sub(lambda match: f'<p class="formula">{mathml(match[1], "block")}</p>', page)
    return _INLINE.sub(lambda match: mathml(match[1], "inline"), page)


def mathml(formula: str, display: str) -> str:
    """A formula of LaTeX as MathML, on one line; names of several letters are words in it."""
    from latex2mathml.converter import convert

    words = _NAME.sub(lambda match: rf"\text{{{match[1].replace(chr(92), '')}}}", formula)
    try:
        return convert(words, display=display).replace("\n", " ")
    except Exception:  # what the converter does not know stays readable
        return f"<code>{escape(formula)}</code>"


def build(out: Path) -> None:
    """Build the site into a folder; a link that leads nowhere is an error."""
    from mkdocs.commands.build import build as build_site
    from mkdocs.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder))
        config = load_config(
            str(ROOT / "mkdocs.yml"), docs_dir=folder, site_dir=str(out.absolute()), strict=True
        )
        build_site(config)


def main() -> None:
    """Build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("site"), help="where to write it")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
