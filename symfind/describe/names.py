"""Names of what was found: each once, and those of repeated layers by the layer that they share."""

import re
from collections.abc import Sequence


def unique(name: str, taken: set[str]) -> str:
    """A name that is not taken yet, which it is afterwards."""
    result, n = name, 2
    while result in taken:
        result, n = f"{name}#{n}", n + 1
    taken.add(result)
    return result


def common_module(ids: Sequence[str]) -> str:
    """The module of several sites that differ only in numbers, with * for these; else nothing."""
    patterns = {re.sub(r"\d+", "*", i.partition(":")[0]) for i in ids}
    return patterns.pop() if len(ids) > 1 and len(patterns) == 1 else ""
