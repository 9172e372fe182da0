"""Sums of terms as one expression that reads well."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from symfind.formulas.positive import kinked, plain


def written(parts: Any) -> Any:
    """A sum in which what is equal is collected, and what has the same sizes is factored."""
    import sympy

    found: dict[Any, Any] = {}
    for terms in parts:
        for form, n in terms.items():
            for one in split(form):
                number, rest = one.as_coeff_Mul()
                found[rest] = found.get(rest, 0) + number * n
    alike: dict[Any, Any] = {}
    for rest, n in found.items():
        for one in split(sympy.sympify(n) * rest) if kinked(rest) else [n * rest]:
            kinks = [e for e in sympy.Mul.make_args(one) if kinked(e)]
            key = frozenset(kinks) if kinks else frozenset(sympy.sympify(one).free_symbols)
            alike[key] = alike.get(key, 0) + one
    return plain(sympy.Add(*map(sympy.factor, alike.values())))


def split(form: Any) -> Sequence[Any]:
    """The summands of what has no factors, itself where it has some."""
    import sympy

    form = sympy.sympify(form)
    if form.atoms(sympy.Function, sympy.Max, sympy.Min):
        return sympy.Add.make_args(form)
    factors = sympy.factor(form)
    return [factors] if not factors.is_Add else sympy.Add.make_args(sympy.expand(form))


def rational(k: Fraction) -> Any:
    """A number of sympy."""
    import sympy

    return sympy.Rational(k.numerator, k.denominator)
