"""A Lie algebra as a direct sum of ideals that cannot be split further.

The part of the centre outside [g, g] splits off. In what remains, B = S ⋉ R, an ideal of B in R
is a submodule of R; R falls apart into indecomposable ones by the idempotents of what commutes
with ad B on R. A simple ideal of S that moves none of them is a summand by itself, one that moves
several ties them together. By the Krull–Schmidt theorem the result does not depend on the choices
(Rand, Winternitz, Zassenhaus, Linear Algebra Appl. 109, 1988, treat the general case).
"""

from dataclasses import dataclass

import networkx as nx
import numpy as np

from symfind.lie.algebra import Algebra
from symfind.lie.levi import levi_subalgebra
from symfind.lie.linear import Array, Numeric, complement
from symfind.lie.modules import pieces
from symfind.lie.simple import Simple, simple_ideals


@dataclass(frozen=True)
class Decomposition:
    """Direct summands; every basis has rows in the coordinates of the algebra.

    Attributes:
        levi: the Levi subalgebra that was found, [s, k].
        simple: all simple ideals of the Levi subalgebra.
        lone: those among them that are summands by themselves.
        central: a basis of the abelian summands, [a, k].
        mixed: the others, neither semisimple nor central: bases of subspaces.
    """

    levi: Array
    simple: list[Simple]
    lone: list[Simple]
    central: Array
    mixed: list[Array]


def decompose(algebra: Algebra) -> Decomposition:
    """Split an algebra over the floats into indecomposable ideals.

    Raises:
        AlgebraError: the noise hides the decomposition.
    """
    linear = algebra.linear
    assert isinstance(linear, Numeric)
    central, rest = _without_centre(algebra, linear)
    inner = algebra.subalgebra(rest)
    levi = levi_subalgebra(inner)
    radical = inner.radical
    ideals = [_lifted(ideal, levi) for ideal in simple_ideals(inner.subalgebra(levi))]
    parts = []
    if len(radical):
        action = radical @ inner.adjoint(inner.whole) @ radical.T
        parts = [part @ radical for part in pieces(action, linear)]
    ties = nx.Graph()
    ties.add_nodes_from(("ideal", i) for i in range(len(ideals)))
    ties.add_nodes_from(("part", j) for j in range(len(parts)))
    for i, ideal in enumerate(ideals):
        for j, part in enumerate(parts):
            if not linear.vanishes(inner.brackets(ideal.basis, part)):
                ties.add_edge(("ideal", i), ("part", j))
    lone, mixed = [], []
    for group in nx.connected_components(ties):
        members = sorted(group)
        if members[-1][0] == "ideal":
            lone += [_lifted(ideals[i], rest) for _, i in members]
            continue
        rows = [ideals[i].basis if kind == "ideal" else parts[i] for kind, i in members]
        mixed.append(np.linalg.qr((np.concatenate(rows) @ rest).T)[0].T)
    return Decomposition(
        levi @ rest, [_lifted(ideal, rest) for ideal in ideals], lone, central, mixed
    )


def _without_centre(algebra: Algebra, linear: Numeric) -> tuple[Array, Array]:
    """Central elements independent of [g, g], and an ideal that complements them."""
    derived, centre = algebra.derived, algebra.centre
    if len(centre) == 0:
        return centre, algebra.whole
    outside = centre - (centre @ derived.T) @ derived
    left, values, _ = np.linalg.svd(outside, full_matrices=False)
    central = left[:, : linear.rank(values)].T @ centre
    if len(central) == 0:
        return central, algebra.whole
    both = np.linalg.qr(np.concatenate([derived, central]).T)[0].T
    ideal = np.concatenate([derived, complement(both, algebra.whole)])
    return central, ideal


def _lifted(ideal: Simple, basis: Array) -> Simple:
    """The same ideal in the coordinates of an algebra around it."""
    return Simple(ideal.letter, ideal.rank, ideal.complex, ideal.signature, ideal.basis @ basis)
