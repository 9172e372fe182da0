"""A basis of the solutions that a person can read: echelon form, and rational numbers."""

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

_ABSENT = 1e-7  # of a pivot
_LARGEST = 24  # denominator of a coefficient
_NEAR = 1e-7  # of a rational number


def echelon(rows: Tensor, order: Tensor) -> Tensor:
    """The reduced echelon form of independent rows, with pivots sought in an order of columns.

    In each column the pivot is the largest entry left.
    """
    rows = rows.clone()
    done = 0
    for column in order.tolist():
        if done == len(rows):
            break
        at = done + int(rows[done:, column].abs().argmax())
        if abs(float(rows[at, column])) <= _ABSENT * float(rows.abs().max()):
            rows[done:, column] = 0.0
            continue
        rows[[done, at]] = rows[[at, done]]
        rows[done] /= rows[done, column].clone()
        others = torch.arange(len(rows)) != done
        rows[others] -= rows[others, column][:, None] * rows[done]
        rows[others, column] = 0.0
        done += 1
    return rows


def reduced(rows: Tensor) -> Tensor:
    """The reduced echelon form of noisy independent rows: the pivot is the largest entry left."""
    rows = rows.clone()
    for done in range(len(rows)):
        at, column = divmod(int(rows[done:].abs().argmax()), rows.shape[1])
        rows[[done, done + at]] = rows[[done + at, done]]
        rows[done] /= rows[done, column].clone()
        others = torch.arange(len(rows)) != done
        rows[others] -= rows[others, column][:, None] * rows[done]
    return rows


def rational(rows: Tensor, holds: Callable[[Tensor], bool]) -> Tensor:
    """The same rows with rational entries, where all are near such and these hold as well."""
    close = torch.full_like(rows, torch.inf)
    for denominator in range(_LARGEST, 0, -1):
        near = (rows * denominator).round() / denominator
        close = torch.where((near - rows).abs() <= _NEAR, near, close)
    return close if bool(close.isfinite().all()) and holds(close) else rows


def beyond(rows: Tensor, known: Tensor) -> Tensor:
    """As many of some rows as complete known ones to a basis of the span of all rows, in order."""
    basis = torch.linalg.qr(known.T).Q.T if len(known) else known
    kept = []
    for row in rows:
        rest = row - (row @ basis.T) @ basis
        if float(rest.norm()) > _ABSENT * float(row.norm()):
            rest = rest - (rest @ basis.T) @ basis
            basis = torch.cat([basis, rest[None] / rest.norm()])
            kept.append(row)
    return torch.stack(kept) if kept else rows[:0]


def fractions(rows: Tensor) -> list[Fraction] | None:
    """The entries as fractions, None where they are not rational."""
    values = rows.flatten().tolist()
    found = [Fraction(v).limit_denominator(_LARGEST) for v in values]
    exact = all(float(q) == v for q, v in zip(found, values, strict=True))
    return found if exact else None
