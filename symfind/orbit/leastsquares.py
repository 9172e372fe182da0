"""Along families of translations to the point that is nearest to a target."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from symfind.orbit.group import Group, State
from symfind.solve.point.family import Family

_ROUNDS = 200
_EXACT = 1e-15  # of the gradient at the start, relative
_DENSE = 128  # directions, up to which a Hessian is formed
_STEP = 1e-5  # of its differences, relative
_SPANNED = 1e-8  # of a field, relative, that is left beside what spans it

Fields = dict[str, Tensor]


class _Columns:
    """From coefficients of some families to changes of tensors, linearly, and back."""

    def __init__(
        self,
        group: Group,
        families: Sequence[Family],
        state: State,
        names: Collection[str] | None,
    ) -> None:
        self.families, self.names = families, names
        self.point = group.point(state)
        self.env = self.point.environment()  # values of wires are computed once
        self.sizes = [f.count() for f in families]
        with torch.enable_grad():
            self.free = torch.zeros(sum(self.sizes), dtype=torch.float64, requires_grad=True)
            self.graph = {k: d for k, d in self(self.free).items() if d.requires_grad}

    def __call__(self, c: Tensor) -> Fields:
        total: Fields = {}
        for family, part in zip(self.families, c.split(self.sizes), strict=True):
            for name, change in self.point.direction(family, part, self.env).items():
                if self.names is None or name in self.names:
                    total[name] = total[name] + change if name in total else change
        return total

    def back(self, v: Mapping[str, Tensor]) -> Tensor:
        """Transposed."""
        (g,) = torch.autograd.grad(
            list(self.graph.values()), [self.free], [v[k] for k in self.graph], retain_graph=True
        )
        return g


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
    columns = _Columns(group, [family], state, names)
    if not columns.graph:
        return None
    gap = {k: (0.0 if target is None else target[k]) - state[k] for k in columns.graph}
    floor = _EXACT * sum(float(state[k].norm()) for k in columns.graph)
    return _solved(columns, gap, floor)


def bending(group: Group, family: Family, state: State) -> Tensor | None:
    """A Newton step to the least norm along a family whose field changes along its own flow.

    The gradient g = Dᵀθ is differentiated along every direction. None where there are too many.
    """
    n = family.count()
    if n > _DENSE:
        return None
    here = _Columns(group, [family], state, None)
    gradient = _pulled(here, state)
    rows = []
    for e in torch.eye(n, dtype=torch.float64):
        field = {k: d.detach() for k, d in here(e).items()}
        size = sum(float(d.square().sum()) for d in field.values()) ** 0.5
        h = _STEP * (sum(float(state[k].square().sum()) for k in field) ** 0.5 or 1.0) / (size or 1)
        ends = []
        for sign in (1.0, -1.0):
            there = {**state, **{k: state[k] + sign * h * d for k, d in field.items()}}
            ends.append(_pulled(_Columns(group, [family], there, None), there))
        rows.append((ends[0] - ends[1]) / (2 * h))
    hessian = torch.stack(rows)
    values, vectors = torch.linalg.eigh((hessian + hessian.T) / 2)
    values = values.abs().clamp_min(1e-9 * float(values.abs().max()) + 1e-300)
    return -vectors @ ((vectors.T @ gradient) / values)


def _pulled(columns: _Columns, state: State) -> Tensor:
    if not columns.graph:
        return torch.zeros_like(columns.free.detach())
    return columns.back({k: state[k] for k in columns.graph})


def spanned(group: Group, families: Sequence[Family], state: State, field: Fields) -> bool:
    """Whether a field is in the span of families at a point."""
    size = sum(float(d.square().sum()) for d in field.values()) ** 0.5
    columns = _Columns(group, families, state, None) if families else None
    if not size or columns is None or not columns.graph:
        return not size
    names = set(columns.graph) | set(field)
    gap = {k: field.get(k, torch.zeros_like(state[k])) for k in names}
    c = _solved(columns, gap, 0.0)
    if c is None:
        return False
    made = columns(c)
    left = sum(float((gap[k] - made.get(k, 0.0)).square().sum()) for k in names) ** 0.5
    return left <= _SPANNED * size


def _solved(columns: _Columns, gap: Fields, floor: float) -> Tensor | None:
    c = torch.zeros_like(columns.free.detach())
    residual = columns.back(gap)
    along, size = residual.clone(), float(residual.dot(residual))
    start = size
    if size <= floor**2:
        return None
    for _ in range(_ROUNDS):
        moved = {k: d.detach() for k, d in columns(along).items() if k in columns.graph}
        curve = sum(float(d.square().sum()) for d in moved.values())
        if curve <= 0.0:
            break
        step = size / curve
        c = c + step * along
        residual = residual - step * columns.back(moved)
        new = float(residual.dot(residual))
        if new <= max(_EXACT**2 * start, floor**2 * 1e-4):
            break
        along, size = residual + (new / size) * along, new
    return c
