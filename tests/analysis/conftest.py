from typing import Any

import pytest
from torch import Tensor

from symfind.solve.families.family import ScalingFamily


@pytest.fixture
def corrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scalings of the first bond push one of their two sides the wrong way."""
    honest = ScalingFamily._factors

    def wrong(self: ScalingFamily, env: Any, c: Tensor) -> Any:
        result = honest(self, env, c)
        if any(source.key == "0.weight" for source, _, _ in result):
            source, cell, log = result[-1]
            result[-1] = source, cell, -log
        return result

    monkeypatch.setattr(ScalingFamily, "_factors", wrong)
