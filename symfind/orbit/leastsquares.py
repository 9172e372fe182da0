"""Along families of translations to the point that is nearest to a target."""

from collections.abc import Collection

import torch
from torch import Tensor

from symfind.orbit.group import Group, State
from symfind.solve.point.columns import Columns
from symfind.solve.point.family import Family

_EXACT = 1e-15  # of the gradient at the start, relative
_DENSE = 128  # directions, up to which a Hessian is formed
_STEP = 1e-5  # of its differences, relative


def nearest(
    group: Group,
    family: Family,
    state: State,
    target: State | None,
    names: Collection[str] | None = None,
) -> Tensor | None:
    """Coefficients that minimise ‖θ + D c − target‖ on some tensors, by conjugate gradients.

    Args:
        group: of the model.
        family: whose field D is linear in c.
        state: θ.
        target: of the same names; zero without.
        names: tensors that count; all without.

    Returns:
        The coefficients; None where nothing is gained.
    """
    columns = Columns(group.point(state), [family], names)
    if not columns.moved:
        return None
    gap = {k: (0.0 if target is None else target[k]) - state[k] for k in columns.moved}
    floor = _EXACT * sum(float(state[k].norm()) for k in columns.moved)
    return columns.solved(gap, floor)


def bending(group: Group, family: Family, state: State) -> Tensor | None:
    """A Newton step to the least norm along a family whose field changes along its own flow.

    The gradient g = Dᵀθ is differentiated along every direction. None where there are too many.
    """
    n = family.count()
    if n > _DENSE:
        return None
    here = Columns(group.point(state), [family])
    if not here.moved:
        return None
    gradient = _pulled(here, state)
    rows = []
    for e in torch.eye(n, dtype=torch.float64):
        field = here(e)
        size = sum(float(d.square().sum()) for d in field.values()) ** 0.5
        h = _STEP * (sum(float(state[k].square().sum()) for k in field) ** 0.5 or 1.0) / (size or 1)
        ends = []
        for sign in (1.0, -1.0):
            there = {**state, **{k: state[k] + sign * h * d for k, d in field.items()}}
            ends.append(_pulled(Columns(group.point(there), [family]), there))
        rows.append((ends[0] - ends[1]) / (2 * h))
    hessian = torch.stack(rows)
    values, vectors = torch.linalg.eigh((hessian + hessian.T) / 2)
    values = values.abs().clamp_min(1e-9 * float(values.abs().max()) + 1e-300)
    return -vectors @ ((vectors.T @ gradient) / values)


def _pulled(columns: Columns, state: State) -> Tensor:
    return columns.back({k: state[k] for k in columns.moved})
