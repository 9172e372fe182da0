"""Pages of a report: what they show is what the report says, and nothing in it can break them."""

import ast
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symfind.errors import OutputError
from symfind.report import Certificate, Factor, GeneratorText, Report, charts, page
from symfind.report.charts import patterns
from symfind.report.html import formula_mathml
from symfind.report.pages import FORMS, form_of
from tests.report.examples import EXAMPLES, complete, empty, troubled

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "wbr", "br"}


class Reader(HTMLParser):
    """Checks that tags are balanced; gathers the text and the tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            if tag in {"td", "th", "tr", "tbody"} and self.open[-1] in {"td", "th"}:
                self.open.pop()
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] in {"td", "th"} and tag != self.open[-1]:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_is_whole_and_fetches_nothing(name: str) -> None:
    text = page(EXAMPLES[name](), ".html")
    read = Reader(text)
    assert not read.tags & {"script", "link", "img", "iframe"}
    assert text.count("http://www.w3.org/2000/svg") == text.count("http")


def test_it_says_what_the_report_says() -> None:
    report = complete()
    text = " ".join(Reader(page(report, ".html")).text.split())
    for number in (report.dimension.redundant, report.dimension.parameters):
        assert f"{number:,}" in text
    for factor in report.factors:
        assert f"{factor.total:,}" in text
        assert factor.group in text
        assert factor.generator.text in text
    for item in report.discrete:
        assert item.group in text


def test_doubts_are_on_it() -> None:
    report = troubled()
    text = " ".join(Reader(page(report, ".html")).text.split())
    assert report.certificate.status in text
    for item in report.unsupported:
        assert item.op in text


def test_nothing_to_show() -> None:
    assert "No continuous symmetry was found" in page(empty(), ".html")


@pytest.mark.parametrize("form", [".html", ".svg"])
def test_names_are_text(form: str) -> None:
    """What a model calls its parts stays text on the page."""
    nasty = "<script>alert(1)</script>&\"'{{ d }}"
    factor = Factor(nasty, "gauge", nasty, nasty, 1, 4, 4, nasty, (nasty,), GeneratorText(nasty))
    report = complete()
    report = replace(
        report,
        model=replace(report.model, name=nasty, spec=nasty, tensors={nasty: 4}),
        factors=(factor,),
    )
    text = page(report, form)
    assert "<script" not in text
    if form == ".html":
        assert nasty in Reader(text).text
    else:
        assert any(nasty in (e.text or "") for e in ElementTree.fromstring(text).iter())


def _cells(report: Report) -> list[ElementTree.Element]:
    svg = ElementTree.fromstring(charts.movements(report))
    return [e for e in svg.iter(f"{SVG}rect") if e.get("class") != "empty"]


def test_the_map_marks_what_moves() -> None:
    """A cell for every pair of a group and a row of tensors that it moves, and no other."""
    report = complete()
    names = list(report.model.tensors) or [n for f in report.factors for n in f.parameters]
    expected = sum(
        any(name in factor.parameters for name in row.tensors)
        for row in patterns(list(dict.fromkeys(names)))
        for factor in report.factors
    )
    assert len(_cells(report)) == expected > 0


def test_the_map_is_pale_where_some_stay() -> None:
    report = complete()
    first, *others = report.factors
    half = first.parameters[: len(first.parameters) // 2]
    whole = {n: 1 for f in report.factors for n in f.parameters}
    report = replace(
        report,
        model=replace(report.model, tensors=whole),
        factors=(replace(first, parameters=half), *others),
    )
    pale = [cell for cell in _cells(report) if cell.get("opacity")]
    assert {cell.get("class") for cell in pale} == {first.kind}


def test_bars_are_as_long_as_their_dimensions() -> None:
    svg = ElementTree.fromstring(charts.layers(complete()))
    ratios = []
    for bar in svg.iter(f"{SVG}rect"):
        size = (bar.findtext(f"{SVG}title") or "").split()[-1]
        ratios.append(float(bar.get("width", "")) / int(size.replace(",", "")))
    assert len(ratios) > 1
    assert max(ratios) < min(ratios) * 1.05


def test_the_curve_ends_at_the_rank() -> None:
    certificate = Certificate("complete", parameters=20, saturation=((8, 8), (16, 15), (24, 17)))
    svg = ElementTree.fromstring(charts.saturation(certificate))
    (curve,) = svg.iter(f"{SVG}polyline")
    ys = [float(point.split(",")[1]) for point in curve.get("points", "").split()]
    assert ys == sorted(ys, reverse=True)
    assert (ys[0] - ys[-1]) / (ys[0] - _bound(svg)) == pytest.approx(17 / 20, abs=1e-2)


def _bound(svg: ElementTree.Element) -> float:
    (line,) = (e for e in svg.iter(f"{SVG}line") if e.get("class") == "bound")
    return float(line.get("y1", ""))


def test_no_picture_without_a_measurement() -> None:
    assert charts.saturation(Certificate("skipped")) == ""
    assert charts.gap(Certificate("skipped")) == ""
    assert charts.layers(empty()) == charts.movements(empty()) == ""


def test_layers_share_a_row() -> None:
    names = [f"h.{i}.mlp.{j}.weight" for i in range(3) for j in (0, 2)] + ["0.weight", "2.weight"]
    rows = {row.name: len(row.tensors) for row in patterns(names)}
    assert rows == {"h.*.mlp.0.weight": 3, "h.*.mlp.2.weight": 3, "0.weight": 1, "2.weight": 1}


@given(st.lists(st.text("ab.0123456789_", min_size=1)))
def test_every_tensor_has_its_row(names: list[str]) -> None:
    names = list(dict.fromkeys(names))
    assert sorted(n for row in patterns(names) for n in row.tensors) == sorted(names)


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        ("n_layer*d_head**2", "<msup>"),
        ("d*(d-1)/2", "<mfrac>"),
        ("min(3, 4)", "<code>min(3, 4)</code>"),
        ("__import__('os')", "<code>__import__"),
        ("9**9**9**9", "<code>9**9"),
        ("<b>", "<code>&lt;b&gt;</code>"),
    ],
)
def test_formulas(formula: str, part: str) -> None:
    assert part in formula_mathml(formula)


@given(st.recursive(
    st.integers(0, 9).map(str) | st.sampled_from(["n", "d_model", "k"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
        lambda t: f"({t[0]}){t[1]}({t[2]})"
    ),
    max_leaves=6,
))  # fmt: skip
def test_formulas_of_any_shape_are_mathml(formula: str) -> None:
    ast.parse(formula, mode="eval")
    body = str(formula_mathml(formula)).replace("&InvisibleTimes;", "")
    assert ElementTree.fromstring(body).tag == "math"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_a_page(form: str) -> None:
    assert page(complete(), form_of(f"some.folder/report{form.upper()}"))


@pytest.mark.parametrize("path", ["report.pdf", "report", "html"])
def test_other_forms_are_refused(path: str) -> None:
    with pytest.raises(OutputError, match=r"\.html"):
        form_of(path)
