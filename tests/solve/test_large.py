"""What is measured at a point is not asked of models that are large."""

import pytest
import torch
from torch import nn

import symfind
from symfind.solve.charts import partial
from symfind.solve.families import together
from symfind.solve.solver import derive
from symfind.trace import trace


def test_no_point_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(shapes: object) -> None:
        raise AssertionError("a point of a large model")

    monkeypatch.setattr(partial, "drawn", never)
    model = nn.Sequential(
        nn.Conv2d(8, 64, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.Conv2d(64, 2, 1)
    )
    assert derive(trace(model, (torch.randn(1, 8, 2, 2),), {})).families


class _Again(nn.Module):
    """A layer that is used twice behind a norm, of a stream that another norm begins."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.begin, self.e = nn.LayerNorm(n), nn.Linear(n, n)
        self.a, self.b, self.norm = nn.Linear(n, 3), nn.Linear(3, n), nn.LayerNorm(n)
        self.c, self.d, self.mid = nn.Linear(n, 3), nn.Linear(3, n), nn.LayerNorm(n)
        self.r = nn.Linear(n, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, n] to [N, 2]."""
        x = self.e(self.begin(x))
        for _ in range(2):
            x = self.mid(x + self.b(torch.tanh(self.a(x))))
            x = self.norm(x + self.d(torch.tanh(self.c(x))))
        return self.r(x)


def test_constants_of_a_layer_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a system of all translations is too large, they are derived as where it is not."""
    counts = []
    for most in (together.MOST, 0):
        monkeypatch.setattr(together, "MOST", most)
        session = symfind.open(_Again(4), torch.randn(3, 4))
        counts.append(session.counted.redundant)
    assert counts[0] == counts[1]
