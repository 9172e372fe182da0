"""What is measured at a point is not asked of models that are large."""

import pytest
import torch
from torch import nn

from symfind.solve.charts import partial
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
