"""Conservation laws as a table or as LaTeX."""

import textwrap
from collections.abc import Sequence
from typing import Literal

from symfind.conserve.model import Conserved, Drift, Law
from symfind.report import words
from symfind.report.latex import escape

WIDTH = 80


def render(found: Conserved, form: Literal["table", "json", "latex"] = "table") -> str:
    """Write the laws; the text ends with a newline.

    Raises:
        ValueError: an unknown form.
    """
    match form:
        case "table":
            return _table(found)
        case "json":
            return found.to_json() + "\n"
        case "latex":
            return _latex(found)
    raise ValueError(f"form {form!r} is none of table, json, latex")


def _table(found: Conserved) -> str:
    head = found.model if found.model == found.spec else f"{found.model}  {found.spec}"
    lines = [head, ""]
    lines += [f"{'group':<24}{'sites × dim':>14}{'laws':>10}{'drift':>11}{'control':>10}"]
    for split in found.splits:
        own = [law for law in found.laws if law.factor == split.factor]
        shape = f"{words.count(split.sites)} × {split.dimension // max(split.sites, 1)}"
        laws = "open" if split.laws is None else words.count(split.laws)
        lines.append(f"{split.group:<24}{shape:>14}{laws:>10}{_measured(own)}")
        lines += _described(own)
    mixed = [law for law in found.laws if all(law.factor != s.factor for s in found.splits)]
    for law in mixed:
        lines.append(f"{'(several groups)':<24}{'':>14}{_number(law):>10}{_measured([law])}")
        lines += _described([law])
    return "\n".join([*lines, "", *_facts(found)]) + "\n"


def _described(laws: Sequence[Law]) -> list[str]:
    """The first law of a factor in full; how many more there are."""
    if not laws:
        return []
    law = laws[0]
    text = textwrap.wrap(law.text, WIDTH - 4, break_long_words=False) or [""]
    if len(text[-1]) + len(law.range) + 9 <= WIDTH:
        text[-1] += f"   ({law.range})"
    else:
        text.append(f"({law.range})")
    if len(laws) > 1:
        text.append(f"and {len(laws) - 1} more of this form")
    return [f"    {line}" for line in text]


def _number(law: Law) -> str:
    return words.count(law.functions if law.independent is None else law.independent)


def _measured(laws: Sequence[Law]) -> str:
    drifts = [law.drift for law in laws if law.drift is not None]
    controls = [law.control for law in laws if law.control is not None]
    if not drifts:
        return ""
    least = f"{min(controls):.2g}" if controls else "unmoved"
    return f"{max(drifts):>11.1e}{least:>10}"


def _facts(found: Conserved) -> list[str]:
    flow, closure = found.flow, found.closure
    facts = [("parameters", words.count(found.parameters))]
    if found.nullity is not None:
        facts.append(("nullity", f"{words.count(found.nullity)}  measured"))
    else:
        facts.append(("redundant", f"{words.count(found.redundant)}  derived"))
    how = {"model": "independent at generic weights", "twin": "functions, counted through twins"}
    facts.append(("conserved", f"{words.count(found.count)}  {how[found.counted]}"))
    facts.append(("lawless", f"{words.count(found.lawless)}  symmetry without a law"))
    if flow.status == "skipped":
        facts.append(("flow", f"skipped: {flow.reason}"))
    else:
        beside = "" if flow.control is None else f"; random quadratics at least {flow.control:.2g}"
        moved = f"drift at most {flow.drift:.1e} while the weights moved by {flow.moved:.1%}"
        facts.append(("flow", f"{flow.status}: {moved}{beside}"))
    if closure.laws is None:
        facts.append(("closure", f"{closure.status}: {closure.reason}"))
    else:
        levels = ", ".join(map(str, closure.levels))
        text = (
            f"{closure.status}: the gradients generate {closure.dimension} dimensions (brackets "
            f"of length 1, 2, …: {levels}), which leaves {closure.laws} laws"
        )
        facts.append(("closure", text + (f"; {closure.reason}" if closure.reason else "")))
    lines = []
    for name, text in facts:
        first, *rest = textwrap.wrap(text, WIDTH - 12)
        lines += [f"{name:<12}{first}", *(" " * 12 + line for line in rest)]
    lines += _steps(found.steps) if found.steps is not None else []
    if found.open:
        lines += ["", "Not determined, and not counted", *(f"  {name}" for name in found.open)]
    return lines


def _steps(drifts: Sequence[Drift]) -> list[str]:
    """What becomes of the laws under discrete steps."""
    number = f"{drifts[0].steps} discrete steps" if drifts else "no law that is quadratic or linear"
    lines = ["", f"{number:<44}{'change':>12}{'predicted':>12}{'error':>12}"]
    for one in drifts:
        rest = "      no law of this optimiser"
        if one.predicted is not None and one.error is not None:
            rest = f"{one.predicted:>12.2e}{one.error:>12.1e}"
        text = one.text if len(one.text) <= 42 else one.text[:41] + "…"
        lines.append(f"  {text:<42}{one.measured:>12.2e}{rest}")
    return lines


def _latex(found: Conserved) -> str:
    """A `description` of the laws; needs amsmath."""
    items = []
    for law in found.laws:
        items.append(
            rf"  \item[\texttt{{{escape(law.factor)}}}] $\displaystyle {law.latex}$"
            + "\n"
            + rf"    \quad ({escape(law.range)}; {_number(law)} independent)"
        )
    body = "\n".join(items) if items else r"  \item[] none"
    return (
        f"\\noindent Gradient flow of \\texttt{{{escape(found.model)}}} conserves "
        f"{found.count} of {found.parameters} dimensions.\n"
        f"\\begin{{description}}\n{body}\n\\end{{description}}\n"
    )
