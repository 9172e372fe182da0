"""How shares vary with the settings, as a picture."""

import math
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from symfind.report.svg import canvas, done, line, style, text, title
from symfind.report.words import share

if TYPE_CHECKING:
    from symfind.sweeping.table import Sweep

_WIDTH, _HEIGHT, _LEFT, _TOP = 460.0, 260.0, 70.0, 34.0
_COLOURS = 7

Curve = list[tuple[float, float, str]]  # abscissa, share, words


def plot(sweep: "Sweep") -> str:
    """The share of redundant parameters against the first numeric setting that varies.

    Every choice of the other settings is a curve; without a numeric setting, points stand in the
    order of the models.
    """
    rows = [row for row in sweep.rows if row["parameters"]]
    axis = _axis(rows, sweep.settings)
    curves = _curves(rows, axis, sweep.settings)
    labels = [label for label in curves if label]
    right = _LEFT + _WIDTH + 24
    width = right + 7 * max(map(len, labels), default=0) + 24
    svg = canvas(width, _TOP + _HEIGHT + 48, f"redundant share against {axis or 'model'}")
    xs = [x for curve in curves.values() for x, _, _ in curve] or [0.0]
    top = _nice(max((y for curve in curves.values() for _, y, _ in curve), default=1.0))
    spread = _Scale(min(xs), max(xs), top)
    _frame(svg, spread, axis or "model", sorted(set(xs)))
    for number, (label, curve) in enumerate(curves.items()):
        _draw(svg, spread, curve, number)
        if label:
            y = _TOP + 18 * number
            line(svg, right, y + 6, right + 14, y + 6, f"curve c{number % _COLOURS}")
            text(svg, right + 20, y + 10, label)
    style(svg)
    return done(svg) + "\n"


class _Scale:
    def __init__(self, first: float, last: float, top: float) -> None:
        self.first, self.last, self.top = first, last, top
        self.log = first > 0 and last / first >= 16

    def x(self, value: float) -> float:
        a, b, v = (math.log(t) if self.log else t for t in (self.first, self.last, value))
        return _LEFT + _WIDTH * ((v - a) / (b - a) if b > a else 0.5)

    def y(self, value: float) -> float:
        return _TOP + _HEIGHT * (1 - value / self.top)


def _axis(rows: list[dict[str, Any]], settings: tuple[str, ...]) -> str | None:
    for name in settings:
        found = {row.get(name) for row in rows}
        if len(found) > 1 and all(_number(value) is not None for value in found):
            return name
    return None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _curves(
    rows: list[dict[str, Any]], axis: str | None, settings: tuple[str, ...]
) -> dict[str, Curve]:
    rest = [
        name for name in ("spec", *settings)
        if name != axis and len({str(row.get(name)) for row in rows}) > 1
    ]  # fmt: skip
    curves: dict[str, Curve] = {}
    for place, row in enumerate(rows, 1):
        x = _number(row.get(axis)) if axis else float(place)
        label = ", ".join(f"{name}={row[name]}" for name in rest) if axis else ""
        portion = row["redundant"] / row["parameters"]
        said = f"{row['spec']}: {row['redundant']:,} of {row['parameters']:,}"
        said += f" ({share(row['redundant'], row['parameters'])})"
        curves.setdefault(label, []).append((x or 0.0, portion, said))
    return {label: sorted(curve) for label, curve in curves.items()}


def _nice(value: float) -> float:
    """A round number that is not below."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next((f * unit for f in (1, 2, 5, 10) if f * unit >= value), 10 * unit)


def _frame(svg: Any, scale: _Scale, axis: str, ticks: list[float]) -> None:
    bottom = _TOP + _HEIGHT
    line(svg, _LEFT, bottom, _LEFT + _WIDTH, bottom, "axis")
    line(svg, _LEFT, _TOP, _LEFT, bottom, "axis")
    text(svg, _LEFT, _TOP - 16, "redundant / parameters")
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = part * scale.top
        text(svg, _LEFT - 8, scale.y(value) + 4, f"{100 * value:.3g}%", "end")
        if part:
            line(svg, _LEFT, scale.y(value), _LEFT + _WIDTH, scale.y(value), "bound")
    free = -math.inf
    for tick in ticks:
        if scale.x(tick) - free >= 44:
            free = scale.x(tick)
            text(svg, free, bottom + 18, f"{tick:g}", "middle")
    text(svg, _LEFT + _WIDTH / 2, bottom + 38, axis, "middle")


def _draw(svg: Any, scale: _Scale, curve: Curve, number: int) -> None:
    points = [(scale.x(x), scale.y(y)) for x, y, _ in curve]
    colour = f"c{number % _COLOURS}"
    spelled = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ElementTree.SubElement(svg, "polyline", {"points": spelled, "class": f"curve {colour}"})
    for (x, y), (_, _, said) in zip(points, curve, strict=True):
        dot = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3", "class": f"dot {colour}"}
        title(ElementTree.SubElement(svg, "circle", dot), said)
