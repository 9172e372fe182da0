"""What is measured at a point is not asked of models that are large."""

from collections.abc import Callable

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


class _Added(nn.Module):
    """A wire that is added to itself again and again, as it is or changed."""

    def __init__(self, times: int, changed: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.u, self.v, self.times, self.changed = nn.Linear(3, 4), nn.Linear(4, 2), times, changed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 3] to [N, 2]."""
        y = self.u(x)
        for _ in range(self.times):
            y = y + self.changed(y)
        return self.v(y).tanh()


@pytest.mark.parametrize(
    ("changed", "least"),
    [(lambda y: y, 18), (lambda y: y / 2, 18), (lambda y: y.flip(-1), 1)],
    ids=["itself", "half", "turned"],
)
def test_twice_as_many_ways_at_every_sum_are_not_followed_one_by_one(changed, least) -> None:
    """A billion ways from the first layer to the last, which take no longer than a few."""
    model, x = _Added(30, changed), torch.randn(5, 3)
    report = symfind.analyze(model, x, verify=False, certify="never", formula=False)
    assert least <= report.dimension.redundant <= 18  # eight numbers make the function
