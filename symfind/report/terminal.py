"""The report on a terminal: one screen that reads well at 80 columns, with or without colour."""

import re
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from symfind.action.wording import wording
from symfind.characters import shown
from symfind.report import words
from symfind.report.certificate import Certificate
from symfind.report.model import Factor, Report
from symfind.report.summed import sizes_of_layers, summed
from symfind.report.unexplained import brief

_STATUS_STYLE = {
    "complete": "green",
    "verified": "green",
    "incomplete": "yellow",
    "undetermined": "yellow",
    "skipped": "dim",
    "failed": "bold red",
}

# A power is one operator and a decimal one number: neither may be torn.
_BREAKS = tuple(re.compile(p) for p in (r" +", r"[:,+/]|\.(?!\d)|(?<!\*)\*(?!\*)", r"[-_]"))
_NODES_SHOWN = 3
_LABEL_WIDTH = 15


def render(report: Report, console: Console, details: bool = False) -> None:
    """Print the report; with `details` also every place, its tensors and axes, and all sizes.

    Colour and characters beyond ASCII follow the console, so a pipe gets plain text.
    """
    report = shown(report)
    _header(report, console)
    _factors(report, console)
    _totals(report, console, details)
    _findings(report, console, details)
    _approximate(report, console)
    _discrete(report, console)
    _absent(report, console)
    _unsupported(report, console, details)
    if details:
        _details(report, console)
    _footer(report, console)


def fold(text: str, width: int) -> list[str]:
    """Break prose, a formula or a dotted path into lines of at most `width`.

    At a space where one is near, else after a single operator or a dot, else wherever it must.
    """
    width = max(width, 1)
    lines = []
    while len(text) > width:
        cut = _cut(text, width)
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text]


def _cut(text: str, width: int) -> int:
    # One more character, so that a break after the last one that fits is seen.
    window = text[: width + 1]
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(window) if match.end() <= width]
        if ends and ends[-1] > width // 2:
            return ends[-1]
    return width


def _header(report: Report, console: Console) -> None:
    model = report.model
    title = Text(model.name, style="bold")
    if model.spec and model.spec != model.name:
        title.append(f"  {model.spec}", style="dim")
    _print(console, title)
    line = f"inputs {words.inputs(report)}; mode {model.mode}; output {report.output}"
    _print(console, Text("\n".join(fold(line, console.width)), style="dim"))
    _print(console)


def _factors(report: Report, console: Console) -> None:
    if not report.factors:
        _print(console, Text("No continuous symmetry was found."))
        _print(console)
        return
    times = "x" if console.options.ascii_only else "×"
    factors = words.by_size(report.factors)
    sites = [f"{f.sites:,} {times} {f.dimension:,}" for f in factors]
    totals = [words.count(f.total) for f in factors]
    shares = [words.share(f.total, report.dimension.parameters) for f in factors]
    headers = ("group", "where", "kind", f"sites {times} dim", "total", "share")
    widths = [
        min(_widest(headers[0], (f.group for f in factors)), 16),
        0,
        _widest(headers[2], (f.kind for f in factors)),
        _widest(headers[3], sites),
        _widest(headers[4], totals),
        _widest(headers[5], shares),
    ]
    widths[1] = max(console.width - sum(widths) - 2 * (len(widths) - 1), 14)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for header, width in zip(headers, widths, strict=True):
        right = header in headers[3:]
        table.add_column(header, width=width, justify="right" if right else "left", overflow="fold")
    for factor, site, total, part in zip(factors, sites, totals, shares, strict=True):
        place = Text("\n".join(fold(words.where(factor), widths[1])))
        if factor.formula and not factor.formula.isdigit():
            formula = fold(summed(factor.formula), widths[1] - 2)
            place.append("".join(f"\n  {line}" for line in formula), style="dim")
        group = Text("\n".join(fold(factor.group, widths[0])), style="cyan")
        table.add_row(group, place, Text(factor.kind), Text(site), Text(total), Text(part))
    console.print(table)
    _print(console)


def _totals(report: Report, console: Console, details: bool) -> None:
    d = report.dimension
    rows = [("parameters", d.parameters, "")]
    if d.algebra != d.symmetry:
        rows.append(("algebra", d.algebra, ""))
    if d.algebra != d.symmetry or d.inert:
        rows.append(("symmetry", d.symmetry, _stabilisers(d.algebra - d.symmetry)))
    if d.inert:
        rows.append(("inert", d.inert, ""))
    rows += [
        ("redundant", d.redundant, f"{words.share(d.redundant, d.parameters)} of the parameters"),
        ("effective", d.effective, words.effective_label(report)),
    ]
    width = max(len(words.count(value)) for _, value, _ in rows)
    for name, value, note in rows:
        strong = "bold" if name in ("redundant", "effective") else ""
        line = Text(f"{name:<{_LABEL_WIDTH}}", style=strong)
        line.append(f"{words.count(value):>{width}}", style=strong)
        line.append(f"  {note}" if note else "", style="dim")
        _print(console, line)
    _print(console)
    if d.formula:
        _labelled(console, "formula", f"redundant = {summed(d.formula)}")
    if d.checked:
        where = f", where {d.domain}" if d.domain else ""
        _labelled(console, "", f"right at {d.checked} other sizes that it was held against{where}")
    elif d.formula and not d.formula.isdigit():
        _labelled(console, "", "of this model; not held against other sizes")
    if d.broke:
        _labelled(
            console, "", f"at these sizes; no formula that also gives {words.elsewhere(d.broke)}"
        )
    sizes = d.sizes if details else words.used_sizes(report)
    if sizes:
        _labelled(console, "sizes", ", ".join(sizes_of_layers(sizes)))


def _findings(report: Report, console: Console, details: bool) -> None:
    certificate, verification = report.certificate, report.verification
    _status(console, "certificate", certificate.status, words.certificate_sentence(certificate))
    _unexplained(certificate, console, details)
    sentence = words.verification_sentence(verification)
    _status(console, "verification", verification.status, sentence)
    for factor in verification.failed:
        line = f"{factor.group} at {words.where(factor)}{_residual(factor)}"
        _indented(console, line, style="red")
    _print(console)


def _unexplained(certificate: Certificate, console: Console, details: bool) -> None:
    support, width = certificate.unexplained_support, console.width - _LABEL_WIDTH
    if support and not certificate.unexplained_sets:
        names = ", ".join(support) if details else words.some_of(support)
        _labelled(console, "carried by", names)
    lines = certificate.words.splitlines()
    if not details:
        lines = brief(certificate, lambda text: fold(text, width))
    for i, line in enumerate(lines):
        _labelled(console, "" if i else "in words", line)


def _approximate(report: Report, console: Console) -> None:
    lines = [
        f"{factor.group}, dimension {words.count(factor.total)}, at {words.where(factor)}"
        f"{_residual(factor)}"
        for factor in words.by_size(report.approximate)
    ]
    _listed(console, "Approximate symmetries (not counted)", lines)


def _discrete(report: Report, console: Console) -> None:
    lines = [f"{item.group}: {words.finite(item)}" for item in report.discrete]
    _listed(console, "Discrete symmetries (not counted)", lines)


def _absent(report: Report, console: Console) -> None:
    lines = [
        f"{item.group} of the {item.site}; but {'; '.join(item.because)}" for item in report.absent
    ]
    _listed(console, "Groups that almost exist (symfind explain says more)", lines)


def _listed(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    _print(console, Text(title, style="bold"))
    for line in lines:
        _indented(console, line)
    _print(console)


def _unsupported(report: Report, console: Console, details: bool) -> None:
    if not report.unsupported:
        return
    _print(
        console, Text("Operations without a rule (completeness may suffer)", style="bold yellow")
    )
    for item in report.unsupported:
        shown = item.nodes if details else item.nodes[:_NODES_SHOWN]
        more = len(item.nodes) - len(shown)
        nodes = ", ".join(shown) + (f" and {more:,} more" if more else "")
        _indented(console, f"{item.op} ({item.effect}): {nodes}")
    _print(console)


def _null_vectors(certificate: Certificate, console: Console) -> None:
    for one in certificate.unexplained_sets:
        _print(console, Text(f"{one.kind}, dimension {one.dimension:,}", style="bold yellow"))
        _indented(console, ", ".join(one.tensors))
        for vector in one.vectors:
            entries = [
                f"{e.value:+.3g} {e.tensor}[{','.join(map(str, e.index))}]" for e in vector.entries
            ]
            more = vector.nonzero - len(entries)
            tail = f" and {more:,} smaller ones" if more else ""
            _indented(console, f"null vector {' '.join(entries)}{tail}", depth=4)
        _print(console)


def _details(report: Report, console: Console) -> None:
    _null_vectors(report.certificate, console)
    for factor in words.by_size(report.factors):
        head = Text(factor.group, style="bold cyan").append(f"  {factor.id}", style="bold")
        _print(console, head)
        if factor.generator.text:
            _indented(console, _whole_text(factor))
        if factor.source:
            _indented(console, f"source: {factor.source}")
        if factor.residual is not None:
            _indented(console, _residual(factor).removeprefix(": "))
        for place in factor.places:
            size = (
                f"{words.plural(place.sites, 'site')} of dimension {words.count(place.dimension)}"
            )
            axes = f"; axes {place.axes}" if place.axes else ""
            _indented(console, f"{place.id}  {size}{axes}")
            _indented(console, "\n".join(place.parameters), depth=4)
        if not factor.places:
            axes = f"axes {factor.axes}" if factor.axes else ""
            _indented(console, "\n".join(filter(None, (axes, *factor.parameters))), depth=4)
        _print(console)
    for item in report.discrete:
        head = Text(item.group, style="bold cyan").append(f"  {item.id}", style="bold")
        _print(console, head)
        for one in item.places:
            _indented(console, f"{one.id.rpartition(':')[0] or one.id}  {words.axes(one)}")
        _print(console)


def _whole_text(factor: Factor) -> str:
    """How the generator acts, all tensors named where the report names a few."""
    text = factor.generator.text
    if " in all)" in text and factor.records:
        text, _ = wording(factor.records[0], factor.kind, full=True)
    return shown(text)


def _footer(report: Report, console: Console) -> None:
    versions = f"symfind {report.versions.symfind}, torch {report.versions.torch}"
    stages = vars(report.timing).items()
    times = ", ".join(f"{stage} {value:.1f}s" for stage, value in stages if value is not None)
    line = f"{versions}; {times}" if times else versions
    _print(console, Text("\n".join(fold(line, console.width)), style="dim"))


def _residual(factor: Factor) -> str:
    r = factor.residual
    if r is None:
        return ""
    finite = words.small(r.finite)
    infinitesimal, random = words.small(r.infinitesimal), words.small(r.random)
    many = f" of {r.together:,} generators together" if r.together else ""
    return f": residual {infinitesimal}{many} (random direction {random}, finite {finite})"


def _stabilisers(difference: int) -> str:
    return f"stabilisers take {difference:,}" if difference else ""


def _status(console: Console, label: str, status: str, sentence: str) -> None:
    _labelled(console, label, sentence, _STATUS_STYLE.get(status, ""), status)


def _labelled(
    console: Console, label: str, text: str, style: str = "", emphasised: str = ""
) -> None:
    lines = fold(text, console.width - _LABEL_WIDTH)
    body = Text(f"{label:<{_LABEL_WIDTH}}").append(("\n" + " " * _LABEL_WIDTH).join(lines))
    if emphasised:
        body.stylize(style, _LABEL_WIDTH, _LABEL_WIDTH + len(emphasised))
    _print(console, body)


def _indented(console: Console, text: str, style: str = "", depth: int = 2) -> None:
    for part in text.splitlines():
        for line in fold(part, console.width - depth):
            _print(console, Text(" " * depth + line, style))


def _print(console: Console, text: Text | None = None) -> None:
    # Lines are already folded; rich must neither wrap again nor read brackets as markup.
    console.print(text if text is not None else "", soft_wrap=True, markup=False, highlight=False)


def _widest(header: str, cells: Iterable[str]) -> int:
    return max(len(header), *(len(cell) for cell in cells))
