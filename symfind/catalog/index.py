"""The index over all entries of a catalog, with what they say together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from symfind.catalog.entries import BLOCKS, Entry
from symfind.catalog.groups import Together, form
from symfind.catalog.kept import Kept
from symfind.catalog.pages import choice_table
from symfind.report import Report, words
from symfind.report.markdown import code, plain, table

_COLUMNS = ("architecture", "parameters", "redundant", "share", "groups", "certificate")
_GROUPS = 4
_FIRM = "\N{NO-BREAK SPACE}"


def index(together: Together, failed: Mapping[str, str], title: str) -> str:
    """The index in Markdown; `failed` maps slugs to reasons."""
    built, found = together.built, together.found
    sections = [[f"# {plain(title)}", "", _summary(built, found)]]
    for heading, rows in _tables(together):
        sections.append([f"## {plain(heading)}", "", *table(_COLUMNS, [
            (f"[{plain(entry.title)}]({entry.slug}.md)", *row) for entry, row in rows
        ], "lrrrll")])  # fmt: skip
    choices = together.variations
    if choices:
        sections.append(["## Which choice keeps or kills which symmetry", "",
                         "Read off pairs of entries: what one has and the other has not.", "",
                         *choice_table(choices)])  # fmt: skip
    models = [e for e in together.known if e.family != BLOCKS]
    same = Together(models, {e.slug: found[e.slug] for e in models if e.slug in found}).alike
    if same:
        cells = [
            ("<br>".join(plain(str(k)) for k in kinds),
             ", ".join(f"[{plain(e.title)}]({e.slug}.md)" for e in entries))
            for kinds, entries in same
        ]  # fmt: skip
        sections.append(["## Same group, different architecture", "",
                         "Groups without their sizes, and where they act.", "",
                         *table(("groups", "entries"), cells, "ll")])  # fmt: skip
    lines = [f"- {code(slug)}: {plain(why)}" for slug, why in failed.items()]
    lines += [
        f"- {code(e.slug)}: a generator failed verification"
        for e in built
        if found[e.slug].report.verification.status == "failed"
    ]
    if lines:
        sections.append(["## Failed", "", *lines])
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _summary(built: Sequence[Entry], found: Mapping[str, Kept]) -> str:
    """How far the catalog can be relied upon."""
    reports = [found[e.slug].report for e in built]
    status = Counter(words.status(r.certificate) for r in reports)
    verified = sum(r.verification.status == "verified" for r in reports)
    parts = [f"{n} {name}" for name, n in sorted(status.items())]
    return (
        f"{words.plural(len(built), 'entry').replace('entrys', 'entries')}. Generators verified: "
        f"{verified}. Certificates: {', '.join(parts) or 'none'}. A label never changes its "
        "meaning; each page has the command that makes it."
    )


def index_html(together: Together, failed: Mapping[str, str], title: str) -> str:
    """The index as a page that stands alone."""
    body = []
    for heading, rows in _tables(together):
        cells = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body.append(f"<h2>{escape(heading)}</h2>\n<table>\n<tr>{cells}</tr>")
        for entry, row in rows:
            link = f'<a href="{escape(entry.slug)}.html">{escape(entry.title)}</a>'
            data = "".join(f"<td>{escape(cell)}</td>" for cell in row)
            body.append(f"<tr><td>{link}</td>{data}</tr>")
        body.append("</table>")
    if failed:
        items = "".join(f"<li>{escape(s)}: {escape(why)}</li>" for s, why in failed.items())
        body.append(f"<h2>Failed</h2>\n<ul>{items}</ul>")
    return _PAGE.replace("TITLE", escape(title)).replace("BODY", "\n".join(body))


def _tables(together: Together) -> list[tuple[str, list[tuple[Entry, tuple[str, ...]]]]]:
    rows: dict[str, list[tuple[Entry, tuple[str, ...]]]] = {}
    for entry in together.built:
        report = together.found[entry.slug].report
        rows.setdefault(entry.family, []).append((entry, _row(report)))
    return list(rows.items())


def _row(report: Report) -> tuple[str, ...]:
    d = report.dimension
    names = (form(f.group).replace(", ", f",{_FIRM}") for f in words.by_size(report.factors))
    largest = dict.fromkeys(names)
    more = ", …" if len(largest) > _GROUPS else ""
    return (
        words.count(d.parameters),
        words.count(d.redundant),
        words.share(d.redundant, d.parameters),
        ", ".join(list(largest)[:_GROUPS]) + more or "none",
        words.status(report.certificate).replace(" ", _FIRM),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #8886; }
th:first-child, td:first-child, th:nth-child(n+5), td:nth-child(n+5) { text-align: left; }
@media (max-width: 40rem) { th:nth-child(n+4), td:nth-child(n+4) { display: none; } }
</style>
</head>
<body>
<h1>TITLE</h1>
BODY
</body>
</html>
"""
