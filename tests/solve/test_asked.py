"""What rows that ask are made of is looked at last, and only where something can follow."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.solve.transport import turning


class Tokens(nn.Module):
    """A normed table, and a stream, that both ask: the one is asked by tokens alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(40, 6), nn.LayerNorm(6)
        self.up, self.down = nn.Linear(6, 9), nn.Linear(9, 6)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.table(tokens))
        return (x + self.down(self.up(x).tanh())) @ self.table.weight.T


class Latents(nn.Module):
    """Learned rows that ask, and are added to what they are told."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(2, 4))
        self.q, self.k, self.v = nn.Linear(4, 4), nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.q(self.rows)
        return rows + (rows @ self.k(x).mT).softmax(-1) @ self.v(x)


@pytest.mark.parametrize("looked", [False, True])
def test_values_are_drawn_where_something_follows(
    looked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    class Watched(turning.Drawn):
        def __getitem__(self, name: str) -> Tensor:
            drawn.append(name)
            return super().__getitem__(name)

    monkeypatch.setattr(turning, "Drawn", Watched)
    model, x = (Latents(), torch.randn(5, 7, 3)) if looked else (Tokens(), torch.arange(8)[None])
    symfind.open(model, x).counted  # noqa: B018
    assert bool(drawn) == looked
