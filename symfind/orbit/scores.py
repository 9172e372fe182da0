"""How much of a function passes through one site, in a way that no gauge changes.

What writes a bond may be moved by X and what reads it left alone. Of an X that commutes with the
whole group at its site (the identity on gl(n), the identity and the quarter turn on a rotary pair,
one scale) this field ξ is carried along by the group, and so is F: ξᵀFξ is the same all over the
orbit. Both sides together move nothing, so that it is the score of what reads it, too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.orbit.fisher import Fisher
from symfind.orbit.gauge import gain_wires, one_for_each
from symfind.orbit.group import Group, State
from symfind.solve.families.family import MatrixFamily, ScalingFamily
from symfind.solve.point.family import Family

_MOST = 60_000_000  # entries of the fields of one site


@dataclass(frozen=True)
class Score:
    """The scores of one site.

    Attributes:
        site: as in the `places` of a report.
        element: "identity", "scale of a pair", "turn of a pair", or "scale".
        values: ξᵀFξ for every copy (head, expert), pair or unit: [*copies, pairs or units].
    """

    site: str
    element: str
    values: Tensor


def scores(group: Group, state: State, matrix: Fisher) -> list[Score]:
    """Scores of all sites whose algebra has an element that commutes with the rest.

    Args:
        group: of the model.
        state: the checkpoint, in a gauge without translations.
        matrix: its Fisher matrix.
    """
    found, gains = [], gain_wires(group)
    for name, site in group.sites.items():
        half = one_sided(site.family)
        if half is not None and not _turned(group, state, site.family, gains):
            for element, columns, shape in _central(half):
                if columns.shape[1] * matrix.rows.shape[1] <= _MOST:
                    fields = _fields(group, state, half, columns)
                    found.append(Score(name, element, matrix.along(fields).reshape(shape)))
    return found


def _turned(group: Group, state: State, family: Family, gains: set[int]) -> bool:
    """Whether scales stand along an index that a rotation mixes: they do not commute with it."""
    if not isinstance(family, ScalingFamily):
        return False
    return one_for_each(group, state, family, gains) is not None


def one_sided(family: Family) -> Family | None:
    """The same with what writes alone; None where there are no two sides."""
    if isinstance(family, MatrixFamily) and not family.bond.skew and not family.bond.columns:
        writers = [m for m in family.members if not m.dual]
        return replace(family, members=writers) if 0 < len(writers) < len(family.members) else None
    if isinstance(family, ScalingFamily):
        own = family.scaling
        up = [m for m in own.members if m.exponent > 0]
        half = replace(own, members=up)
        return replace(family, scaling=half) if 0 < len(up) < len(own.members) else None
    return None


def _central(family: Family) -> Iterator[tuple[str, Tensor, tuple[int, ...]]]:
    """Coefficients of elements that commute with the algebra: [all, number], and their shape."""
    if isinstance(family, ScalingFamily):
        n = family.count()
        yield "scale", torch.eye(n, dtype=torch.float64), (n,)
        return
    assert isinstance(family, MatrixFamily)
    copies = tuple(a.size for a in family.indexed)
    single = family.single()
    if not family.bond.pairs:
        yield "identity", _placed(_unit(single).unsqueeze(-1), copies), copies
        return
    k = family.paired()
    each = torch.eye(single, dtype=torch.float64)
    yield "scale of a pair", _placed(each[:, k : 2 * k], copies), (*copies, k)
    yield "turn of a pair", _placed(each[:, :k], copies), (*copies, k)
    if single > 2 * k:
        rest = torch.cat([torch.zeros(2 * k, dtype=torch.float64), _unit(single - 2 * k)])
        yield "identity", _placed(rest.unsqueeze(-1), copies), copies


def _unit(size: int) -> Tensor:
    return torch.eye(math.isqrt(size), dtype=torch.float64).reshape(-1)


def _placed(one: Tensor, copies: tuple[int, ...]) -> Tensor:
    """The same columns in every copy: [copies · single, copies · number]."""
    return torch.block_diag(*[one] * math.prod(copies))


def _fields(group: Group, state: State, family: Family, columns: Tensor) -> Tensor:
    """The fields of coefficients: [parameters, number]."""
    point = group.point(state)
    env = point.environment()
    found = []
    for c in columns.T:
        moved = point.direction(family, c, env)
        found.append(torch.cat([
            (moved[n] if n in moved else torch.zeros_like(state[n])).reshape(-1)
            for n in group.shapes
        ]))  # fmt: skip
    return torch.stack(found, 1)
