"""Names are data: whatever characters they hold, none of them is markup where they are shown.

Parameters, modules and sizes are named by strangers. A name may hold escape sequences of a
terminal, line ends, tags of HTML, commands of TeX.
"""

import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")

_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "×": r"$\times$",
}
# in formulas, which Markdown hands to other programs, nothing may begin a tag either
_FORMULA = {**_TEX, "\\": r"\backslash{}", "^": r"\wedge{}", "~": r"\sim{}", "×": r"\times{}",
            "<": r"\langle{}", ">": r"\rangle{}", "&": r"\&"}  # fmt: skip


def visible(text: str, lines: bool = False) -> str:
    """Spell out characters that do something instead of showing: escapes, line ends, directions.

    Args:
        text: any.
        lines: whether line ends and tabulators are layout, and stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c in "\n\t") else _spelled(c) for c in text)


def tex(text: str) -> str:
    """Plain text for LaTeX."""
    return "".join(_TEX.get(c, c) for c in visible(text))


def tex_name(name: str) -> str:
    """A name inside a formula of LaTeX."""
    return r"\mathtt{" + "".join(_FORMULA.get(c, c) for c in visible(name)) + "}"


def shown(value: T, lines: tuple[str, ...] = ("words",)) -> T:
    """The same dataclasses, tuples and mappings with every text in them made visible.

    Fields that are left out of what is printed of a dataclass (``repr=False``) stay as they are.

    Args:
        value: any.
        lines: fields of dataclasses in which line ends are layout.
    """
    return _shown(value, lines, False)  # type: ignore[no-any-return]


def _shown(value: Any, lines: tuple[str, ...], layout: bool) -> Any:
    if isinstance(value, str):
        return visible(value, layout)
    if isinstance(value, tuple):
        return tuple(_shown(item, lines, layout) for item in value)
    if isinstance(value, dict):
        return {_shown(k, lines, False): _shown(v, lines, layout) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f.name for f in dataclasses.fields(value) if f.init and f.repr]
        changed = {n: _shown(getattr(value, n), lines, n in lines) for n in fields}
        return dataclasses.replace(value, **changed)
    return value


def _spelled(character: str) -> str:
    # as in JSON and in Python, so that what was valid there stays so
    code = ord(character)
    if code > 0xFFFF:
        high, low = divmod(code - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{code:04x}"
