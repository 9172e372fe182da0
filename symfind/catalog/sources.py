"""References of entries, in BibTeX."""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

_NAMES = ("author", "title", "year", "eprint", "url", "howpublished")


@cache
def references() -> dict[str, str]:
    """Every reference of symfind's own catalog, by its key."""
    text = (resources.files("symfind.catalog") / "data" / "references.bib").read_text("utf-8")
    return {
        key: item.strip() for item in text.split("\n\n")
        for key in re.findall(r"^@\w+\{([^,]+),", item.strip())
    }  # fmt: skip


def lines(sources: Sequence[str]) -> list[str]:
    """Markdown: each source on a line, then the BibTeX of those that are known by their keys."""
    known = [references()[key] for key in sources if key in references()]
    found = [f"- {_said(references()[s]) if s in references() else s}" for s in sources]
    if known:
        found += ["", "<details><summary>BibTeX</summary>", "", "```bibtex", *known, "```", "",
                  "</details>"]  # fmt: skip
    return found


def _said(reference: str) -> str:
    """A reference as people write it."""
    fields = dict(
        re.findall(rf"({'|'.join(_NAMES)}) = \{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}", reference)
    )
    plain = {k: re.sub(r"\\.\s?|[{}]|``|''", "", v).replace("\\", "") for k, v in fields.items()}
    names = plain["author"].split(" and ")
    who = names[0].partition(",")[0] + (" et al." if len(names) > 1 else "")
    text = f"{who}, *{plain['title']}*, {plain['year']}"
    if "eprint" in plain:
        return f"{text}, [arXiv:{plain['eprint']}](https://arxiv.org/abs/{plain['eprint']})"
    if "url" in plain:
        return f"{text}, <{plain['url']}>"
    return f"{text}, {plain['howpublished']}" if "howpublished" in plain else text
