"""A number at every member that is to be written as an expression, and what that may be of."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sum:
    """What is to be written as an expression: values, and what they may be made of.

    Attributes:
        values: at every member.
        felt: arguments that they depend on.
        sizes: of which differences may be taken.
        growing: lists of terms, each longer than the one before.
    """

    values: Sequence[int]
    felt: Sequence[str]
    sizes: Sequence[Any]
    growing: Sequence[Sequence[tuple[Any, Any]]]


def growing(terms: Sequence[tuple[Any, Any]], sizes: Sequence[Any]) -> list[list[tuple[Any, Any]]]:
    """Single terms, all, then with sizes, with products of two, and with both for every layer."""
    counts = list(dict.fromkeys(n for _, n in terms))
    single = [(s, counts[0]) for s in sizes]
    twice = list(itertools.combinations_with_replacement(sizes, 2))
    more = [(s, k * n) for s, k in single + twice for n in counts[1:]]
    forms = dict.fromkeys(form for form, _ in terms)
    alone = [[(form, n) for n in counts] for form in forms]
    plain = [(form, n) for form, n in terms if not n.is_Mul]
    lists = [*([t] for t in terms), *alone, plain, [*terms]]
    lists += [[*terms, *single], [*terms, *single, *twice]]
    lists += [[*lists[-1], *more]] if more else []
    return [list({form * n: (form, n) for form, n in one}.values()) for one in lists]
