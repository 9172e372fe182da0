"""One report as a page, in the form that the name of a file asks for."""

from collections.abc import Callable
from pathlib import PurePath

from symfind.errors import OutputError
from symfind.report.model import Report

FORMS = (".html", ".svg", ".md", ".tex")


def page(report: Report, form: str) -> str:
    """Write a report as a page.

    Args:
        report: any report, also one that was read back.
        form: `.html` (stands alone, with pictures), `.svg` (the map of which tensors each group
            moves), `.md` (formulas between `$$`) or `.tex`.

    Raises:
        OutputError: another form.
    """
    return _writer(form)(report)


def form_of(path: str) -> str:
    """The form that the suffix of a file names.

    Raises:
        OutputError: it names none of `FORMS`.
    """
    form = PurePath(path).suffix.lower()
    _writer(form)
    return form


def _writer(form: str) -> Callable[[Report], str]:
    # each needs packages of its own
    if form == ".html":
        from symfind.report.html import html

        return html
    if form == ".svg":
        from symfind.report.charts import standalone

        return standalone
    if form == ".md":
        from symfind.report.markdown import markdown

        return markdown
    if form == ".tex":
        from symfind.report.latex import latex

        return latex
    found = f"in {form}" if form else "without a suffix"
    raise OutputError(f"a page cannot be written {found}: name a file in {', '.join(FORMS)}")
