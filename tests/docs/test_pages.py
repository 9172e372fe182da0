"""What the pages show is what the commands print."""

import re

import pytest

from docs.regenerate import PAGES, PICTURES, ROOT, drawn, renewed, same


@pytest.mark.parametrize("page", PAGES)
def test_shown_output_is_up_to_date(page: str) -> None:
    text = (ROOT / page).read_text()
    assert same(text, renewed(text)), f"{page}: run python -m docs.regenerate"


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_are_up_to_date(picture: str) -> None:
    new = drawn(str(ROOT / PICTURES[picture]))
    assert (ROOT / picture).read_text() == new, "run python -m docs.regenerate"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
        assert (folder / target).exists(), target
