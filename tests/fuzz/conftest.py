from typing import Any

import pytest
from torch import Tensor

from symfind.solve.families.family import ScalingFamily


@pytest.fixture
def corrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last member of a scaling follows it the wrong way."""
    honest = ScalingFamily._factors

    def wrong(self: ScalingFamily, env: Any, c: Tensor) -> Any:
        *rest, (source, cell, log) = honest(self, env, c)
        return [*rest, (source, cell, -log)]

    monkeypatch.setattr(ScalingFamily, "_factors", wrong)
