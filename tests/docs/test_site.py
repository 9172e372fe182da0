"""The site: built without a network, whole, and no link of it leads nowhere."""

import html.parser
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from docs import site

FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class _Page(html.parser.HTMLParser):
    """Links, anchors and what is fetched of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.names.add(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in FETCHED and given.get(FETCHED[tag]) and given.get("rel") != "canonical":
            self.fetched.append(str(given[FETCHED[tag]]))


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[Path, _Page]:
    for package in ("mkdocs", "material", "latex2mathml"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("site")
    site.build(out)
    return {path: _Page(path.read_text()) for path in out.rglob("*.html")}


def test_every_page_is_there(pages) -> None:
    names = {path.name for path in pages}
    assert {"index.html", "sweep.html", "gpt2.html", "block-swiglu.html"} <= names
    assert len(pages) > 45


def test_links_lead_somewhere(pages) -> None:
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", target) or path.name == "404.html":
                continue
            goal = (path.parent / unquote(target)).resolve() if target else path
            goal = goal / "index.html" if goal.is_dir() else goal
            assert goal.exists(), f"{path.name}: {link}"
            if anchor and goal.suffix == ".html":
                assert unquote(anchor) in pages[goal].names, f"{path.name}: {link}"


def test_nothing_is_fetched_from_elsewhere(pages) -> None:
    outside = {f for page in pages.values() for f in page.fetched if re.match(r"(https?:)?//", f)}
    assert not outside


def test_formulas_are_set(pages) -> None:
    (path,) = (p for p in pages if p.name == "gpt2.html")
    text = path.read_text()
    assert text.count("<math") > 10 and "```math" not in text and "$`" not in text


def test_formulas_keep_their_underscores() -> None:
    pytest.importorskip("latex2mathml")
    page = site.with_formulas(
        "a $`n_{\\mathrm{layer}} = 12`$ b\n\n```math\n\\mathtt{c\\_attn}\n```\n"
    )
    assert "<mtext>layer</mtext>" in page and "<mtext>c_attn</mtext>" in page
    assert page.count("<math") == 2 and "$" not in page
