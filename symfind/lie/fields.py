"""Structure constants of vector fields that are given as functions of a point.

At generic points the fields X_i and their brackets, (DX_j) X_i - (DX_i) X_j by forward
differentiation, are vectors; put side by side for several points, a bracket of fields that close is
a combination of the fields with constant coefficients.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symfind.errors import AlgebraError, InputError
from symfind.lie.algebra import Algebra
from symfind.lie.closure import ROUNDING, Closed, spans
from symfind.lie.linear import Array, Numeric

if TYPE_CHECKING:
    from torch import Tensor

Directions = Callable[["Tensor"], "Tensor"]

MOST = 120  # fields; their brackets are dense
_POINTS = 3  # at least
_SAFETY = 10.0


def close_fields(directions: Directions, size: int, tolerance: float, seed: int = 0) -> Closed:
    """The algebra that vector fields span.

    Args:
        directions: all fields at a point: from [size] to [k, size], differentiable in torch.
        size: number of coordinates.
        tolerance: how far brackets may leave the span, relative to what they are differences of.
        seed: of the points.

    Raises:
        AlgebraError: the fields do not close under the bracket with constant coefficients.
        InputError: they do not have the declared shape.
    """
    import torch

    rng = torch.Generator().manual_seed(seed)
    first = directions(torch.randn(size, generator=rng, dtype=torch.float64))
    if first.ndim != 2 or first.shape[1] != size:
        raise InputError(f"the fields have shape {list(first.shape)}; expected [fields, {size}]")
    count = len(first)
    if count > MOST:
        raise InputError(
            f"{count} vector fields are too many, {MOST} at most: take a smaller model"
        )
    values, turns = [], []
    for _ in range(max(_POINTS, -(-3 * count // size))):
        theta = torch.randn(size, generator=rng, dtype=torch.float64)
        here = directions(theta).detach()
        # turned[i, j] = (DX_j) X_i
        turned = torch.stack([torch.func.jvp(directions, (theta,), (x,))[1] for x in here])
        values.append(here.numpy())
        turns.append(turned.detach().numpy())
    return _solve(np.concatenate(values, 1), np.concatenate(turns, 2), tolerance)


def close_functions(fields: Sequence[Callable[[Any], Any]], size: int, tolerance: float) -> Closed:
    """The algebra that functions from a torch tensor [size] to one like it span."""
    import torch

    def directions(theta: "Tensor") -> "Tensor":
        return torch.stack([torch.as_tensor(field(theta), dtype=theta.dtype) for field in fields])

    return close_fields(directions, size, tolerance)


def close_factor(factor: Any, parameters: Mapping[str, Any], tolerance: float) -> Closed:
    """The algebra that acts in one factor of a report, on parameters of the given shapes.

    Args:
        factor: an entry of `report.factors`, fresh from an analysis (a report that was read from a
            file has no generators).
        parameters: tensors by name, as `dict(model.named_parameters())`; their values do not
            matter.
        tolerance: as in `close_fields`.

    Raises:
        InputError: the factor has no generators, or acts on parameters that are not given.
        AlgebraError: as in `close_fields`.
    """
    import torch

    if not factor.generators:
        raise InputError(f"factor {factor.id} has no generators; analyse the model again for them")
    missing = [n for g in factor.generators for n in g.parameters if n not in parameters]
    if missing:
        raise InputError(f"factor {factor.id} moves {missing[0]}, which is not among parameters")
    shapes = {name: tuple(value.shape) for name, value in parameters.items()}
    lengths = [int(np.prod(shape)) for shape in shapes.values()]
    rng = torch.Generator().manual_seed(0)
    counts = [len(g.coefficients(rng)) for g in factor.generators]
    if sum(counts) > MOST:
        raise InputError(
            f"factor {factor.id} has dimension {sum(counts)}, above {MOST}: take a smaller model"
        )

    def directions(theta: "Tensor") -> "Tensor":
        parts = theta.split(lengths)
        point = {n: p.reshape(s) for (n, s), p in zip(shapes.items(), parts, strict=True)}
        rows = []
        for generator, count in zip(factor.generators, counts, strict=True):
            for unit in torch.eye(count, dtype=theta.dtype):
                moved = generator.direction(point, unit)
                rows.append(
                    torch.cat(
                        [
                            moved[n].reshape(-1) if n in moved else torch.zeros_like(p)
                            for n, p in zip(shapes, parts, strict=True)
                        ]
                    )
                )
        return torch.stack(rows)

    return close_fields(directions, sum(lengths), tolerance)


def _solve(values: Array, turned: Array, tolerance: float) -> Closed:
    """Structure constants from fields [k, m] and their derivatives along each other [k, k, m]."""
    scale = np.linalg.norm(values, axis=1).max(initial=0.0) or 1.0
    basis, dropped = spans(values / scale, tolerance)[0]
    # the orthonormal basis in terms of the fields, and the fields in terms of the basis
    change = basis @ np.linalg.pinv(values, rcond=tolerance / 10)
    moved = np.einsum("ai,bj,ijm->abm", change, change, turned, optimize=True)
    brackets = moved - moved.transpose(1, 0, 2)
    size = float(np.linalg.norm(moved, axis=2).max(initial=0.0)) or 1.0
    inside = brackets @ basis.T
    residual = float(np.linalg.norm(brackets - inside @ basis, axis=2).max(initial=0.0)) / size
    if residual > tolerance:
        raise AlgebraError(
            "the vector fields do not span a Lie algebra: a bracket leaves their span by "
            f"{residual:.1e} of its size"
        )
    noise = max(ROUNDING, dropped, _SAFETY * residual)
    # the basis is scaled such that brackets are of order one
    algebra = Algebra(inside / size, Numeric(noise))
    if len(basis) == len(values):
        return Closed(algebra, None, np.eye(len(basis)), size * values @ basis.T)
    return Closed(algebra, None, change / size, np.eye(len(basis)))
