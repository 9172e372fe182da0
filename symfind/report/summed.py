"""Long sums over layers, written as sums: `out_0_up+out_1_up+out_2_up` is one line for all."""

import re
from collections.abc import Mapping, Sequence

_FEW = 3  # terms that are alike and are still written out
_NUMBER = re.compile(r"(?<=_)\d+(?=_)|(?<=_)\d+\b")


def summed(formula: str) -> str:
    """A formula in which terms that differ in the number of a layer alone are one sum.

    Args:
        formula: as Python would read it, without spaces.
    """
    alike: dict[str, list[int]] = {}
    for term in _terms(formula):
        key, number = _indexed(term.lstrip("+"))
        alike.setdefault(key, []).append(number)
    if all(len(numbers) <= _FEW for numbers in alike.values()):
        return formula
    parts = []
    for key, numbers in alike.items():
        if len(numbers) > _FEW:
            parts.append(f"sum({key}, i={_range(numbers)})")
        else:
            parts += [key.replace("_i", f"_{n}") if n >= 0 else key for n in numbers]
    return "+".join(parts).replace("+-", "-")


def sizes_of_layers(sizes: Mapping[str, int]) -> Sequence[str]:
    """`name=size` for every size, one for those that differ in the number of a layer alone."""
    alike: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for name, size in sizes.items():
        key, number = _indexed(name)
        alike.setdefault((key, size), []).append((name, number))
    result = []
    for (key, size), members in alike.items():
        numbers = [n for _, n in members]
        if len(members) > _FEW:
            result.append(f"{key}={size:,} (i={_range(numbers)})")
        else:
            result += [f"{name}={size:,}" for name, _ in members]
    return result


def _terms(formula: str) -> list[str]:
    """The summands of a formula, with their signs."""
    found, depth, start = [], 0, 0
    for at, c in enumerate(formula):
        depth += (c in "([") - (c in ")]")
        if c in "+-" and not depth and at > start and formula[at - 1] not in "*/(":
            found.append(formula[start:at])
            start = at
    return [*found, formula[start:]]


def _indexed(term: str) -> tuple[str, int]:
    """A term with `i` for the first number of every name, where that is one number; else -1."""
    numbers: set[int] = set()

    def name(m: re.Match[str]) -> str:
        first = _NUMBER.search(m[0])
        if first is None:
            return m[0]
        numbers.add(int(first[0]))
        return m[0][: first.start()] + "i" + m[0][first.end() :]

    found = re.sub(r"[A-Za-z_]\w*", name, term)
    if len(numbers) != 1 or term != found.replace("_i", f"_{min(numbers)}"):
        return term, -1
    return found, numbers.pop()


def _range(numbers: Sequence[int]) -> str:
    """`0..3`, or all of them where some are missing."""
    ordered = sorted(numbers)
    if ordered == list(range(ordered[0], ordered[0] + len(ordered))):
        return f"{ordered[0]}..{ordered[-1]}"
    return ",".join(map(str, ordered))
