"""The grammar of settings that take several values."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from symfind.errors import InputError

_RANGE = re.compile(r"\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*(?:(\.\.|\*)\s*(\d+))?\s*")
_MOST = 100_000
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def values(key: str, value: Any) -> list[Any]:
    """The values of one setting.

    Args:
        key: its name.
        value: a text such as ``1..12``, ``0..100..10`` (steps), ``64..1024*2`` (factors),
            ``64,96,128``, or one value; a list, range or tuple of values; or a value by itself.

    Raises:
        InputError: a range that is empty, or does not end.
    """
    if isinstance(value, str):
        return [item for part in _split(value) for item in _range(key, part)]
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        found = list(itertools.islice(value, _MOST + 1))
        if not 0 < len(found) <= _MOST:
            raise InputError(f"{key} has {'no' if not found else 'too many'} values")
        return found
    return [value]


def choices(settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of one value for each setting; the last varies fastest."""
    columns = [values(key, value) for key, value in settings.items()]
    for row in itertools.product(*columns):
        yield dict(zip(settings, row, strict=True))


def varying(settings: Mapping[str, Any]) -> list[str]:
    """Names of the settings that take more than one value."""
    return [key for key, value in settings.items() if len(values(key, value)) > 1]


def _range(key: str, text: str) -> list[str]:
    found = _RANGE.fullmatch(text)
    if found is None:
        return [text]
    first, last = int(found[1]), int(found[2])
    step = int(found[4] or 1)
    if found[3] == "*":
        numbers = _powers(first, last, step)
    else:
        numbers = list(range(first, last + 1, step)[: _MOST + 1]) if step else []
    if not 0 < len(numbers) <= _MOST:
        many = "more values than fit in a table" if numbers else "no value"
        raise InputError(
            f"{key}={text} has {many}; write 1..12, 0..100..10 (steps), 64..1024*2 (factors), "
            "or values between commas"
        )
    return [str(number) for number in numbers]


def _powers(first: int, last: int, factor: int) -> list[int]:
    numbers: list[int] = []
    while factor > 1 and 0 < first <= last:
        numbers.append(first)
        first *= factor
    return numbers


def _split(text: str) -> list[str]:
    """Parts between commas that stand in no bracket and no quotes."""
    parts, start, closing, quote = [], 0, "", ""
    for place, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in _PAIRS:
            closing += _PAIRS[c]
        elif closing and c == closing[-1]:
            closing = closing[:-1]
        elif c == "," and not closing:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
