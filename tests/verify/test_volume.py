"""How much an evaluation computes decides how many inputs are looked at together."""

import torch
from torch import nn

from symfind.verify import rows as looking
from symfind.verify.function import Call, Function
from symfind.verify.rows import Rows
from symfind.verify.volume import measured


def test_results_are_counted_and_views_of_them_are_not() -> None:
    x = torch.ones(2, 3)
    value, volume = measured(lambda: (x.exp().reshape(3, 2).T @ torch.ones(3, 5)).sum())
    assert float(value) > 0
    assert volume.largest == 15  # ones [3, 5]
    assert volume.total == 6 + 15 + 10 + 1


def test_as_many_inputs_are_together_as_there_is_room_for(monkeypatch) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    function = Function(model, Call((torch.randn(1, 1, 8, 8),), {}))

    def draw(rng: torch.Generator) -> Call:
        return Call((torch.randn(1, 1, 8, 8, generator=rng, dtype=torch.float64),), {})

    def together() -> int:
        rows = Rows(function, draw, torch.Generator().manual_seed(0))
        rows.prepare(function.random_point(torch.Generator().manual_seed(1)))
        return rows.draws(0)

    many = together()
    monkeypatch.setattr(looking, "_ALL", 2500)  # results of the convolution, and what is above zero
    assert 1 <= together() < 8 < many
