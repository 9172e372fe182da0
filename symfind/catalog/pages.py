"""The page of an entry, in Markdown that GitHub renders."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symfind.action.code import Unwritten
from symfind.action.code import code as python
from symfind.catalog import prose, sources
from symfind.catalog.entries import Entry
from symfind.catalog.groups import Together, Variation, site, unread
from symfind.catalog.kept import Kept
from symfind.report import Report, page, words
from symfind.report.latex import formula_latex
from symfind.report.markdown import code, lists, math, plain, table
from symfind.report.model import Factor

ENDINGS = (".json", ".md", ".svg", ".html")

_NAMED = 6  # tensors of a group
_RELATED = 12
_LAWS = 10
_NO_OPERATIONS = ("limit", "count")  # in the list of what rules do not cover
_LONG = 2500  # letters of a formula that is still read


def entry_pages(out: Path, entry: Entry, together: Together, html: bool) -> dict[str, str]:
    """Texts of the files of one entry, by their endings."""
    picture = (out / f"{entry.slug}.svg").exists()
    pages = {".md": _page(entry, together, picture)}
    if html:
        pages[".html"] = page(together.found[entry.slug].report, ".html")
    return pages


def _page(entry: Entry, together: Together, picture: bool) -> str:
    one = together.found[entry.slug]
    report = one.report
    sections = (
        [f"# {plain(entry.title)}", "", _label(entry)],
        [entry.text.strip()] if entry.text.strip() else [],
        prose.lines(entry.title, one),
        _command(entry, report),
        _count(report),
        _groups(report),
        [f"![Which tensors each group moves]({entry.slug}.svg)"] if picture else [],
        _generators(entry, report),
        _discrete(report),
        _laws(one),
        _certificate(report),
        _choices(entry, together.variations),
        _related(entry, together),
        ["## Sources", "", *sources.lines(entry.sources)] if entry.sources else [],
        [f"symfind {report.versions.symfind}, torch {report.versions.torch}"],
    )
    return "\n\n".join("\n".join(lines).rstrip() for lines in sections if lines) + "\n"


def _label(entry: Entry) -> str:
    return (
        f"Label {code(entry.slug)} · [{plain(entry.family)}](README.md) · [JSON]({entry.slug}.json)"
    )


def _command(entry: Entry, report: Report) -> list[str]:
    lines = ["## The command", "", "```sh", entry.command, "```", ""]
    lines.append(f"Inputs {code(words.inputs(report))}, {report.model.mode} mode, {report.output} "
                 "output. The catalog limits the time of each entry "
                 "and checks large models on narrower ones; without a limit the command checks "
                 "the model itself where it fits in memory.")  # fmt: skip
    return lines


def _count(report: Report) -> list[str]:
    d = report.dimension
    names = ("parameters", "algebra", "symmetry", "inert", "redundant", "effective")
    rows = [
        (name, words.count(getattr(d, name)), words.share(getattr(d, name), d.parameters))
        for name in names
    ]
    lines = ["## Dimension", "", *table(("", "count", "share"), rows, "lrr")]
    lines += ["", f"effective: {words.effective_label(report)}."]
    if d.formula and len(d.formula) < _LONG:
        lines += ["", *math(rf"\text{{redundant}} = {formula_latex(d.formula)}")]
    sizes = words.used_sizes(report)
    if sizes:
        values = ", ".join(f"$`{formula_latex(name)} = {size}`$" for name, size in sizes.items())
        lines += ["", f"with {values}."]
    if d.checked:
        where = f", where {code(d.domain)}" if d.domain else ""
        lines += ["", f"The formula is right at {d.checked} other sizes of the family{where}."]
    elif d.formula and not d.formula.isdigit():
        lines += ["", "The formula is of this model, and was not held against other sizes."]
    if d.broke:
        lines += ["", "A number, for no formula was found that also gives what small models of the "
                  f"family have: {plain(words.elsewhere(d.broke))}."]  # fmt: skip
    return lines


def _groups(report: Report) -> list[str]:
    if not report.factors:
        return []
    rows = [
        (
            plain(f.group), plain(words.where(f)), f.kind,
            code(f.formula) if f.formula and len(f.formula) < 200 else "",
            f"{f.sites:,} × {f.dimension:,}", words.count(f.total),
        )
        for f in words.by_size(report.factors)
    ]  # fmt: skip
    headers = ("group", "where", "kind", "formula", "sites × dim", "total")
    return ["## Groups", "", *table(headers, rows, "llllrr")]


def _generators(entry: Entry, report: Report) -> list[str]:
    if not report.factors:
        return []
    lines = ["## Generators", "", "`w` is a dictionary of the weights, `torch` is imported.", ""]
    told = []
    beside = unread(report)
    for factor in [f for f in words.by_size(report.factors) if f not in beside]:
        try:
            shown = python(factor.records[0]) if factor.records else []
        except Unwritten:
            shown = []
        lines += _generator(factor, shown)
        told += [] if shown else [factor]
    if beside:
        names = ", ".join(code(f.parameters[0]) for f in beside)
        lines += ["### Never read", "", f"Any values do for {names}.", ""]
    if told:
        number = report.factors.index(told[0])
        lines += [
            "### From the JSON", "",
            "Where a change depends on several tensors at once, and for every other group as well, "
            "the record in the JSON acts by itself:", "",
            "```python", "import symfind, torch", "from pathlib import Path", "",
            f'report = symfind.Report.from_json(Path("{entry.slug}.json").read_text())',
            f"generator = report.factors[{number}].generators[0]"
            f"  # {told[0].group}, {told[0].kind}",
            "c = generator.coefficients(torch.Generator().manual_seed(0))",
            "w = {**w, **generator.flow(w, c, 1.0)}", "```",
        ]  # fmt: skip
    return lines


def _generator(factor: Factor, shown: list[str]) -> list[str]:
    lines = [f"### {plain(factor.group)}, {plain(words.where(factor))}", ""]
    latex = factor.generator.latex
    if latex and len(latex) < _LONG:
        lines += [*math(latex), ""]
    elif factor.generator.text:
        lines += [plain(factor.generator.text[:600]), ""]
    if factor.formula and not factor.formula.isdigit() and len(factor.formula) < 200:
        lines += [*math(rf"\dim = {formula_latex(factor.formula)} = {factor.total}"), ""]
    if shown:
        lines += ["```python", *shown, "```", ""]
    names = factor.parameters[:_NAMED]
    more = len(factor.parameters) - len(names)
    tail = f" and {more:,} more kinds" if more else ""
    lines.append(f"Tensors: {', '.join(map(code, names))}{tail}.")
    if factor.origin == "discovery":
        lines.append("Found from derivatives, without a rule.")
    if factor.source:
        lines.append(f"Known from {plain(factor.source)}.")
    return [*lines, ""]


def _discrete(report: Report) -> list[str]:
    almost = [
        f"{plain(f.group)} on {plain(site(words.where(f)))}, {words.plural(f.total, 'dimension')}"
        for f in report.approximate
    ]
    finite = [f"{code(item.group)}: {plain(words.finite(item))}" for item in report.discrete]
    beyond = [item for item in report.unsupported if item.op in _NO_OPERATIONS]
    without = [
        f"{code(item.op)} ({plain(item.effect)})"
        for item in report.unsupported if item not in beyond
    ]  # fmt: skip
    limits = list(dict.fromkeys(plain(item.effect) for item in beyond))
    return lists(
        ("Almost symmetries", "Broken by a small constant, and not counted.", almost),
        ("Discrete part", "", finite),
        ("Operations without a rule", "", without),
        ("What was left out", "", limits),
    )


def _laws(one: Kept) -> list[str]:
    laws = one.texts.get("laws")
    if not laws:
        return []
    some = "at least " if laws["open"] else ""
    lines = ["## Conserved by gradient flow", ""]
    lines.append(f"Whatever the loss and the data, gradient flow conserves {some}"
                 f"{words.plural(laws['count'], 'quantity').replace('quantitys', 'quantities')}; "
                 f"{laws['lawless']:,} dimensions of the symmetry give none.")  # fmt: skip
    lines.append("")
    told: dict[str, list[Any]] = {}
    for law in laws["kept"]:
        told.setdefault(re.sub(r"\.\d+\.", ".*.", law[1]) + law[3], [*law, 0])[-1] += 1
    for _, text, latex, where, number, times in list(told.values())[:_LAWS]:
        again = "" if times == 1 else f", in each of {times} layers"
        said = f"{plain(where)}: {words.count(number)}{again}."
        if latex and len(latex) < _LONG // 3:
            lines += [*math(latex), "", said, ""]
        else:
            lines += [f"{plain(text[:400])}", "", said, ""]
    return lines[:-1]


def _certificate(report: Report) -> list[str]:
    c = report.certificate
    lines = ["## Certificate", "", plain(words.certificate_sentence(c)) + "."]
    if c.twins:
        names = list(dict.fromkeys(n for twin in c.twins for n in twin.sizes))[:8]
        rows = [
            (f"{t.parameters:,}", words.count(t.nullity), words.count(t.redundant),
             ", ".join(f"{n}={t.sizes[n]}" for n in names if n in t.sizes))
            for t in c.twins
        ]  # fmt: skip
        lines += ["", *table(("parameters", "null", "derived", "sizes"), rows, "rrrl")]
    if c.words and c.status != "complete":
        lines += ["", *(f"- {plain(line)}" for line in c.words.splitlines())]
    lines += ["", "Generators " + plain(words.verification_sentence(report.verification)) + "."]
    for factor in report.verification.failed:
        lines += [f"- failed: {plain(factor.group)} at {code(factor.id)}"]
    return lines


def _choices(entry: Entry, found: Sequence[Variation]) -> list[str]:
    rows = [v for v in found if entry in (v.entry, v.base)]
    if not rows:
        return []
    return ["## What breaks which symmetry", "", *choice_table(rows)]


def choice_table(rows: Sequence[Variation]) -> list[str]:
    """What each choice loses and gains, read off two entries."""
    cells = [
        (
            plain(v.entry.choice), f"[{plain(v.base.title)}]({v.base.slug}.md)",
            f"[{plain(v.entry.title)}]({v.entry.slug}.md)",
            "<br>".join(plain(k) for k in v.lost) or "nothing",
            "<br>".join(plain(k) for k in v.gained) or "nothing",
            f"{v.counts[0]:,} → {v.counts[1]:,}",
        )
        for v in rows
    ]  # fmt: skip
    headers = ("choice", "without", "with", "lost", "gained", "redundant")
    return table(headers, cells, "lllllr")


def _related(entry: Entry, together: Together) -> list[str]:
    """Entries with the same groups, then those that share a source, or the most groups."""
    same = next((rows for _, rows in together.alike if entry in rows), [])
    lines = []
    others = [e for e in same if e is not entry][:_RELATED]
    if others:
        lines.append("Same groups: " + ", ".join(map(_link, others)) + ".")
    mine = set(together.kinds[entry.slug])
    near = sorted(
        (e for e in together.built if e is not entry and e not in same),
        key=lambda e: len(mine ^ set(together.kinds[e.slug])),
    )[:5]
    if near and mine:
        lines += ["", "Nearest others: " + ", ".join(map(_link, near)) + "."]
    return ["## Related entries", "", *lines[lines[:1] == [""] :]] if lines else []


def _link(entry: Entry) -> str:
    return f"[{plain(entry.title)}]({entry.slug}.md)"
