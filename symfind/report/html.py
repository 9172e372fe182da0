"""A page for one report that stands alone: no script, nothing to fetch, pictures drawn inside."""

from functools import cache

import jinja2
from markupsafe import Markup, escape

from symfind.characters import shown
from symfind.report import charts, words
from symfind.report.expression import symbolic
from symfind.report.model import KINDS, Report

_PARAMETERS = 24  # names of tensors of a group that are listed


def html(report: Report) -> str:
    """Write the page: totals, pictures, groups with generators, certificate, verification."""
    report = shown(report)
    return _environment().get_template("report.html").render(
        report=report,
        d=report.dimension,
        certificate=report.certificate,
        factors=words.by_size(report.factors),
        kinds=[kind for kind in KINDS if any(f.kind == kind for f in report.factors)],
        shown=_PARAMETERS,
        sizes=words.used_sizes(report),
        words=words,
        layers=Markup(charts.layers(report)),
        layers_left_out=charts.layers_left_out(report),
        movements=Markup(charts.movements(report)),
        saturation=Markup(charts.saturation(report.certificate)),
        gap=Markup(charts.gap(report.certificate)),
        stages={k: v for k, v in vars(report.timing).items() if v is not None},
    ) + "\n"  # fmt: skip


def formula_mathml(formula: str) -> Markup:
    """Turn `n_layer*d_head**2` into MathML, which browsers set by themselves.

    It is parsed and never evaluated. What is not an arithmetic expression comes back as code.
    """
    import sympy

    try:
        body = sympy.mathml(symbolic(formula), printer="presentation")
    except (ValueError, RecursionError):
        return Markup("<code>{}</code>").format(formula)
    # names of several letters beside each other need a space between them
    body = body.replace("<mo>&InvisibleTimes;</mo>", '<mspace width="0.25em"></mspace>')
    return Markup(f"<math>{body}</math>")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("symfind.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["math"] = formula_mathml
    environment.filters["path"] = _breakable
    return environment


def _breakable(path: str) -> Markup:
    """A dotted name that may be broken after a dot or a colon."""
    text = str(escape(path))
    for mark in (".", ":", "-"):
        text = text.replace(mark, f"{mark}<wbr>")
    return Markup(text)
