"""Names are data in every form of a report."""

import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from symfind.characters import tex_name, visible
from symfind.report import GeneratorText, page
from symfind.report.terminal import render
from tests.report.examples import complete

EVIL = "a\x1b[31m\n# b <img src=x onerror=y> \\input{f} `` ` \u202e $x$ {0}"


def hostile():
    factor = complete().factors[0]
    factor = replace(
        factor, id=f"{EVIL}:query-key", parameters=(EVIL,), module="", places=(),
        generator=GeneratorText(f"{EVIL} -> A {EVIL}", tex_name(EVIL)),
    )  # fmt: skip
    model = replace(complete().model, name=EVIL, spec=EVIL, tensors={EVIL: 3})
    return replace(complete(), model=model, factors=(factor,))


@pytest.mark.parametrize("form", [".html", ".svg", ".md", ".tex"])
def test_no_form_takes_a_name_for_markup(form):
    text = page(hostile(), form)
    assert all(c.isprintable() or c in "\n\t" for c in text)
    assert "\n# b" not in text
    if form != ".md":
        assert "<img" not in text or form == ".tex"
    if form == ".tex":
        assert r"\input" not in text
    if form == ".svg":
        ElementTree.fromstring(text)


def test_markdown_has_tags_only_inside_of_code():
    for line in page(hostile(), ".md").splitlines():
        bare = line.replace(r"\<img", "")
        if "<img" in bare:  # inside a fence longer than any in the name
            assert "```" in bare and bare.index("```") < bare.index("<img")


def test_a_terminal_gets_no_escape_sequences():
    console = Console(file=io.StringIO(), width=80)
    render(hostile(), console, details=True)
    text = console.file.getvalue()
    assert "\x1b" not in text and "\u202e" not in text and "\\u001b[31m" in text


def test_what_can_be_seen_stays():
    assert visible("h.0.attn.ß_weight") == "h.0.attn.ß_weight"
    assert visible("a\nb\x07", lines=True) == "a\nb\\u0007"
    assert visible("\U000e0001") == "\\udb40\\udc01"  # as JSON spells it
