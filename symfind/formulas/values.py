"""The symbols of arguments, and exact values of expressions in them."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any


def symbol(name: str) -> Any:
    """The symbol of an argument."""
    import sympy

    return sympy.Symbol(name, integer=True, positive=True)


def value(expression: Any, at: Mapping[str, int]) -> Any:
    """What an expression is at some sizes, exactly."""
    return evaluator(expression, list(at))([at])[0]


def _part(x: Any) -> Any:
    return max(x, 0)


@functools.lru_cache(maxsize=4096)
def _function(expression: Any, names: tuple[str, ...]) -> Any:
    import sympy

    known = [{"Min": min, "Max": max, "floor": math.floor, "Positive": _part}]
    return sympy.lambdify([symbol(name) for name in names], expression, modules=known)


def _whole(expression: Any) -> bool:
    """Whether an expression is made of sums and products of whole numbers only."""
    if expression.is_Pow and not (expression.exp.is_Integer and expression.exp > 0):
        return False
    return not (expression.is_Rational and not expression.is_Integer) and all(
        map(_whole, expression.args)
    )


def evaluator(expression: Any, names: Sequence[str]) -> Callable[[Sequence[Any]], list[Any]]:
    """From places to the exact values of an expression there."""
    import sympy

    expression = sympy.sympify(expression)
    made, whole = _function(expression, tuple(names)), _whole(expression)

    def at(places: Sequence[Mapping[str, int]]) -> list[Any]:
        if whole:
            return [made(*map(one.__getitem__, names)) for one in places]
        return [Fraction(made(*(Fraction(one[name]) for name in names))) for one in places]

    return at
