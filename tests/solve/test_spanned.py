"""Whether a field is in the span of families, by a matrix that is made and by one that is not."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.solve.point.columns import Columns, beside
from symfind.solve.point.evaluate import Point
from symfind.solve.point.family import Family

NARROW, WIDE = 5, 150  # of a bond: decomposed, and solved for step by step


def _bond(n: int) -> tuple[Point, list[Family]]:
    model = nn.Sequential(nn.Linear(n + 2, n), nn.Linear(n, 4))
    derived = symfind.open(model, torch.randn(3, n + 2)).derivation
    rng = torch.Generator().manual_seed(1)
    theta = {
        name: torch.randn(v.shape, generator=rng, dtype=torch.float64)
        for name, v in model.named_parameters()
    }
    return Point(theta), list(derived.families)


@pytest.mark.parametrize("n", [NARROW, WIDE])
def test_columns_are_directions_and_their_transpose(n: int) -> None:
    """A c is what the families say, and ⟨A c, v⟩ = ⟨c, Aᵀ v⟩."""
    point, families = _bond(n)
    columns = Columns(point, families)
    rng = torch.Generator().manual_seed(2)
    c = torch.randn(sum(f.count() for f in families), generator=rng, dtype=torch.float64)
    made = columns(c)
    said: dict[str, Tensor] = {}
    for family, part in zip(families, c.split([f.count() for f in families]), strict=True):
        for name, change in point.direction(family, part).items():
            said[name] = said[name] + change if name in said else change
    for name in columns.moved:
        assert torch.allclose(made[name], said[name], rtol=1e-12, atol=1e-12)
    v = {k: torch.randn(d.shape, generator=rng, dtype=torch.float64) for k, d in made.items()}
    there = sum(float((made[k] * v[k]).sum()) for k in made)
    assert there == pytest.approx(float(c @ columns.back(v)), rel=1e-10)


@pytest.mark.parametrize("n", [NARROW, WIDE])
def test_only_what_families_make_is_in_their_span(n: int) -> None:
    """A combination is; with one entry changed that the group cannot move alone it is not."""
    point, families = _bond(n)
    rng = torch.Generator().manual_seed(3)
    field = {k: torch.zeros_like(v) for k, v in point.theta.items()}
    for family in families:
        for name, change in point.direction(family, family.draw(rng)).items():
            field[name] = field[name] + change
    near = 1e-10 if n == NARROW else 1e-3
    assert beside(point, families, field) < near
    field["0.weight"] = field["0.weight"].clone()
    field["0.weight"][0] += field["0.weight"].norm() * torch.randn(n + 2, generator=rng)
    assert beside(point, families, field) > 0.02
    assert beside(point, [], field) == 1.0


class _Table(nn.Module):
    """A table that is read with a bias and without."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(20, width)
        self.hidden = nn.Linear(width, 6, bias=False)
        self.top, self.beside = nn.Linear(6, 5), nn.Linear(width, 5)

    def forward(self, ids: Tensor) -> Tensor:
        """[N] to [N, 5]."""
        rows = self.table(ids)
        top: Tensor = self.top(self.hidden(rows).relu())
        return top + self.beside(rows)


def test_what_is_translated_together_is_asked_of_wide_bonds_too() -> None:
    """GL of a bond of 256 has so many directions that a matrix of them would be of 30 GB."""
    narrow, wide = (
        [f.kind for f in symfind.open(_Table(n), torch.arange(20)).derivation.families]
        for n in (24, 256)
    )
    assert narrow == wide and "gauge" in wide
