"""Which Lie algebra is it: from generators to a name."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from symfind.errors import AlgebraError
from symfind.lie.algebra import Algebra
from symfind.lie.closure import Closed, close_floats, close_matrices, close_polynomials
from symfind.lie.fields import close_factor, close_functions
from symfind.lie.generators import affine_matrices, read_matrices, read_polynomials
from symfind.lie.linear import Array, Numeric
from symfind.lie.names import Term, latex, name_of, ordered, other_names, space
from symfind.lie.reductive import reductive_terms, simple_term
from symfind.lie.result import Identification, Part
from symfind.lie.semidirect import mixed_term, nilpotent_name
from symfind.lie.summands import decompose

_MINUTES = 0.025  # for 100 generators


def identify(
    generators: Any,
    variables: Sequence[Any] | None = None,
    *,
    size: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    close: bool = False,
    tolerance: float = 1e-4,
) -> Identification:
    """Say which real Lie algebra some generators span, and how it is put together.

    Args:
        generators: square matrices, as an array [k, n, n] (numpy or torch) or a list of arrays,
            nested lists or sympy matrices; complex ones span an algebra over the reals. Entries
            that are all rational (int, Fraction, sympy) are treated exactly, floats are taken to be
            noisy. With `variables`, `size` or `parameters`: vector fields, see there.
        variables: sympy symbols; `generators` are then lists of components, polynomials with
            rational coefficients.
        size: number of coordinates; `generators` are then functions from a torch tensor [size] to
            one like it, which torch can differentiate.
        parameters: tensors by name, of which only the shapes matter; `generators` is then a factor
            of a report.
        close: take the Lie algebra that the generators generate, where their span is none (for
            matrices and polynomials).
        tolerance: float generators are dependent if a relative singular value is below this with
            a clear gap above it, and closed if no bracket of orthonormal ones leaves their span by
            more. How far brackets do leave it is the noise by which all further ranks are decided,
            at the widest gap.

    Returns:
        The name with everything that it rests on.

    Raises:
        InputError: the generators cannot be read.
        AlgebraError: they are not closed under the bracket, or the noise hides the structure.
    """
    if parameters is not None:
        return name_algebra(close_factor(generators, parameters, tolerance))
    if size is not None:
        return name_algebra(close_functions(generators, size, tolerance))
    if variables is not None:
        fields = read_polynomials(generators, variables)
        affine = affine_matrices(fields)
        if affine is None:
            return name_algebra(close_polynomials(fields, close))
        return name_algebra(close_matrices(affine, close))
    matrices = read_matrices(generators)
    announce(len(matrices))
    if matrices.dtype == object:
        return name_algebra(close_matrices(matrices, close))
    return name_algebra(close_floats(matrices, close, tolerance))


def announce(count: int) -> None:
    """Say how long it will take, where that is more than a moment."""
    minutes = _MINUTES * (count / 100) ** 2.8
    if minutes > 0.5:
        warnings.warn(
            f"{count:,} generators have {count * (count - 1) // 2:,} brackets: this may take "
            f"{minutes:,.0f} minutes or more",
            stacklevel=3,
        )


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
    ideals = [simple_term(ideal, closed.matrices, linear) for ideal in found.simple]
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
        radical=_radical(algebra),
        levi=_levi(ideals, found.levi),
        ideals=tuple(map(_part, ideals)),
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


def _levi(ideals: Sequence[Term], basis: Array) -> Part:
    """The Levi subalgebra, by the names of its ideals."""
    name = name_of(ideals)
    return Part(name, latex(name), len(basis), "semisimple", (), basis)


def _radical(algebra: Algebra) -> Part:
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
