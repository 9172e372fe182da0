"""Pieces of a wire that are joined again see together less than each does alone."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.solve.families import together


class Merging(nn.Module):
    """A stream of which every second row and column are joined, before a norm."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.write = nn.Linear(3, 4)
        self.first = nn.LayerNorm(4)
        self.up = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(16)
        self.read = nn.Linear(16, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.write(x)
        x = x + self.windows(torch.tanh(self.up(self.first(x))))
        return self.read(
            self.norm(torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1))
        )

    def windows(self, x: Tensor) -> Tensor:
        """Less what windows have on average: their rows are no multiples of two."""
        n, rows, columns, width = x.shape
        split = x.view(n, rows // self.window, self.window, columns, width)
        return (split - split.mean(2, keepdim=True)).view(x.shape) + x


class Reduced(Merging):
    """The stream is written by a matrix behind a norm with a bias, as after an earlier merging."""

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.start = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.LayerNorm(6))
        self.write = nn.Linear(6, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.start(x))


@pytest.mark.parametrize("kind", [Merging, Reduced])
@pytest.mark.parametrize("window", [2, 3])
def test_what_is_the_same_in_all_pieces_is_unseen(
    kind: type[Merging], window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST", 0)  # as where there are too many unknowns
    found = symfind.analyze(
        kind(window), torch.randn(1, 6, 6, 3), verify=False, formula=False, discovery=False
    )
    assert (found.certificate.status, found.certificate.unexplained) == ("complete", 0)


def test_pieces_that_are_shifted_otherwise_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Merging):
        def forward(self, x: Tensor) -> Tensor:
            x = self.write(x)
            x = x + self.up(torch.tanh(self.first(x)))
            parts = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
            return self.read(self.norm(torch.cat([*parts[:3], 2 * parts[3]], -1)))

    monkeypatch.setattr(together, "MOST", 0)
    found = symfind.analyze(
        Other(2), torch.randn(1, 6, 6, 3), verify=False, formula=False, discovery=False
    )
    assert (found.certificate.status, found.certificate.unexplained) == ("complete", 0)
