"""A discovery on a terminal, at 80 columns and up."""

from rich.console import Console
from rich.text import Text

from symfind.characters import visible
from symfind.discovery.result import Discovery
from symfind.report.terminal import fold
from symfind.report.words import count, plural

_LABEL = 15
_STYLE = {"complete": "green", "incomplete": "yellow", "undetermined": "yellow"}
_LEGEND = (
    ("E[", "E[i,j] has a one in row i, column j, and zeros elsewhere"),
    ("e[", "e[i] has a one in place i"),
    (" N(", "N(W, dim d) projects onto what W does not see along dim d"),
)


def render(found: Discovery, console: Console, details: bool = False) -> None:
    """Print the generators by kind; with `details` each of them, and every size."""
    title = Text(found.model, style="bold")
    if found.spec != found.model:
        title.append(f"  {found.spec}", style="dim")
    _print(console, title)
    _print(console)
    _kinds(found, console)
    if details:
        _each(found, console)
    _totals(found, console)
    _rules(found, console)
    _how(found, console, details)


def _kinds(found: Discovery, console: Console) -> None:
    adding = [kind for kind in found.patterns if kind.dimension]
    if not adding:
        _print(console, Text("No continuous symmetry was found."))
        _print(console)
        return
    _print(console, Text(f"{'dim':>5}  {'fields':>6}  infinitesimal change", style="bold"))
    for kind in adding:
        head = f"{count(kind.dimension):>5}  {count(kind.count):>6}  "
        lines = fold(kind.example, console.width - len(head))
        body = ("\n" + " " * len(head)).join(lines)
        _print(console, Text(head).append(body, style="cyan"))
    rest = [kind for kind in found.patterns if not kind.dimension]
    if rest:
        number = sum(kind.count for kind in rest)
        line = (
            f"and {plural(number, 'field')} of {plural(len(rest), 'kind')} that add no dimension: "
            "the same directions, times functions of the parameters"
        )
        _indented(console, line, "dim")
    shown = " ".join(kind.example for kind in adding)
    for mark, meaning in _LEGEND:
        if mark in shown:
            _indented(console, meaning, "dim")
    _print(console)


def _each(found: Discovery, console: Console) -> None:
    for generator in found.generators:
        exact = "" if generator.exact else "; not all coefficients are rational"
        _print(console, Text(f"{generator.id}  residual {generator.residual:.1e}{exact}"))
        for term in generator.terms:
            entries = ", ".join(f"[{k}] {v}" if k else f"{v}" for k, v in term.coefficients.items())
            _indented(console, f"{term.tensor} -> {term.text.replace('{}', 'A')}, A: {entries}")
    _print(console)


def _totals(found: Discovery, console: Console) -> None:
    _labelled(console, "parameters", count(found.parameters))
    _labelled(console, "nullity", f"{count(found.nullity)} measured")
    exact, number = sum(g.exact for g in found.generators), len(found.generators)
    precise = "all exact" if exact == number else f"{exact:,} of them exact"
    shown = f"{count(found.dimension)} dimensions"
    if number:
        shown += f"; {plural(number, 'generator')}, {precise}"
    _labelled(console, "discovered", shown)
    sentence = {
        "complete": "complete: the generators span the measured null space",
        "incomplete": "incomplete: "
        f"{(found.nullity or 0) - found.dimension:,} null dimensions are no local field "
        "of the dictionary",
        "undetermined": f"undetermined: {found.reason}",
    }[found.status]
    _labelled(console, "status", sentence, _STYLE[found.status])
    if found.remainder:
        _labelled(console, "carried by", ", ".join(found.remainder))
    if found.rejected:
        _labelled(console, "rejected", f"{plural(found.rejected, 'solution')} failed a check")


def _rules(found: Discovery, console: Console) -> None:
    c = found.comparison
    if c.unavailable:
        _labelled(console, "rules", f"nothing to compare with: {c.unavailable}")
        return
    if c.missed == c.beyond == 0:
        _labelled(console, "rules", f"derive {count(c.redundant)}: the same span")
    else:
        _labelled(
            console, "rules", f"derive {count(c.redundant)}; {c.missed:,} of the discovered "
            f"dimensions are missed by the rules, {c.beyond:,} of theirs are not discovered",
        )  # fmt: skip
    if c.missed_support:
        _labelled(console, "missed on", ", ".join(c.missed_support))
    for factor in c.beyond_factors:
        _labelled(console, "not discovered", f"{factor.dimension:,} of {factor.kind} {factor.id}")
    if c.unsupported:
        _labelled(console, "without a rule", ", ".join(c.unsupported))


def _how(found: Discovery, console: Console, details: bool) -> None:
    gap = ""
    if found.gap:
        gap = f"; singular values fall from 10^{found.gap[0]} to 10^{found.gap[1]}"
    several = found.searched > 1
    _labelled(
        console, "dictionary", f"{'at most ' * several}{plural(found.fields, 'field')}, "
        f"{found.independent:,} independent, at {plural(found.points, 'random point')}{gap}",
    )  # fmt: skip
    if several:
        _labelled(
            console, "locality", f"looked at {found.searched:,} neighbourhoods of the tensors that "
            "carry null directions",
        )  # fmt: skip
    if found.left_out:
        shown = found.left_out if details else found.left_out[:3]
        more = len(found.left_out) - len(shown)
        text = "; ".join(shown) + (f"; and {more:,} more" if more else "")
        _labelled(console, "no room for", text)


def _labelled(console: Console, label: str, text: str, style: str = "") -> None:
    lines = fold(text, console.width - _LABEL)
    body = ("\n" + " " * _LABEL).join(lines)
    _print(console, Text(f"{label:<{_LABEL}}").append(body, style=style))


def _indented(console: Console, text: str, style: str = "") -> None:
    for line in fold(text, console.width - 2):
        _print(console, Text("  " + line, style=style))


def _print(console: Console, text: Text | None = None) -> None:
    # lines are folded already, and hold brackets that are no markup
    if text is not None and text.plain != (safe := visible(text.plain, lines=True)):
        text = Text(safe)  # styles go by places, which have moved
    console.print(text if text is not None else "", soft_wrap=True, markup=False, highlight=False)
