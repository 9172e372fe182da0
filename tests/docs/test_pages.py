"""What the pages show is what the commands print."""

import re

import pytest

from docs.regenerate import PAGES, PICTURES, ROOT, blocks, drawn, made, same

BLOCKS = [
    pytest.param(kind, what, text, id=f"{page}: {what}")
    for page in PAGES
    for kind, what, text in blocks((ROOT / page).read_text())
]


@pytest.mark.parametrize(("kind", "what", "text"), BLOCKS)
def test_shown_output_is_up_to_date(kind: str, what: str, text: str) -> None:
    assert same(text, made(kind, what)), "run python -m docs.regenerate"


def test_every_directive_is_a_block() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text()
        assert len(re.findall("<!-- (?:run|show):", text)) == len(list(blocks(text))), page


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_are_up_to_date(picture: str) -> None:
    new = drawn(str(ROOT / PICTURES[picture]))
    assert (ROOT / picture).read_text() == new, "run python -m docs.regenerate"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
        assert (folder / target).exists(), target
