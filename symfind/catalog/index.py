"""The index over all entries of a catalog."""

from collections.abc import Mapping, Sequence
from html import escape

from symfind.catalog.entries import Entry
from symfind.catalog.kept import Kept
from symfind.report import Report, words
from symfind.report.markdown import code, plain, table

_COLUMNS = ("architecture", "parameters", "redundant", "share", "certificate")


def index(
    known: Sequence[Entry], reports: Mapping[str, Kept], failed: Mapping[str, str], title: str
) -> str:
    """The index in Markdown; `failed` maps slugs to error names."""
    sections = [[f"# {plain(title)}"]]
    lines = [f"- {code(slug)}: {name}" for slug, name in failed.items()]
    for heading, rows in _tables(known, reports, failed):
        sections.append([f"## {plain(heading)}", "", *table(_COLUMNS, [
            (f"[{plain(entry.title)}]({entry.slug}.md)", *row) for entry, row in rows
        ], "lrrrl")])  # fmt: skip
        lines += [
            f"- {code(entry.slug)}: a generator failed verification"
            for entry, _ in rows
            if reports[entry.slug].report.verification.status == "failed"
        ]
    if lines:
        sections.append(["## Failed", "", *lines])
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def index_html(
    known: Sequence[Entry], reports: Mapping[str, Kept], failed: Mapping[str, str], title: str
) -> str:
    """The index as a page that stands alone."""
    body = []
    for heading, rows in _tables(known, reports, failed):
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


def _tables(
    known: Sequence[Entry], reports: Mapping[str, Kept], failed: Mapping[str, str]
) -> list[tuple[str, list[tuple[Entry, tuple[str, ...]]]]]:
    found: dict[str, list[tuple[Entry, tuple[str, ...]]]] = {}
    for entry in known:
        if entry.slug in reports and entry.slug not in failed:
            found.setdefault(entry.family, []).append((entry, _row(reports[entry.slug].report)))
    return [(family, rows) for family, rows in found.items()]


def _row(report: Report) -> tuple[str, ...]:
    d = report.dimension
    return (
        words.count(d.parameters),
        words.count(d.redundant),
        words.share(d.redundant, d.parameters),
        words.status(report.certificate),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #8886; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
@media (max-width: 40rem) { th:nth-child(4), td:nth-child(4) { display: none; } }
</style>
</head>
<body>
<h1>TITLE</h1>
BODY
</body>
</html>
"""
