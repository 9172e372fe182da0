"""What an entry is, in words: what acts, what does not, and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symfind.catalog.groups import site, unread
from symfind.catalog.kept import Kept
from symfind.report import words
from symfind.report.markdown import code, plain
from symfind.report.model import Factor, Report

_SHOWN = 8  # reasons why there is no larger group
_FIRST = 3  # names of many

_VERBS = {
    "gauge": "a change of basis", "scaling": "positive scales", "rotation": "a rotation",
    "shift": "something added that nothing sees", "reach": "what no input reaches",
    "parallel": "what one path adds and another takes back", "inert": "entries that are never read",
}  # fmt: skip


def lines(title: str, one: Kept) -> list[str]:
    """Markdown: a paragraph, what acts, and what does not."""
    return [_paragraph(title, one), *_acting(one.report), *_absent(one.texts, one.report)]


def _paragraph(title: str, one: Kept) -> str:
    d, c = one.report.dimension, one.report.certificate
    part = words.share(d.redundant, d.parameters)
    if not d.redundant:
        number = words.count(d.parameters)
        text = f"No continuous symmetry acts on the {number} parameters of {plain(title)}."
    else:
        text = (
            f"Of the {words.count(d.parameters)} parameters of {plain(title)}, "
            f"**{words.count(d.redundant)}** ({part}) are redundant: in as many independent "
            "directions the weights move and the function does not."
        )
    if c.status == "complete":
        where = " of small models of its family" if c.on == "twin" else ""
        return f"{text} Nothing was missed: the measured null space{where} has no other directions."
    if c.status == "incomplete":
        left = c.unexplained or 0
        belong = "belongs" if left == 1 else "belong"
        return (
            f"{text} The list is not complete: where it was measured, "
            f"{words.plural(left, 'null direction')} {belong} to none of these groups."
        )
    return f"{text} Whether that is all is not decided ({plain(c.reason)})."


def _acting(report: Report) -> Iterator[str]:
    if not report.factors:
        return
    yield from ("", "What acts:", "")
    beside = unread(report)
    for factor in words.by_size(report.factors):
        if factor not in beside:
            yield f"- {_act(factor)}"
    if beside:
        total = words.plural(sum(f.total for f in beside), "dimension")
        yield f"- {len(beside)} tensors are never read, {_first(beside)}: {total}"


def _act(factor: Factor) -> str:
    verb = _VERBS[factor.kind]
    times = "" if factor.sites == 1 else f" {factor.sites:,} times,"
    return (
        f"**{plain(factor.group)}** on {plain(site(words.where(factor)))}: {verb},{times} "
        f"{words.plural(factor.total, 'dimension')}"
    )


def _first(beside: Sequence[Factor]) -> str:
    """The first of them by name."""
    more = f" and {len(beside) - _FIRST} more" if len(beside) > _FIRST else ""
    return ", ".join(code(f.parameters[0]) for f in beside[:_FIRST]) + more


def _absent(texts: Mapping[str, Any], report: Report) -> Iterator[str]:
    """Where a larger group could be, and what stands against it."""
    told: set[tuple[Any, ...]] = set()
    found = []
    for wire in texts.get("wires", ()):
        reasons = [r for r in wire["reasons"] if "an input" not in r[0] and "an output" not in r[0]]
        if not reasons or len(reasons) < len(wire["reasons"]):
            continue
        # what leaves nothing says more than what leaves a part
        last = [r for r in reasons if not r[1]] or reasons
        key = (wire["role"], wire["group"], *(r[0].partition(" writes")[0] for r in last))
        if key in told:
            continue
        told.add(key)
        left = f"only {plain(wire['group'])} of" if wire["group"] else "no group of matrices of"
        said = dict.fromkeys(r[0] for r in last[:3])
        undo = [r[2] for r in last if r[2]][:1]
        found.append(
            f"- {plain(wire['name'])}: {left} GL({wire['size']}, R), because "
            + "; ".join(plain(s) for s in said)
            + (f" (to have it back: {plain(undo[0])})" if undo else "")
        )
    if found:
        yield from ("", "What does not act, and why:", "", *found[:_SHOWN])
        if len(found) > _SHOWN:
            yield f"- and {len(found) - _SHOWN} more, which {code('symfind explain')} lists"
    for item in report.absent[:3]:
        because = "; ".join(item.because)
        yield f"- {plain(item.group)} on {plain(site(item.site))} all but acts: {plain(because)}"
