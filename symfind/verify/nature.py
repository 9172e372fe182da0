"""What kind of null directions these are: of which inputs, of which points, of which origin."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from symfind.numerics.rank import NOISE, spectral_rank
from symfind.verify.function import Point
from symfind.verify.samples import Samples

_SPARE = 32  # rows more than the dimension that is looked for
_MOST_RANK = 800  # of functions, up to which it is asked whether they fill a space
_TRIED = 4  # tangent vectors at another point
_MOST_FIELDS = 1200  # linear vector fields that are tried at once
_PART = 1e-6  # of a unit vector, below which it lies in the span of others


def persisting(samples: Samples, known: Tensor, beyond: Tensor) -> int | None:
    """How many null directions, up to known ones, are null for other inputs as well.

    Args:
        samples: of the other inputs, at the point where the directions are null.
        known: known null directions, [parameters, known]; they need not be null for these inputs.
        beyond: those in question, [parameters, number].

    Returns:
        The number; None where the function cannot be evaluated on these inputs.
    """
    vectors = torch.cat([known, beyond], 1)
    jacobian = samples.rows(vectors.shape[1] + _SPARE)
    if jacobian is None:
        return None
    effect = jacobian @ vectors / jacobian.norm()
    if len(effect) > effect.shape[1]:
        effect = torch.linalg.qr(effect, mode="r").R
    _, values, vh = torch.linalg.svd(effect, full_matrices=True)
    null = vh[int((values > 10**NOISE).sum()) :].T[known.shape[1] :]
    return int((torch.linalg.svdvals(null) > _PART).sum()) if null.numel() else 0


def fills(samples: Samples, names: Sequence[str], rank: int, seed: int) -> bool | None:
    """Whether the functions that some tensors reach fill an affine space of dimension `rank`.

    With all other tensors held, the functions f(θ, ·) form an image whose tangent space at θ has
    the dimension of the rank. It is open in an affine space if and only if that tangent space is
    the same everywhere: then there are more parameters than dimensions, and no group is needed to
    explain it (Kileel, Trager, Bruna, "On the expressive power of deep polynomial neural
    networks", 2019, definition of filling). So tangent vectors at another random point are held
    against it.

    Args:
        samples: at a generic point.
        names: tensors that vary.
        rank: of the derivative by the tensors that vary.
        seed: of the other point.

    Returns:
        None where that would cost too much, or nothing can be told from the samples.
    """
    if rank > _MOST_RANK:
        return None
    rng = torch.Generator().manual_seed(seed)
    wanted = rank + _SPARE
    here = samples.rows(wanted)
    if here is None or len(here) < wanted:
        return None
    there = samples.moved(names, rng).rows(wanted)
    if there is None or there.shape != here.shape:
        return None
    chosen = samples.columns(names)
    here, there = here[:, chosen], there[:, chosen]
    mix = torch.randn(len(chosen), _TRIED, generator=rng, dtype=torch.float64).to(there)
    tangent = spectral_rank(_narrowed(here))
    both = spectral_rank(torch.cat([_narrowed(here), _units(there @ mix)], 1))
    if not (tangent.clear and both.clear and tangent.rank == rank):
        return None
    return both.rank == rank


def _units(columns: Tensor) -> Tensor:
    return columns / columns.norm(dim=0).clamp(min=1e-300)


def _narrowed(matrix: Tensor) -> Tensor:
    """As many columns as rows at most, with the same span of columns, the largest of unit norm."""
    if matrix.shape[1] > len(matrix):
        matrix = torch.linalg.qr(matrix.T, mode="r").R.T
    return matrix / matrix.norm(dim=0).max().clamp(min=1e-300)


def linear_fields(theta: Point, names: Sequence[str], sizes: dict[str, int]) -> Tensor | None:
    """Vector fields that are linear in single tensors, at a point: columns [parameters, number].

    gl on every axis of every tensor, and translations of vectors. None where they are too many.
    """
    shapes = {name: tuple(theta[name].shape) for name in names}
    count = sum(sum(n * n for n in s) + (s[0] if len(s) == 1 else 0) for s in shapes.values())
    if count > _MOST_FIELDS:
        return None
    parts, start = [], 0
    for name, size in sizes.items():
        for field in _of_tensor(theta[name]) if name in shapes else ():
            column = field.new_zeros(sum(sizes.values()), field.shape[1])
            column[start : start + size] = field
            parts.append(column)
        start += size
    return torch.cat(parts, 1) if parts else None


def _of_tensor(value: Tensor) -> list[Tensor]:
    fields = []
    for axis, n in enumerate(value.shape):
        moved = value.movedim(axis, 0).reshape(n, -1)
        # E_ij acts as: row i becomes what row j was
        each = moved.new_zeros(n, n, *moved.shape)
        for i in range(n):
            each[i, :, i] = moved
        rest = [m for a, m in enumerate(value.shape) if a != axis]
        back = each.reshape(n * n, n, *rest).movedim(1, axis + 1)
        fields.append(back.reshape(n * n, -1).T)
    if value.ndim == 1:
        fields.append(torch.eye(len(value), dtype=value.dtype, device=value.device))
    return fields


def linearly_explained(
    points: Sequence[Samples], names: Sequence[str], known: Tensor
) -> int | None:
    """How many null directions beyond known ones a linear action on some tensors explains.

    The linearised invariance equation J(θ) ξ(θ) = 0 is solved for fields ξ that are linear in each
    of the tensors, at several points together; its solutions at the first of them are held against
    what is known there.

    Args:
        points: samples at several points.
        names: the tensors.
        known: known null directions at the first point, [parameters, known].

    Returns:
        The number; None where there would be too many fields.
    """
    sizes = {name: math.prod(shape) for name, shape in points[0].function.shapes.items()}
    at_first = linear_fields(points[0].theta, names, sizes)
    if at_first is None:
        return None
    norms = at_first.norm(dim=0).clamp(min=1e-300)
    equation: list[Tensor] = []
    for samples in points:
        fields = linear_fields(samples.theta, names, sizes)
        jacobian = samples.rows(at_first.shape[1] + _SPARE)
        if fields is None or jacobian is None:
            return None
        equation.append(torch.linalg.qr(jacobian @ (fields / norms), mode="r").R)
    _, values, vh = torch.linalg.svd(torch.cat(equation), full_matrices=True)
    if float(values[0]) == 0.0:
        return None
    solutions = vh[int((values > 10**NOISE * values[0]).sum()) :].T
    found = at_first / norms @ solutions
    basis = torch.linalg.qr(known).Q
    found = found - basis @ (basis.T @ found)
    return int((torch.linalg.svdvals(found) > _PART).sum()) if found.numel() else 0
