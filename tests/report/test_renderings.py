import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from symfind.report import words
from symfind.report.dims import dims, dims_table, layer
from symfind.report.latex import escape, formula_latex, latex
from symfind.report.markdown import markdown
from symfind.report.terminal import fold, render
from tests.report.examples import EXAMPLES, complete, empty, troubled
from tests.report.golden import check


def printed(report, details=False, width=80, **options):
    stream = io.StringIO()
    render(report, Console(file=stream, width=width, **options), details)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("details", [False, True])
def test_terminal(name, details):
    check(f"{name}{'-details' if details else ''}.txt", printed(EXAMPLES[name](), details))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("width", [80, 100, 200])
def test_terminal_keeps_to_its_width(name, width):
    lines = printed(EXAMPLES[name](), details=True, width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_terminal_is_plain_when_piped_and_coloured_when_not():
    assert "\x1b" not in printed(complete())
    assert "\x1b" in printed(complete(), force_terminal=True, color_system="standard")


def test_terminal_stays_ascii_where_it_must():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    render(complete(), Console(file=stream, width=80), details=True)
    stream.flush()
    assert b"144 x 4,096" in raw.getvalue()


def test_terminal_shows_every_total():
    text = printed(complete())
    for number in ("59,858,688", "599,040", "59,259,648", "589,824"):
        assert number in text


def test_terminal_shows_markup_as_it_is():
    assert "[bold]wrong" in printed(troubled())


@given(st.text(alphabet="ab_.*+ -", max_size=200), st.integers(4, 40))
def test_folding_loses_nothing_but_space(text, width):
    lines = fold(text, width)
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_folding_keeps_powers_whole():
    assert fold("n_layer*d_head**2", 12) == ["n_layer*", "d_head**2"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_markdown(name):
    check(f"{name}.md", markdown(EXAMPLES[name]()))


@pytest.mark.parametrize("name", EXAMPLES)
def test_latex(name):
    check(f"{name}.tex", latex(EXAMPLES[name]()))


def test_latex_fragment_is_the_body_of_the_page():
    body = latex(troubled(), standalone=False)
    assert "documentclass" not in body
    assert body in latex(troubled())


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("n_layer*d_head**2", r"n_{\mathrm{layer}}\,d_{\mathrm{head}}^{2}"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("-(a + b)", r"-\left(a + b\right)"),
        ("d*(d - 1)/2", r"\frac{d\,\left(d - 1\right)}{2}"),
        ("(a + b)**2", r"\left(a + b\right)^{2}"),
        ("(a**b)**c", r"\left(a^{b}\right)^{c}"),
        ("2*3", r"2 \cdot 3"),
        ("h//2", r"\left\lfloor \frac{h}{2} \right\rfloor"),
        ("min(a, 2*b)", r"\min\left(a, 2\,b\right)"),
        ("floor(a)", r"\left\lfloor a \right\rfloor"),
        ("alpha_max", r"\alpha_{\mathrm{max}}"),
        ("config.width", r"\mathrm{config.width}"),
        ("hidden_size", r"\mathrm{hidden\_size}"),
        ("a b", r"\texttt{a b}"),
        ("", r"\texttt{}"),
        ("__import__('os')", r"\texttt{\_\_import\_\_('os')}"),
    ],
)
def test_formulas_in_latex(formula, expected):
    assert formula_latex(formula) == expected


def test_escaping_for_latex():
    assert escape(r"a_b {c} 5% \ ^") == r"a\_b \{c\} 5\% \textbackslash{} \textasciicircum{}"


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("format", ["table", "csv", "json"])
def test_dims(name, format):
    check(f"{name}-dims.{format}", dims_table(EXAMPLES[name](), format))


@pytest.mark.parametrize("name", EXAMPLES)
def test_dims_split_without_loss(name):
    report = EXAMPLES[name]()
    table = dims(report)
    for rows in (table.kinds, table.layers):
        assert sum(row.algebra for row in rows) == report.dimension.algebra
        assert sum(row.inert for row in rows) == report.dimension.inert


def test_dims_keep_what_no_place_accounts_for():
    report = complete()
    short = replace(report.factors[0], places=report.factors[0].places[:1])
    table = dims(replace(report, factors=(short, report.factors[1])))
    assert table.layers[-1].name == "(across layers)"
    assert table.layers[-1].algebra == 11 * 12 * 64


def test_dims_layers_come_in_their_order():
    names = [row.name for row in dims(complete()).layers]
    assert names == [*(f"transformer.h.{i}" for i in range(12)), "transformer.wte"]


def test_dims_csv_and_json_parse():
    rows = list(csv.DictReader(io.StringIO(dims_table(complete(), "csv"))))
    data = json.loads(dims_table(complete(), "json"))
    assert int(rows[0]["algebra"]) == data["total"]["algebra"] == 599040
    assert len(rows) == 1 + len(data["kinds"]) + len(data["layers"])


def test_dims_refuses_an_unknown_format():
    with pytest.raises(ValueError, match="yaml"):
        dims_table(empty(), "yaml")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("transformer.h.0.attn:query-key", "transformer.h.0"),
        ("layer1.0.bn1", "layer1.0"),
        ("0", "0"),
        ("lm_head:bond", "lm_head"),
        ("", ""),
    ],
)
def test_layers(path, expected):
    assert layer(path) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 10, "0%"),
        (10, 10, "100%"),
        (1, 10**9, "<0.01%"),
        (10**9 - 1, 10**9, ">99.99%"),
        (1, 3, "33.33%"),
        (0, 0, "0%"),
    ],
)
def test_shares(part, whole, expected):
    assert words.share(part, whole) == expected
