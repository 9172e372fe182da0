"""What was found as a table of 80 columns."""

import textwrap

from symfind.transforms.result import Found, Generator

WIDTH = 80
_SHOWN = 12  # generators, and blind directions, in a table
_LABEL = 13


def table(found: Found, details: bool = False) -> str:
    """Write what was found; the text ends with a newline.

    Args:
        found: the result.
        details: whether all generators are shown.
    """
    head = found.function if found.function == found.spec else f"{found.function}  {found.spec}"
    lines = [head, *_wrapped(f"acts on {found.action}; {found.fields}"), ""]
    lines += _generators(found, details)
    lines += _facts(found)
    return "\n".join(lines) + "\n"


def _generators(found: Found, details: bool) -> list[str]:
    if not found.generators:
        return []
    bounded = any(g.bound is not None for g in found.generators)
    last = "defect  <= (95 %)" if bounded else "change"
    lines = [f"{'generator':<52}{'known by':<10}{last:>{WIDTH - 62}}"]
    shown = found.generators if details else found.generators[:_SHOWN]
    for generator in shown:
        lines += _row(generator)
    if len(shown) < len(found.generators):
        rest = len(found.generators) - len(shown)
        lines.append(f"and {rest} more (--details)")
    return [*lines, ""]


def _row(generator: Generator) -> list[str]:
    text = textwrap.wrap(generator.text, 50, break_long_words=False) or [""]
    if generator.bound is not None:
        last = f"{generator.defect:.1e}  {generator.bound:.1e}"
    else:
        last = f"{generator.residual or 0.0:.0e}"
    first = f"{text[0]:<52}{generator.source:<10}{last:>{WIDTH - 62}}"
    return [first, *(f"  {line}" for line in text[1:])]


def _facts(found: Found) -> list[str]:
    lines = fact("algebra", _algebra(found))
    if found.aliases:
        lines += fact("also", ", ".join(found.aliases))
    lines += fact("dimension", _dimension(found))
    if found.blind:
        lines += fact("blind", _blind(found))
    lines += fact("known by", _known(found))
    if found.generators:
        moved = min((g.moved or 0.0) for g in found.generators)
        worst = max((g.residual or 0.0) for g in found.generators)
        lines += fact(
            "applied",
            f"exp(tX) moves the input by {moved:.0%} of its size or more and changes the output "
            f"by {worst:.0e} of what a random displacement does",
        )
    lines += fact("gap", _gap(found))
    for note in found.notes:
        lines += fact("note", note)
    if found.status != "found":
        lines += fact("undetermined", found.reason)
    return lines


def _gap(found: Found) -> str:
    if found.spectrum:
        count = len(found.generators)
        shown = [f"{v:.4f}" for v in found.spectrum[: count + 3]]
        return "cosines " + " ".join([*shown[:count], "|", *shown[count:]])
    kept, dropped = found.gap
    return f"10^{kept} to 10^{dropped}, {found.points} points"


def _algebra(found: Found) -> str:
    if not found.generators:
        return "0: no such field leaves the function unchanged" + (
            " but those in blind directions" if found.trivial else ""
        )
    name = found.algebra or "not named"
    return name if found.named == len(found.generators) or not found.named else (
        f"{name}, of the last {found.named} generators"
    )  # fmt: skip


def _dimension(found: Found) -> str:
    own = len(found.generators)
    if not found.trivial:
        return str(own)
    return (
        f"{own}, and {found.trivial} fields with values in blind directions, which say nothing: "
        f"{found.dimension} in all"
    )


def _blind(found: Found) -> str:
    shown = found.blind[:_SHOWN]
    rows = "; ".join("(" + ", ".join(f"{v:.4g}" for v in row) + ")" for row in shown)
    more = f"; and {len(found.blind) - len(shown)} more" if len(shown) < len(found.blind) else ""
    return f"f does not depend on {rows}{more}"


_WAYS = {"rules": "rules derive", "discovery": "discovery finds", "measured": "measured alone"}


def _known(found: Found) -> str:
    if found.sources.keys() == {"data"} or found.spectrum:
        return f"gradients at {found.points:,} samples, not exact"
    if found.rules:
        return f"measured; rules were not asked: {found.rules}"
    if not found.generators:
        return "measured: no more than rules derive, which is nothing"
    ways = [f"{_WAYS[way]} {n}" for way, n in found.sources.items() if way in _WAYS]
    return ", ".join(ways) + f"; {len(found.generators)} are measured in all"


def fact(label: str, text: str) -> list[str]:
    """A label with its text, wrapped."""
    lines = textwrap.wrap(text, WIDTH - _LABEL, break_long_words=False) or [""]
    return [f"{label:<{_LABEL}}{lines[0]}", *(" " * _LABEL + line for line in lines[1:])]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False)
