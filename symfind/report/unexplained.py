"""What a certificate leaves unexplained, in the few lines that a terminal has for it."""

import re
from collections.abc import Callable, Iterable

from symfind.report.certificate import Certificate, NullSet
from symfind.report.words import some_of

LINES = 5
_NAMED = (4, 3, 2, 1)  # tensors of a mechanism
_REST = "--details says more."
_WHY = {
    "filling": "filling, by more parameters than functions",
    "inputs": "null for inputs like those given (--input takes others)",
    "piecewise": "piecewise constant, with jumps along finite steps",
}


def brief(certificate: Certificate, fold: Callable[[str], list[str]]) -> list[str]:
    """Lines on what is not explained: all that is said of it where that is short enough.

    Else one sentence for every mechanism, and the first of whatever else is said.

    Args:
        certificate: one with words on it.
        fold: breaks a text into lines.
    """
    words = certificate.words.splitlines()
    lines = [line for text in words for line in fold(text)]
    if certificate.status != "incomplete" or len(lines) <= LINES:
        return lines
    own = [one.words for one in certificate.unexplained_sets if one.words]
    others = [text for text in words if not any(word in text for word in own)]
    found = [_fitting(same, fold) for same in _mechanisms(certificate.unexplained_sets)]
    return _cut([*found, *(fold(_first(text)) for text in others)], fold)


def _mechanisms(sets: Iterable[NullSet]) -> list[list[NullSet]]:
    """Sets that are null for one reason, the largest in all first."""
    kinds: dict[str, list[NullSet]] = {}
    for one in sets:
        kinds.setdefault(one.kind, []).append(one)
    return sorted(kinds.values(), key=lambda same: -sum(one.dimension for one in same))


def _fitting(same: list[NullSet], fold: Callable[[str], list[str]]) -> list[str]:
    """A sentence that names as many tensors as cost no line."""
    names = list(dict.fromkeys(name for one in same for name in one.tensors))
    number = sum(one.dimension for one in same)
    options = [fold(f"{number:,} in {some_of(names, n)}: {_why(same[0])}.") for n in _NAMED]
    return min(options, key=len)


def _why(one: NullSet) -> str:
    """A few words, or the first of what is said: up to where it is gone into."""
    return _WHY.get(one.kind) or re.split("[;:]", one.words)[0] or one.kind


def _first(text: str) -> str:
    """The first sentence."""
    head, dot, _ = text.partition(". ")
    return head + dot.strip()


def _cut(sentences: list[list[str]], fold: Callable[[str], list[str]]) -> list[str]:
    """Whole sentences, as many as there is room for beside where to find the rest."""
    kept: list[str] = []
    for lines in sentences:
        if len(kept) + len(lines) >= LINES:
            continue
        kept += lines
    return [*kept, *fold(_REST)]
