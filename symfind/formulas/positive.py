"""Positive parts of differences of sizes, of which nothing is worked out before it is asked for."""

import functools
from typing import Any


@functools.cache
def _positive() -> Any:
    import sympy

    class Positive(sympy.Function):  # type: ignore[misc]
        """What is positive of a difference: the greatest of zero and it."""

    return Positive


def positive(difference: Any) -> Any:
    """The positive part of a difference, of which nothing is worked out: sympy's takes long."""
    return _positive()(difference)


def positive_parts(expression: Any) -> set[Any]:
    """All positive parts in an expression."""
    found: set[Any] = expression.atoms(_positive())
    return found


def lazy(expression: Any) -> Any:
    """An expression with positive parts in the place of greatest ones of zero and something."""
    import sympy

    if not expression.has(sympy.Max):
        return expression
    return expression.replace(
        lambda e: isinstance(e, sympy.Max) and len(e.args) == 2 and 0 in e.args,
        lambda e: positive(sum(e.args)),
    )


def unfolded(expression: Any) -> Any:
    """An expression whose positive parts hold no minimum that they decide themselves.

    What is positive of e − min(a, b) is that of e − b where e − a is never positive.
    """
    import sympy

    def simpler(x: Any) -> Any:
        terms = x.as_coefficients_dict()
        for least in [t for t, k in terms.items() if isinstance(t, sympy.Min) and k == -1]:
            rest = [a for a in least.args if not _never_positive(x + least - a)]
            if len(rest) < len(least.args):
                return simpler(x + least - (sympy.Min(*rest) if rest else 0)) if rest else None
        return x

    def part(x: Any) -> Any:
        found = simpler(x)
        return sympy.Integer(0) if found is None else positive(found)

    return expression.replace(_positive(), part)


def _never_positive(x: Any) -> bool:
    """Whether an expression in positive symbols is plainly at most zero."""
    return all(k <= 0 for k in x.as_coefficients_dict().values())


def kinked(expression: Any) -> bool:
    """Whether an expression has positive parts or minima."""
    import sympy

    return bool(sympy.sympify(expression).has(_positive(), sympy.Min, sympy.Max))


def plain(expression: Any) -> Any:
    """An expression of sympy's own functions only."""
    import sympy

    return expression.replace(_positive(), lambda x: sympy.Max(0, x))
