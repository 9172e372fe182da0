"""How a report shows itself in Python and in notebooks."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symfind.report.model import Report

_WIDTH = 80
_SHOWN = 4  # factors in a representation


class Picture(str):
    """A drawing as SVG, which notebooks show."""

    def _repr_svg_(self) -> str:
        return str(self)


class Views:
    """What a report can be turned into, by what each needs packages of its own."""

    def __repr__(self: "Report") -> str:  # type: ignore[misc]
        """The counts, the largest groups and the certificate, in a few lines."""
        from symfind.report import words

        d = self.dimension
        lines = [
            f"<symfind report of {self.model.name}: {d.parameters:,} parameters, "
            f"{d.redundant:,} redundant; {words.status(self.certificate)}"
        ]
        factors = words.by_size(self.factors)
        for f in factors[:_SHOWN]:
            lines.append(f"  {f.group} x {f.sites:,} ({f.kind}, {f.total:,}) at {f.place}")
        if len(factors) > _SHOWN:
            lines.append(f"  and {len(factors) - _SHOWN} more kinds")
        return "\n".join(lines) + ">"

    def __str__(self: "Report") -> str:  # type: ignore[misc]
        """The table that the command prints, at 80 columns."""
        from rich.console import Console

        from symfind.report.terminal import render

        target = io.StringIO()
        render(self, Console(file=target, width=_WIDTH, color_system=None))
        return "\n".join(line.rstrip() for line in target.getvalue().splitlines())

    def _repr_html_(self: "Report") -> str:  # type: ignore[misc]
        """The page, in a frame of its own, so that its style stays inside."""
        from markupsafe import escape

        return (
            f'<iframe srcdoc="{escape(self.page())}" style="width:100%;height:36em;border:0" '
            'title="symfind report"></iframe>'
        )

    def page(self: "Report", form: str = ".html") -> str:  # type: ignore[misc]
        """The report as a page; see `symfind.report.page`.

        Args:
            form: `.html`, `.svg`, `.md` or `.tex`.

        Raises:
            OutputError: another form.
        """
        from symfind.report.pages import page

        return page(self, form)

    def plot(self: "Report") -> Picture:  # type: ignore[misc]
        """The map of which tensors each group moves, as SVG that notebooks show."""
        from symfind.report.pages import page

        return Picture(page(self, ".svg"))

    def rows(self: "Report") -> list[dict[str, Any]]:  # type: ignore[misc]
        """One plain record for every place of every factor."""
        found = []
        for f in self.factors:
            for place in f.places or (None,):
                found.append({
                    "factor": f.id,
                    "kind": f.kind,
                    "group": f.group,
                    "place": place.id if place else f.id,
                    "sites": place.sites if place else f.sites,
                    "dimension": place.dimension if place else f.dimension,
                    "total": place.total if place else f.total,
                    "parameters": ", ".join(place.parameters if place else f.parameters),
                    "residual": f.residual.infinitesimal if f.residual else None,
                })  # fmt: skip
        return found

    def to_pandas(self: "Report") -> Any:  # type: ignore[misc]
        """`rows` as a table of pandas.

        Raises:
            InputError: pandas is not installed.
        """
        from symfind.errors import InputError

        try:
            import pandas
        except ImportError as error:
            raise InputError("to_pandas needs pandas; pip install 'symfind[pandas]'") from error
        return pandas.DataFrame(self.rows())

    @property
    def formula(self: "Report") -> Any:  # type: ignore[misc]
        """The redundant dimension as an expression of sympy, in the names of its sizes."""
        from symfind.report.expression import symbolic

        return symbolic(self.dimension.formula or "0")
