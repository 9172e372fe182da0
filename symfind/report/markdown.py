"""A page for one report in Markdown, with formulas in the spelling that GitHub renders.

Formulas stand in blocks of `math`, and between `$` signs and backquotes within a line: there
nothing but the formula is read, so that underscores and backslashes stay what they are.
"""

import re
from collections.abc import Sequence

from symfind.characters import shown, visible
from symfind.report import words
from symfind.report.latex import formula_latex
from symfind.report.model import Factor, Report

_TENSORS_SHOWN = 12


def markdown(
    report: Report,
    title: str | None = None,
    picture: str | None = None,
    text: str = "",
    command: str = "",
) -> str:
    """Write the page: groups, where, formula, dimension, generators, certificate, verification.

    Args:
        report: what the page is about.
        title: instead of the name of the model.
        picture: path, from the page, of a map of what each group moves.
        text: Markdown that stands below the title.
        command: what makes the report anew.
    """
    report = shown(report)
    sections = (
        [*_head(report, title), *(["", text.strip()] if text.strip() else [])],
        ["```sh", visible(command), "```"] if command else [],
        _totals(report),
        _groups(report),
        [f"![Which tensors each group moves]({picture})"] if picture else [],
        _generators(report),
        _certainty(report),
        _others(report),
        [f"symfind {report.versions.symfind}, torch {report.versions.torch}"],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def table(headers: tuple[str, ...], rows: Sequence[tuple[str, ...]], align: str) -> list[str]:
    """Lay out a table of Markdown cells; `align` holds `l` or `r` for each column."""
    rule = ["---:" if side == "r" else "---" for side in align]
    # A bar ends a cell even inside a code span, where only the table's own escape is heard.
    body = [[cell.replace("|", r"\|") for cell in cells] for cells in (headers, *rows)]
    return ["| " + " | ".join(cells) + " |" for cells in (body[0], rule, *body[1:])]


def code(text: str) -> str:
    """Set text verbatim, whatever characters it holds."""
    text = visible(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def math(formula: str) -> list[str]:
    r"""Set a formula of LaTeX as a block; GitHub does not know `\operatorname`."""
    return ["```math", formula.replace(r"\operatorname{", r"\text{"), "```"]


def plain(text: str) -> str:
    """Escape text that is to appear as it is."""
    return "".join("\\" + c if c in "\\`*_[]<$&" else c for c in visible(text))


def _head(report: Report, title: str | None) -> list[str]:
    model = report.model
    spec = code(model.spec) if model.spec else "in memory"
    return [
        f"# {plain(title or model.name)}",
        "",
        f"- spec: {spec}",
        f"- inputs: {code(words.inputs(report))}",
        f"- mode: {model.mode}",
        f"- output: {report.output}",
    ]


def _totals(report: Report) -> list[str]:
    d = report.dimension
    names = ("parameters", "algebra", "symmetry", "inert", "redundant", "effective")
    rows = [
        (name, words.count(getattr(d, name)), words.share(getattr(d, name), d.parameters))
        for name in names
    ]
    lines = ["## Dimension", "", *table(("", "count", "share"), rows, "lrr")]
    lines += ["", f"effective: {words.effective_label(report)}."]
    if d.formula:
        lines += ["", *math(rf"\text{{redundant}} = {formula_latex(d.formula)}")]
    sizes = words.used_sizes(report)
    if sizes:
        values = ", ".join(f"$`{formula_latex(name)} = {size}`$" for name, size in sizes.items())
        lines += ["", f"with {values}."]
    return lines


def _groups(report: Report) -> list[str]:
    if not report.factors:
        return ["## Groups", "", "No continuous symmetry was found."]
    rows = [
        (
            plain(factor.group),
            code(words.where(factor)),
            factor.kind,
            code(factor.formula) if factor.formula else "",
            f"{factor.sites:,} × {factor.dimension:,}",
            words.count(factor.total),
            words.share(factor.total, report.dimension.parameters),
        )
        for factor in words.by_size(report.factors)
    ]
    headers = ("group", "where", "kind", "formula", "sites × dim", "total", "share")
    return ["## Groups", "", *table(headers, rows, "llllrrr")]


def _generators(report: Report) -> list[str]:
    if not report.factors:
        return []
    lines = ["## Generators"]
    for factor in words.by_size(report.factors):
        lines += ["", f"### {plain(factor.group)} at {code(words.where(factor))}", ""]
        lines += _generator(factor)
    return lines


def _generator(factor: Factor) -> list[str]:
    lines = []
    if factor.generator.text:
        lines += [plain(factor.generator.text), ""]
    if factor.generator.latex:
        lines += [*math(factor.generator.latex), ""]
    if factor.formula and not factor.formula.isdigit():
        lines += [*math(rf"\dim = {formula_latex(factor.formula)} = {factor.total}"), ""]
    shown = factor.parameters[:_TENSORS_SHOWN]
    more = len(factor.parameters) - len(shown)
    tail = f" and {more:,} more" if more else ""
    lines.append(f"Tensors: {', '.join(map(code, shown))}{tail}.")
    if factor.residual is not None:
        lines += ["", f"Residual: {_residual(factor)}."]
    if factor.source:
        lines += ["", f"Source: {plain(factor.source)}."]
    return lines


def _certainty(report: Report) -> list[str]:
    lines = ["## Certificate", "", plain(words.certificate_sentence(report.certificate)) + "."]
    if report.certificate.words:
        lines += ["", *(f"- {plain(line)}" for line in report.certificate.words.splitlines())]
    elif report.certificate.unexplained_support:
        tensors = ", ".join(map(code, report.certificate.unexplained_support))
        lines += ["", f"The unexplained directions are carried by {tensors}."]
    lines += ["", "## Verification", ""]
    lines.append(plain(words.verification_sentence(report.verification)) + ".")
    if report.verification.failed:
        lines.append("")
    for factor in report.verification.failed:
        lines.append(f"- {plain(factor.group)} at {code(factor.id)}: {_residual(factor)}")
    return lines


def _others(report: Report) -> list[str]:
    almost = [
        f"{plain(f.group)} at {code(words.where(f))}, dimension {f.total:,}: {_residual(f)}"
        for f in report.approximate
    ]
    finite = [f"{code(item.group)}: {plain(words.finite(item))}" for item in report.discrete]
    without = [
        f"{code(item.op)} ({plain(item.effect)}), {words.plural(len(item.nodes), 'node')}"
        for item in report.unsupported
    ]
    return lists(
        ("Approximate symmetries", "Broken slightly, and not counted.", almost),
        ("Discrete symmetries", "", finite),
        ("Operations without a rule", "", without),
    )


def lists(*parts: tuple[str, str, Sequence[str]]) -> list[str]:
    """Lists, each under a title and perhaps a sentence; without those that are empty."""
    lines: list[str] = []
    for title, said, items in parts:
        if items:
            lines += [""] if lines else []
            lines += [f"## {title}", "", *([said, ""] if said else []), *(f"- {i}" for i in items)]
    return lines


def _residual(factor: Factor) -> str:
    r = factor.residual
    if r is None:
        return "not measured"
    return (
        f"{words.small(r.infinitesimal)} infinitesimal, {words.small(r.finite)} finite, "
        f"{words.small(r.random)} for a random direction"
    )
