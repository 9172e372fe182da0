"""Pictures of a report as SVG: where it is redundant, which tensors move together, how it was seen.

Shapes carry classes (`gauge`, `scaling`, ...), so that the page that holds them chooses colours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from symfind.characters import shown
from symfind.report import words
from symfind.report.certificate import Certificate
from symfind.report.dims import by_layer
from symfind.report.model import KINDS, Factor, Report
from symfind.report.svg import canvas as _svg
from symfind.report.svg import done as _done
from symfind.report.svg import line as _line
from symfind.report.svg import rect as _rect
from symfind.report.svg import style as _style
from symfind.report.svg import text as _text
from symfind.report.svg import title as _title

_LAYERS = 40  # bars at most
_TENSORS = 60  # rows of the map at most
_FACTORS = 40  # columns of the map at most
_LETTER = 6.6  # width of a letter, in pixels


def layers(report: Report) -> str:
    """A bar for every layer: how many dimensions its symmetries take, by kind.

    Layers are those of `symfind dims`; of many, the ones with most are shown, in their order.
    """
    rows = [(name, parts) for name, parts in by_layer(report).items() if parts]
    sums = [sum(n for _, n in parts) for _, parts in rows]
    chosen = sorted(sorted(range(len(rows)), key=lambda i: -sums[i])[:_LAYERS])
    if not chosen:
        return ""
    left = _LETTER * max(len(rows[i][0]) for i in chosen) + 12
    step, width = 20, 420
    most = max(sums[i] for i in chosen)
    svg = _svg(left + width + 110, step * len(chosen) + 4, "dimensions by layer")
    for row, i in enumerate(chosen):
        name, parts = rows[i]
        y = row * step
        _text(svg, left - 8, y + 14, name, "end")
        x = left
        for kind in KINDS:
            total = sum(n for factor, n in parts if factor.kind == kind)
            if total:
                size = width * total / most
                bar = _rect(svg, x, y + 3, size, 14, kind)
                _title(bar, f"{name}: {kind} {total:,}")
                x += size
        _text(svg, x + 6, y + 14, f"{sums[i]:,}")
    return _done(svg)


def layers_left_out(report: Report) -> int:
    """How many layers with symmetries `layers` has no room for."""
    return max(sum(1 for parts in by_layer(report).values() if parts) - _LAYERS, 0)


@dataclass(frozen=True)
class Pattern:
    """Tensors of modules that differ in the numbers of their layers, `h.*.attn.c_attn.weight`."""

    name: str
    tensors: tuple[str, ...]


def patterns(names: Sequence[str]) -> list[Pattern]:
    """Group names that differ in numbers only; the number of a tensor's own module tells it apart.

    So `h.0.mlp.2.weight` goes with `h.1.mlp.2.weight`, and not with `h.0.mlp.0.weight`.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        *layers, module, tensor = ["", *name.split(".")]
        key = ".".join([*(re.sub(r"\d+$", "*", layer) for layer in layers), module, tensor])
        found.setdefault(key.strip("."), []).append(name)
    return [Pattern(key if len(own) > 1 else own[0], tuple(own)) for key, own in found.items()]


def movements(report: Report) -> str:
    """A map: a row for every tensor, a column for every group, a cell where one moves the other.

    Tensors of repeated layers share a row; a cell is pale where only some of them move. Columns are
    numbered as the table of groups is.
    """
    svg = _movements(report, legend=False)
    return "" if svg is None else _done(svg)


def standalone(report: Report) -> str:
    """`movements` as a picture of its own, with its colours and a legend of the columns."""
    svg = _movements(shown(report), legend=True)
    if svg is None:
        svg = _svg(0, 0, "no symmetry")
    _style(svg)
    return _done(svg) + "\n"


def _movements(report: Report, legend: bool) -> ElementTree.Element | None:
    factors = words.by_size(report.factors)[:_FACTORS]
    names = list(report.model.tensors) or list(
        dict.fromkeys(name for factor in factors for name in factor.parameters)
    )
    rows = patterns(names)
    moved = [[_share(row, factor) for factor in factors] for row in rows]
    if len(rows) > _TENSORS:
        keep = [any(cells) for cells in moved]
        rows = [row for row, kept in zip(rows, keep, strict=True) if kept][:_TENSORS]
        moved = [cells for cells, kept in zip(moved, keep, strict=True) if kept][:_TENSORS]
    if not (rows and factors):
        return None
    labels = [_label(row) for row in rows]
    left, top, step = _LETTER * max(map(len, labels)) + 12, 20, 20
    keys = [f"{i}  {f.group}  {f.kind}" for i, f in enumerate(factors, 1)] if legend else []
    right = left + step * len(factors) + 24
    svg = _svg(
        right + _LETTER * max((len(key) + 4 for key in keys), default=-2),
        top + step * max(len(rows), len(keys)) + 8,
        "what each group moves",
    )
    for j, (key, factor) in enumerate(zip(keys, factors, strict=False)):
        _rect(svg, right, top + step * j + 4, 12, 12, factor.kind)
        _text(svg, right + 20, top + step * j + 14, key)
    for column, factor in enumerate(factors):
        number = _text(svg, left + step * (column + 0.5), 13, str(column + 1), "middle")
        _title(number, f"{factor.group} at {words.where(factor)}")
    for j, (label, cells) in enumerate(zip(labels, moved, strict=True)):
        y = top + step * j
        _text(svg, left - 8, y + 14, label, "end", "" if any(cells) else "still")
        for i, (factor, part) in enumerate(zip(factors, cells, strict=True)):
            kind = factor.kind if part else "empty"
            opacity = 0.4 + 0.6 * part if part else 1.0
            cell = _rect(svg, left + step * i + 1, y + 1, step - 2, step - 2, kind, opacity)
            if part:
                _title(cell, f"{factor.group} at {words.where(factor)} moves {label}")
    return svg


def saturation(certificate: Certificate) -> str:
    """The rank against the rows of the Jacobian as they were added, below the parameter count."""
    curve, parameters = certificate.saturation, certificate.parameters
    if len(curve) < 2 or not parameters:
        return ""
    left, width, height, top = 64.0, 460.0, 180.0, 14.0
    most = curve[-1][0]
    svg = _svg(left + width + 120, top + height + 40, "rank against rows")

    def place(rows: float, rank: float) -> tuple[float, float]:
        return left + width * rows / most, top + height * (1 - rank / parameters)

    _line(svg, *place(0, 0), *place(most, 0), "axis")
    _line(svg, *place(0, 0), *place(0, parameters), "axis")
    _line(svg, *place(0, parameters), *place(most, parameters), "bound")
    points = [place(0, 0), *(place(*point) for point in curve)]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ElementTree.SubElement(svg, "polyline", {"points": text, "class": "curve"})
    for rows, rank in curve:
        x, y = place(rows, rank)
        dot = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3", "class": "dot"}
        _title(ElementTree.SubElement(svg, "circle", dot), f"{rows:,} rows: rank {rank:,}")
    _text(svg, left + width + 6, top + 4, f"{parameters:,} parameters")
    end = place(*curve[-1])
    # two labels need a line each
    _text(svg, end[0] + 6, max(end[1] + 4, top + 18), f"rank {curve[-1][1]:,}")
    _text(svg, left - 8, top + height + 4, "0", "end")
    _text(svg, left + width, top + height + 18, f"{most:,} rows", "end")
    return _done(svg)


def gap(certificate: Certificate) -> str:
    """The two singular values, relative to the largest, between which the rank was decided."""
    if certificate.gap is None or None in certificate.gap:
        return ""
    above, below = (float(value) for value in certificate.gap if value is not None)
    left, width, lowest = 20.0, 560.0, min(-17.0, below - 1)
    svg = _svg(left + width + 40, 64, "the gap in the spectrum")

    def place(exponent: float) -> float:
        return left + width * (1 - exponent / lowest)

    _rect(svg, place(below), 18, place(above) - place(below), 14, "gap")
    _rect(svg, place(above), 18, place(0) - place(above), 14, "kept")
    _rect(svg, place(lowest), 18, place(below) - place(lowest), 14, "null")
    _text(svg, place(above), 12, f"smallest kept 10^{above:.1f}", "middle")
    _text(svg, place(below), 48, f"largest taken for zero 10^{below:.1f}", "middle")
    _text(svg, place(0), 48, "1", "middle")
    return _done(svg)


def _share(row: Pattern, factor: Factor) -> float:
    moved = set(factor.parameters)
    return sum(name in moved for name in row.tensors) / len(row.tensors)


def _label(row: Pattern) -> str:
    return row.name if len(row.tensors) == 1 else f"{row.name} ×{len(row.tensors)}"
