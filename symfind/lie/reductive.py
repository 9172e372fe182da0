"""Names for semisimple and abelian summands, by the representation they come in if there is one.

As abstract algebras so(4) is so(3)^2 and gl(n,R) is sl(n,R) ⊕ R. Which is meant shows in the
representation: so(4) acts irreducibly on R^4, gl(n,R) has the scalars on the same R^n.
"""

from collections.abc import Sequence

import numpy as np

from symfind.errors import AlgebraError
from symfind.lie.linear import Array, Numeric
from symfind.lie.modules import Constituent, constituents
from symfind.lie.names import Term
from symfind.lie.realforms import MOST_ISOMORPHIC, forms, orthogonal, respelled
from symfind.lie.simple import Simple
from symfind.lie.torus import Torus, torus


def reductive_terms(
    simple: Sequence[Simple], central: Array, matrices: Array | None, linear: Numeric
) -> list[Term]:
    """Name the direct sum of simple ideals and of a central subspace.

    Args:
        simple: with bases in the coordinates of an algebra.
        central: [a, k], independent modulo the derived algebra.
        matrices: how the algebra's basis acts, [k, n, n], or None.
        linear: the arithmetic.
    """
    if matrices is None:
        return _abstract(simple, central, linear)
    acting = [np.tensordot(ideal.basis, matrices, 1) for ideal in simple]
    terms, left = [], list(range(len(simple)))
    for i, j in _planes(simple, acting, linear):
        if i in left and j in left:
            left = [x for x in left if x not in (i, j)]
            terms.append(_pair(simple[i], simple[j]))
    chosen = torus(np.tensordot(central, matrices, 1), linear)
    blocks = [_moved_blocks(m, chosen, linear) for m in acting]
    used = np.zeros((0, len(central)))
    compact = 0
    for i in left:
        term = simple_term(simple[i], matrices, linear)
        others = {b for j in range(len(simple)) if j != i for b in blocks[j]}
        if blocks[i] and not others & set(blocks[i]):
            own = chosen.confined(blocks[i])
            if (name := _with_scalars(term.name, own, chosen)) is not None:
                used = np.concatenate([used, own])
                compact += name.startswith("u(") or name.endswith(",C)")
                term = _enlarged(term, name, own @ central)
        terms.append(term)
    return terms + _toral(chosen, central, used, compact)


def simple_term(ideal: Simple, matrices: Array | None, linear: Numeric) -> Term:
    """A simple ideal with its names; `matrices` as in `reductive_terms`."""
    acting = None if matrices is None else np.tensordot(ideal.basis, matrices, 1)
    name, aliases = _named(ideal, [] if acting is None else constituents(acting, linear))
    return Term(name, "simple", ideal.basis, aliases)


def _named(ideal: Simple, found: Sequence[Constituent]) -> tuple[str, tuple[str, ...]]:
    """The name whose defining representation occurs, else the one that needs least room."""
    fitting = [
        f for f in forms(ideal.letter, ideal.rank, ideal.complex) if f.compact == ideal.compact
    ]
    if not fitting:
        raise AlgebraError(
            f"no real form of {ideal.letter}{ideal.rank} has a Killing form of signature "
            f"{ideal.signature}; the noise hides it"
        )
    if ideal.rank > MOST_ISOMORPHIC and len(fitting) > 1:
        return " or ".join(f.name for f in fitting), ()
    present = {(c.size, c.field) for c in found}
    seen = [f for f in fitting if (f.size, f.field) in present]
    best = min(seen or fitting, key=lambda f: f.size)
    names = [x for f in fitting for x in (f.name, respelled(f.name)) if x]
    return best.name, tuple(dict.fromkeys(n for n in names if n != best.name))


def _planes(
    simple: Sequence[Simple],
    acting: Sequence[Array],
    linear: Numeric,
) -> list[tuple[int, int]]:
    """Pairs of three-dimensional ideals that act together on an irreducible R^4, as in so(4)."""
    small = [i for i, s in enumerate(simple) if s.letter == "A" and s.rank == 1 and not s.complex]
    pairs = []
    for i in small:
        for j in (j for j in small if j > i and simple[j].compact == simple[i].compact):
            together = constituents(np.concatenate([acting[i], acting[j]]), linear)
            for c in together:
                moves = [not linear.vanishes(acting[x] @ c.basis.T) for x in (i, j)]
                if (c.size, c.field) == (4, "R") and all(moves):
                    pairs.append((i, j))
    return pairs


def _pair(one: Simple, two: Simple) -> Term:
    basis = np.concatenate([one.basis, two.basis])
    if one.compact == 3:
        return Term("so(4)", "reductive", basis, ("so(3)^2", "su(2)^2", "sp(1)^2"))
    return Term(orthogonal(2, 2), "reductive", basis, ("sl(2,R)^2", "so(2,1)^2", "su(1,1)^2"))


def _moved_blocks(acting: Array, chosen: Torus, linear: Numeric) -> list[int]:
    return [j for j, b in enumerate(chosen.blocks) if not linear.vanishes(acting @ b.T)]


def _enlarged(term: Term, name: str, scalars: Array) -> Term:
    """The summand with its scalars, rows [1 or 2, k]."""
    added = "u(1)" if name.startswith("u(") else "R^2" if len(scalars) == 2 else "R"
    aliases = tuple(f"{n} ⊕ {added}" for n in (term.name, *term.aliases))
    return Term(name, "reductive", np.concatenate([term.basis, scalars]), aliases)


def _with_scalars(name: str, own: Array, chosen: Torus) -> str | None:
    """gl for sl and u for su, where the centre holds the scalars of the same blocks."""
    head, _, inside = name.partition("(")
    kinds = [chosen.kind(direction) for direction in own]
    if head == "sl" and inside.endswith(",C)"):
        return f"gl({inside}" if len(own) == 2 else None
    if head == "sl" and kinds == ["real"]:
        return f"gl({inside}"
    if head == "su" and kinds == ["imaginary"]:
        return f"u({inside}"
    return None


def _toral(chosen: Torus, central: Array, used: Array, compact: int) -> list[Term]:
    """gl(1,C), so(2) and R for what is left of the centre, block by block as far as that goes."""
    terms = []
    for j in range(len(chosen.blocks)):
        own = _beyond(chosen.confined([j]), used)
        if len(own) == 2:
            name, kind = "gl(1,C)", "abelian"
        elif len(own) == 1 and chosen.kind(own[0]) == "imaginary":
            name, kind = "so(2)", "abelian"
        else:
            continue
        compact += 1
        used = np.concatenate([used, own])
        aliases = ("R^2", "so(2) ⊕ R") if len(own) == 2 else ("R", "u(1)")
        terms.append(Term(name, kind, own @ central, aliases))
    rest = _beyond(np.eye(chosen.count), used) @ central
    turning = min(chosen.compact() - compact, len(rest)) if len(chosen.blocks) else 0
    for row in rest[:turning]:
        terms.append(Term("so(2)", "abelian", row[None], ("R", "u(1)")))
    for row in rest[max(turning, 0) :]:
        terms.append(Term("R", "abelian", row[None], ("gl(1,R)",)))
    return terms


def _beyond(rows: Array, used: Array) -> Array:
    """A basis of the span of `rows`, as far as it is not in the span of `used`."""
    if len(rows) == 0 or len(used) == 0:
        return rows
    basis = np.linalg.qr(used.T)[0].T
    rest = rows - (rows @ basis.T) @ basis
    _, values, vectors = np.linalg.svd(rest, full_matrices=False)
    return np.asarray(vectors[values > 1e-4])


def _abstract(simple: Sequence[Simple], central: Array, arithmetic: Numeric) -> list[Term]:
    """Names by structure alone; sl(n,R) ⊕ R is gl(n,R) where each sl(n,R) finds its R."""
    terms = [simple_term(ideal, None, arithmetic) for ideal in simple]
    linear = [t for t in terms if t.name.startswith("sl(") and t.name.endswith(",R)")]
    left = list(central)
    if 0 < len(linear) <= len(central):
        for i, term in enumerate(terms):
            if term in linear:
                basis = np.concatenate([term.basis, left.pop()[None]])
                aliases = tuple(f"{n} ⊕ R" for n in (term.name, *term.aliases))
                terms[i] = Term("g" + term.name[1:], "reductive", basis, aliases)
    return terms + [Term("R", "abelian", row[None], ("so(2)", "gl(1,R)")) for row in left]
