"""Which Lie algebra is it: from generators to a name."""

from collections.abc import Sequence
from typing import Any

from symfind.errors import AlgebraError
from symfind.lie.algebra import Algebra
from symfind.lie.closure import Closed, close_floats, close_matrices, close_polynomials
from symfind.lie.generators import affine_matrices, read_matrices, read_polynomials
from symfind.lie.linear import Numeric
from symfind.lie.names import Term, latex, name_of, ordered, other_names, space
from symfind.lie.reductive import reductive_terms, simple_term
from symfind.lie.result import Identification, Part
from symfind.lie.semidirect import mixed_term, nilpotent_name
from symfind.lie.summands import Decomposition, decompose


def identify(
    generators: Any,
    variables: Sequence[Any] | None = None,
    *,
    close: bool = False,
    tolerance: float = 1e-4,
) -> Identification:
    """Say which real Lie algebra some generators span, and how it is put together.

    Args:
        generators: square matrices, as an array [k, n, n] (numpy or torch) or a list of arrays,
            nested lists or sympy matrices; complex ones span an algebra over the reals. Entries
            that are all rational (int, Fraction, sympy) are treated exactly, floats are taken to be
            noisy. With `variables`: vector fields, as lists of components.
        variables: sympy symbols in which `generators` are polynomial vector fields with rational
            coefficients.
        close: take the Lie algebra that the generators generate, where their span is none.
        tolerance: float generators, scaled to norm one, are dependent if a relative singular
            value is below this (and a factor of 10 separates it from the others), and closed if
            no bracket of orthonormal ones leaves their span by more. How far they do leave it is
            the noise by which all further ranks are decided, at the widest gap.

    Returns:
        The name with everything that it rests on.

    Raises:
        InputError: the generators cannot be read.
        AlgebraError: they are not closed under the bracket, or the noise hides the structure.
    """
    if variables is not None:
        fields = read_polynomials(generators, variables)
        matrices = affine_matrices(fields)
        if matrices is None:
            return name_algebra(close_polynomials(fields, close))
    else:
        matrices = read_matrices(generators)
    if matrices.dtype == object:
        return name_algebra(close_matrices(matrices, close))
    return name_algebra(close_floats(matrices, close, tolerance))


def name_algebra(closed: Closed) -> Identification:
    """Structure and name of an algebra whose structure constants are known.

    Raises:
        AlgebraError: the noise hides the structure.
    """
    algebra = closed.algebra
    linear = algebra.linear
    assert isinstance(linear, Numeric)
    sure = closed.exact or algebra
    derived = tuple(len(term) for term in sure.derived_series())
    lower = tuple(len(term) for term in sure.lower_central_series())
    _agree(closed.exact, algebra)
    found = decompose(algebra)
    terms = reductive_terms(found.lone, found.central, closed.matrices, linear)
    for rows in found.mixed:
        terms.append(mixed_term(algebra.subalgebra(rows), rows))
    terms = ordered(terms)
    name = name_of(terms)
    return Identification(
        name=name,
        latex=latex(name),
        aliases=other_names(terms),
        dimension=algebra.dimension,
        closed=closed.added == 0,
        exact=closed.exact is not None,
        noise=0.0 if closed.exact else closed.noise,
        centre=len(sure.centre),
        derived_series=derived,
        lower_central_series=lower,
        killing_signature=_signature(sure),
        radical=_radical(algebra, found, terms),
        levi=_levi(found, terms),
        ideals=tuple(_part(simple_term(ideal)) for ideal in found.simple),
        summands=tuple(map(_part, terms)),
        basis=closed.elements,
        source=closed,
    )


def _agree(exact: Algebra | None, algebra: Algebra) -> None:
    """Check the float computation against the exact one, where there is one.

    Raises:
        AlgebraError: they contradict each other.
    """
    if exact is None:
        return
    for what in ("derived", "centre", "radical"):
        if len(getattr(exact, what)) != len(getattr(algebra, what)):
            raise AlgebraError(
                "the generators are exact but too badly scaled for floating point: give a basis in "
                "which the entries are closer in size"
            )
    if exact.signature != algebra.signature:
        raise AlgebraError("the Killing form is too badly scaled for floating point")


def _signature(algebra: Algebra) -> tuple[int, int, int]:
    positive, negative = algebra.signature
    return positive, negative, algebra.dimension - positive - negative


def _part(term: Term) -> Part:
    return Part(term.name, latex(term.name), term.dimension, term.kind, term.aliases, term.basis)


def _levi(found: Decomposition, terms: Sequence[Term]) -> Part:
    """The Levi subalgebra, by the names of its ideals."""
    simple = [simple_term(ideal) for ideal in found.simple]
    name = name_of(simple)
    return Part(name, latex(name), len(found.levi), "semisimple", (), found.levi)


def _radical(algebra: Algebra, found: Decomposition, terms: Sequence[Term]) -> Part:
    """The radical, by its own structure."""
    rows = algebra.radical
    dimensions = [len(term) for term in algebra.derived_series(rows)]
    if len(dimensions) <= 2:
        name, kind = space(len(rows)), "abelian"
    elif len(algebra.lower_central_series(rows)[-1]) == 0:
        name, kind = nilpotent_name(algebra, rows), "nilpotent"
    else:
        name, kind = f"solv({','.join(map(str, dimensions[:-1]))})", "solvable"
    return Part(name, latex(name), len(rows), kind, (), rows)
