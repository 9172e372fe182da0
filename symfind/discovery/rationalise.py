"""From a basis of a null space in floating point to a sparse one with exact coefficients.

The reduced row echelon form of a subspace is unique once its coordinates are ordered, and a
subspace with a rational basis has a rational one; its rows have minimal support. What a fraction
with a small denominator does not give stays a number, and is marked.
"""

from fractions import Fraction

import torch
from torch import Tensor

Coefficient = Fraction | float

_PIVOTS = (1e-2, 1e-4, 1e-6)  # entries of orthonormal rows, below which there is no pivot
_ZERO = 1e-8  # entries of the echelon form that count as zero
_PASSES = 8  # over all rows
_DENOMINATOR = 360
_TERMS = 16  # of a continued fraction, more than a denominator has that is not larger
_LARGE = 32.0  # numbers, from which on several fractions may be close enough
_NEAR = 1e-7  # the same before anything is added up, where rounding is still that of a solution
_CLOSE = 1e-9  # distance of a number from the fraction it is taken for


def echelon(null: Tensor) -> Tensor:
    """The reduced row echelon form [dimension, unknowns] of the span of independent columns."""
    if null.shape[1] == 0:
        return null.T
    ortho = torch.linalg.qr(null).Q.T
    pivots = _pivots(ortho.clone())
    # solved at once from the untouched rows, so that no rounding piles up
    rows = torch.linalg.solve(ortho[:, pivots], ortho)
    return _snapped(rows)


def _snapped(rows: Tensor) -> Tensor:
    """The rows whose entries all are close to fractions, with these; the others as they are.

    What is added up afterwards has no error then. That the fractions are right is not decided
    here: generators are checked with their final coefficients.
    """
    rows = torch.where(rows.abs() < _ZERO, 0.0, rows)
    exact, good = fractions(rows, _NEAR)
    return torch.where(good.all(1, keepdim=True), exact, rows)


def _pivots(rows: Tensor) -> list[int]:
    """The first columns that are independent; the rows are eliminated in place."""
    pivots: list[int] = []
    # small pivots, which cost precision, only where there are no others
    for least in _PIVOTS:
        for column in range(rows.shape[1]):
            done = len(pivots)
            if done == len(rows):
                return pivots
            largest = int(rows[done:, column].abs().argmax()) + done
            if float(rows[largest, column].abs()) < least:
                continue
            rows[[done, largest]] = rows[[largest, done]]
            rows[done] /= rows[done, column].clone()
            rest = rows[:, column].clone()
            rest[done] = 0.0
            rows -= rest[:, None] * rows[done]
            pivots.append(column)
    return pivots


def fraction(value: float, close: float = _CLOSE) -> Coefficient:
    """The fraction with a small denominator that a number is, or the number."""
    near = Fraction(value).limit_denominator(_DENOMINATOR)
    return near if abs(value - near) <= close * max(1.0, abs(value)) else value


def fractions(values: Tensor, close: float = _CLOSE) -> tuple[Tensor, Tensor]:
    """As `fraction`, of many numbers: what they are taken for, and which of them are fractions.

    A number that is closer to p / q than 1 / (2 q^2) has p / q among the convergents of its
    continued fraction (Legendre). Those that are so large that rounding tells no more are left to
    exact arithmetic.
    """
    near, good = values.clone(), torch.zeros_like(values, dtype=torch.bool)
    whole = values.floor()
    rest = values - whole
    p, q = (torch.ones_like(values), whole), (torch.zeros_like(values), torch.ones_like(values))
    allowed = close * values.abs().clamp(min=1.0)
    for _ in range(_TERMS):
        found = p[1] / q[1]
        hit = ~good & (q[1] <= _DENOMINATOR) & ((values - found).abs() <= allowed)
        near, good = torch.where(hit, found, near), good | hit
        inverse = 1.0 / rest.clamp(min=_ZERO)
        whole = inverse.floor()
        rest = inverse - whole
        p, q = (p[1], whole * p[1] + p[0]), (q[1], whole * q[1] + q[0])
        if bool((good | (q[1] > _DENOMINATOR)).all()):
            break
    for place in (values.abs() >= _LARGE).nonzero().tolist():
        one = fraction(float(values[tuple(place)]), close)
        near[tuple(place)], good[tuple(place)] = float(one), isinstance(one, Fraction)
    return near, good


def rationalise(row: Tensor, close: float = _CLOSE) -> tuple[Tensor, bool]:
    """Coefficients with every fraction in its place, and whether all of them are fractions."""
    result, good = fractions(row, close)
    return result, bool(good.all())


def sparsify(rows: Tensor, relations: Tensor) -> Tensor:
    """Rows with the same span modulo relations, and fewer entries.

    A multiple of another row, or of a relation, is added to a row while that cancels more than it
    brings in.

    Args:
        rows: combinations of fields, [rows, fields].
        relations: combinations that vanish, [relations, fields].
    """
    pool = torch.cat([relations, rows])
    filled = (pool != 0).to(pool.dtype)
    first = len(relations)
    for _ in range(_PASSES):
        changed = False
        for i in range(first, len(pool)):
            better = _thinner(pool, filled, i)
            while better is not None:
                pool[i], filled[i] = better, (better != 0).to(pool.dtype)
                changed = True
                better = _thinner(pool, filled, i)
        if not changed:
            break
    return pool[first:]


def _thinner(pool: Tensor, filled: Tensor, i: int) -> Tensor | None:
    """Row i plus a multiple of another row, with fewer entries; None where there is none.

    A row that has as many entries beside those of row i as on them cancels no more than it brings.
    """
    row = pool[i]
    shared = filled @ filled[i]
    beside = filled.sum(1) - shared
    useful = shared > beside
    useful[i] = False
    near = useful.nonzero().flatten()
    places = row.nonzero().flatten()
    if not len(near):
        return None
    ratios = row[places] / pool[near][:, places]  # infinite where there is nothing to cancel
    fewer = _alike(ratios) - beside[near, None]
    most = fewer.max()
    if most <= 0:
        return None
    place = int((fewer == most).any(0).nonzero()[0])
    other = int((fewer[:, place] == most).nonzero()[0])
    changed = row - ratios[other, place] * pool[near[other]]
    changed = torch.where(changed.abs() < _ZERO, 0.0, changed)
    return changed if int((changed != 0).sum()) < len(places) else None


def _alike(ratios: Tensor) -> Tensor:
    """How many entries of its row are equal to each entry; none where it is infinite."""
    ordered, order = ratios.sort(1)
    known = ordered.isfinite()
    apart = torch.where(known, ordered, 0.0).diff(dim=1).abs() > _ZERO * ordered[:, 1:].abs()
    run = torch.cat([torch.zeros_like(order[:, :1]), apart.cumsum(1)], 1)
    lengths = torch.zeros_like(ratios).scatter_add_(1, run, known.to(ratios.dtype))
    alike = lengths.gather(1, run) * known
    return torch.zeros_like(ratios).scatter_(1, order, alike)
