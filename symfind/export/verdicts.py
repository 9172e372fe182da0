"""What is said of an entry that somebody wrote by hand."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from symfind.describe.sites import merged

Verdict = Literal["exact", "incomplete", "broken", "unmatched"]
_ORDER: tuple[Verdict, ...] = ("broken", "incomplete", "exact")
_SHOWN = 3  # names in a sentence
T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """One entry of a file.

    Attributes:
        entry: as it is written.
        verdict: `exact`; `incomplete` where readers are missing, or only a part of the channels is
            free, so that it breaks the function;
            `broken` where no derived scale, rotation or permutation is of this kind; `unmatched`
            where it names nothing in the model.
        reason: by which reader, or what is missing.
    """

    entry: str
    verdict: Verdict
    reason: str = ""


def worst(entry: str, found: Iterable[tuple[Verdict, str]]) -> Checked:
    """One verdict for all layers of an entry: the worst, with its reasons."""
    verdicts: dict[Verdict, list[str]] = {}
    for verdict, reason in found:
        verdicts.setdefault(verdict, []).append(reason)
    verdict = next(v for v in _ORDER if v in verdicts)
    return Checked(entry, verdict, "; ".join(r for r in merged(verdicts[verdict]) if r))


def compared(
    own: set[T], derived: Collection[set[T]], member: str, missing: str
) -> tuple[Verdict, str]:
    """A set that moves together, held against those that do.

    Args:
        own: what the file names.
        derived: what moves together in the model.
        member: what is said of members that do not belong; `{}` stands for their names.
        missing: what is said of those that are left out.
    """
    near = max(derived, key=lambda d: (len(d & own), -len(d)), default=set())
    if own == near:
        return "exact", ""
    if own < near:
        return "incomplete", missing.format(listed([_spelled(m) for m in near - own]))
    if near & own:
        return "broken", member.format(listed([_spelled(m) for m in own - near]))
    return "broken", member.format(listed([_spelled(m) for m in own]))


def _spelled(member: object) -> str:
    match member:
        case (str() as name, int() as axis):
            return f"axis {axis} of {name}"
        case (str() as name, str() as side):
            return f"{side} of {name}"
    return str(member)


def listed(names: Iterable[str]) -> str:
    """Names that differ in numbers only as one, and how many more there are."""
    found = merged(sorted(names, key=_by_number))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"\.", name)]


def read_by(names: Iterable[str]) -> str:
    """`a reads`, `a, b read`; layers of one kind are one."""
    said = listed(names)
    return f"{said} {'reads' if ', ' not in said and ' and ' not in said else 'read'}"


def render(found: Sequence[Checked]) -> str:
    """One line for each entry, and a sum."""
    lines = [f"{c.verdict:<10}  {c.entry}" + (f"\n{'':12}{c.reason}" if c.reason else "")
             for c in found]  # fmt: skip
    exact = sum(c.verdict == "exact" for c in found)
    return "\n".join([*lines, "", f"{exact} of {len(found)} entries are exact"]) + "\n"
