"""A report in Python and in notebooks."""

import importlib.util

import pytest

import symfind
from symfind.errors import InputError
from symfind.report import Report
from tests.report.examples import complete, empty, troubled

REPORTS = [complete(), troubled(), empty()]


@pytest.mark.parametrize("report", REPORTS, ids=lambda r: r.model.name)
def test_short_and_printed(report: Report) -> None:
    assert len(repr(report)) < 700 and len(repr(report).splitlines()) <= 6
    assert f"{report.dimension.redundant:,} redundant" in repr(report)
    assert all(len(repr(f)) < 200 for f in report.factors)
    text = str(report)
    assert "certificate" in text and all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("report", REPORTS, ids=lambda r: r.model.name)
def test_pages_and_pictures(report: Report) -> None:
    assert report.page().startswith("<!") and report.page(".md").startswith("#")
    frame = report._repr_html_()
    assert frame.startswith("<iframe") and "<script" not in frame and "<html" not in frame
    if report.factors:
        assert report.plot()._repr_svg_().startswith("<svg")


def test_rows_add_up() -> None:
    for report in REPORTS:
        totals = {f.id: f.total for f in report.factors}
        for name, total in totals.items():
            assert sum(r["total"] for r in report.rows() if r["factor"] == name) == total


def test_a_table_or_what_is_missing_for_it() -> None:
    report = complete()
    if importlib.util.find_spec("pandas"):
        assert len(report.to_pandas()) == len(report.rows())
    else:
        with pytest.raises(InputError, match=r"symfind\[pandas\]"):
            report.to_pandas()


def test_the_formula_is_an_expression() -> None:
    report = complete()
    values = {s: report.dimension.sizes[str(s)] for s in report.formula.free_symbols}
    assert report.formula.subs(values) == report.dimension.redundant


def test_what_a_report_consists_of_is_exported() -> None:
    report = complete()
    assert isinstance(report.factors[0], symfind.Factor)
    assert isinstance(report.certificate, symfind.Certificate)
    assert symfind.Generator and symfind.Record
