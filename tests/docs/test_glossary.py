"""Every word of the glossary has a home that says it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (?!word|-)([^|]+) \| [^|]+ \| ([^|]+) \|$", (ROOT / "docs/glossary.md").read_text(), re.M
)


def test_words_are_used_where_they_are_at_home() -> None:
    assert len(ROWS) > 40
    for words, home in ROWS:
        if home == "everywhere":
            continue
        text = (ROOT / "symfind" / home.strip("`")).read_text().lower()
        for word in re.sub(r"\([^)]*\)", "", words).split(","):
            stem = word.strip().removesuffix("e").replace(" ", "[ _]")
            assert re.search(stem, text), f"{word.strip()}: not in {home}"
