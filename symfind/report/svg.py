"""Shapes of a picture; classes, so that what holds it chooses colours."""

from importlib import resources
from xml.etree import ElementTree


def canvas(width: float, height: float, label: str) -> ElementTree.Element:
    """An empty picture; `label` is what is read aloud of it."""
    return ElementTree.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
        "role": "img",
        "aria-label": label,
    })  # fmt: skip


def rect(
    svg: ElementTree.Element,
    x: float, y: float, width: float, height: float,
    kind: str, opacity: float = 1.0,
) -> ElementTree.Element:  # fmt: skip
    """A rectangle of a class."""
    place = {"x": x, "y": y, "width": max(width, 0.0), "height": height}
    attributes = {name: f"{value:.1f}" for name, value in place.items()} | {"class": kind}
    if opacity < 1:
        attributes["opacity"] = f"{opacity:.2f}"
    return ElementTree.SubElement(svg, "rect", attributes)


def line(
    svg: ElementTree.Element, x1: float, y1: float, x2: float, y2: float, kind: str
) -> None:  # fmt: skip
    """A straight line of a class."""
    place = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    ElementTree.SubElement(svg, "line", {k: f"{v:.1f}" for k, v in place.items()} | {"class": kind})


def text(
    svg: ElementTree.Element, x: float, y: float, words: str, anchor: str = "start", kind: str = ""
) -> ElementTree.Element:
    """Words at a place."""
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    if kind:
        attributes["class"] = kind
    element = ElementTree.SubElement(svg, "text", attributes)
    element.text = words
    return element


def title(element: ElementTree.Element, words: str) -> None:
    """What shows where the pointer rests on a shape; in a text it may stand beside the letters."""
    ElementTree.SubElement(element, "title").text = words


def style(svg: ElementTree.Element) -> None:
    """Give a picture that stands alone its colours."""
    colours = ElementTree.Element("style")
    colours.text = resources.files(__package__).joinpath("templates", "chart.css").read_text()
    svg.insert(0, colours)


def done(svg: ElementTree.Element) -> str:
    """The text of a picture."""
    return ElementTree.tostring(svg, encoding="unicode")
