"""Names for indecomposable algebras that are neither semisimple nor abelian.

With N the nilradical, g / N is reductive; where g = L ⋉ N splits, L is a matrix algebra on N, and
its matrices tell which: all of gl(n) makes aff(n), all that keep a metric make e(n) or iso(p,q).
"""

import numpy as np

from symfind.lie.algebra import Algebra, nilradical
from symfind.lie.levi import levi_subalgebra, splitting
from symfind.lie.linear import Array, Numeric
from symfind.lie.modules import commutant, pieces
from symfind.lie.names import Term, eigenvalue_text, name_of, other_names, space
from symfind.lie.realforms import orthogonal, respelled
from symfind.lie.reductive import reductive_terms
from symfind.lie.simple import Simple, simple_ideals


def mixed_term(algebra: Algebra, basis: Array) -> Term:
    """Name an indecomposable algebra; `basis` places it in the algebra that it is a summand of."""
    linear = algebra.linear
    assert isinstance(linear, Numeric)
    nil = nilradical(algebra)
    lower = algebra.lower_central_series(nil)
    if len(nil) == algebra.dimension:
        return Term(nilpotent_name(algebra, nil), "nilpotent", basis, _small_aliases(algebra))
    solvable = len(algebra.radical) == algebra.dimension
    kind = "solvable" if solvable else "semidirect"
    actors = splitting(algebra, lower)
    if actors is None:
        return Term(_unsplit_name(algebra), kind, basis)
    matrices = nil @ algebra.adjoint(actors) @ nil.T
    acting = algebra.subalgebra(actors)
    linear_name, others = _linear_name(acting, matrices)
    if len(lower) > 2:
        inside = nilpotent_name(algebra, nil)
        return Term(f"{_wrapped(linear_name)} ⋉ {inside}", kind, basis)
    plain = f"{_wrapped(linear_name)} ⋉ {_module_name(matrices, linear)}"
    names = _affine_names(matrices, linear)
    names += [f"{_wrapped(n)} ⋉ {_module_name(matrices, linear)}" for n in (linear_name, *others)]
    names = [n for name in names for n in (name, respelled(name)) if n] or [plain]
    return Term(names[0], kind, basis, tuple(dict.fromkeys(n for n in names if n != names[0])))


def nilpotent_name(algebra: Algebra, ideal: Array) -> str:
    """`R^m`, the Heisenberg algebra `h(n)`, or the dimensions of the lower central series."""
    series = [len(term) for term in algebra.lower_central_series(ideal)]
    if len(series) <= 2:
        return space(series[0])
    if series[1:] == [1, 0] and series[0] % 2:
        inner = algebra.subalgebra(ideal)
        if len(inner.centre) == 1:
            return f"h({series[0] // 2})"
    return f"nil({','.join(map(str, series[:-1]))})"


def _small_aliases(algebra: Algebra) -> tuple[str, ...]:
    return ("nil(3,1)",) if algebra.dimension == 3 else ()


def _linear_name(acting: Algebra, matrices: Array) -> tuple[str, tuple[str, ...]]:
    """The name of a reductive matrix algebra."""
    linear = acting.linear
    assert isinstance(linear, Numeric)
    levi = levi_subalgebra(acting)
    simple = [
        Simple(s.letter, s.rank, s.complex, s.signature, s.basis @ levi)
        for s in simple_ideals(acting.subalgebra(levi))
    ]
    terms = reductive_terms(simple, acting.centre, matrices, linear)
    return name_of(terms), other_names(terms)


def _module_name(matrices: Array, linear: Numeric) -> str:
    """`R^4`, or `(R^2 ⊕ R^2)` where it falls apart; with eigenvalues if one element acts."""
    size = matrices.shape[1]
    parts = pieces(matrices, linear)
    if len(matrices) == 1 and size > 1:
        values = [np.linalg.eigvals(part @ matrices[0] @ part.T) for part in parts]
        shown = eigenvalue_text(np.concatenate(values))
        whole = all(len(v) == 1 or (len(v) == 2 and abs(v[0] - v[1]) > 1e-2) for v in values)
        return f"{space(size)} (eigenvalues {shown}{'' if whole else ', not diagonalisable'})"
    sizes = sorted(map(len, parts), reverse=True)
    if len(sizes) == 1:
        return space(size)
    return f"({' ⊕ '.join(map(space, sizes))})"


def _affine_names(matrices: Array, linear: Numeric) -> list[str]:
    """Customary names of a matrix algebra together with the translations that it acts on."""
    count, n, _ = matrices.shape
    names = []
    if count == n * n:
        names.append(f"aff({n})")
    traces = np.trace(matrices, axis1=1, axis2=2)
    traceless = linear.vanishes(traces)
    if n > 1 and traceless and count == n * n - 1:
        names.append(f"sa({n})")
    if n > 1 and traceless and count == n * (n - 1) // 2:
        if (signature := _metric(matrices, linear)) is not None:
            names.append(orthogonal(*signature, "iso"))
    if n > 1 and not traceless and count == n * (n - 1) // 2 + 1:
        inner = linear.kernel(traces[None]) @ matrices.reshape(count, n * n)
        signature = _metric(inner.reshape(count - 1, n, n), linear)
        space_of_all = linear.span(matrices.reshape(count, n * n))
        one = np.eye(n).reshape(-1) / np.sqrt(n)
        if signature and linear.vanishes(one - (space_of_all @ one) @ space_of_all):
            names.append(orthogonal(*signature, "sim"))
    if n % 2 == 0 and 2 * count == n * n:
        ring = commutant(matrices, linear)
        if len(ring) == 2:
            generic = np.tensordot(np.random.default_rng(0).standard_normal(2), ring, 1)
            if (np.abs(np.linalg.eigvals(generic).imag) > 1e-3).all():
                names.append(f"aff({n // 2},C)")
    return names


def _metric(matrices: Array, linear: Numeric) -> tuple[int, int] | None:
    """Signature of a non-degenerate symmetric form that the matrices keep, if they keep one."""
    count, n, _ = matrices.shape
    forms = []
    for i in range(n):
        for j in range(i + 1):
            form = np.zeros((n, n))
            form[i, j] = form[j, i] = 1.0
            forms.append(form)
    basis = np.array(forms)
    moved = np.einsum("ali,blj->bija", matrices, basis)
    moved = (moved + moved.transpose(0, 2, 1, 3)).reshape(len(basis), -1).T
    kept = linear.kernel(moved)
    if len(kept) == 0:
        return None
    generic = np.tensordot(np.random.default_rng(0).standard_normal(len(kept)) @ kept, basis, 1)
    signature = linear.inertia(generic / np.abs(generic).max())
    return signature if sum(signature) == n else None


def _unsplit_name(algebra: Algebra) -> str:
    """What can be said of an algebra that is no semidirect product with its nilradical."""
    radical = algebra.radical
    series = [len(term) for term in algebra.derived_series(radical)]
    inside = f"solv({','.join(map(str, series[:-1]))})"
    if len(radical) == algebra.dimension:
        return inside
    levi = levi_subalgebra(algebra)
    simple = simple_ideals(algebra.subalgebra(levi))
    assert isinstance(algebra.linear, Numeric)
    names = name_of(reductive_terms(simple, levi[:0], None, algebra.linear))
    return f"{_wrapped(names)} ⋉ {inside}"


def _wrapped(name: str) -> str:
    return f"({name})" if "⊕" in name or "⋉" in name else name
