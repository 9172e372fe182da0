"""Random parameters are drawn one by one, the same whatever is asked for first."""

import torch

from symfind.solve.point.drawn import Drawn


def test_only_what_is_asked_for_is_drawn() -> None:
    shapes = {"table": (10**7, 10**6), "bias": (3,), "gain": ()}  # 80 TB
    one, two = Drawn(shapes), Drawn(shapes)
    assert list(one) == ["gain", "bias", "table"] and len(one) == 3
    assert next(iter(one.values())).shape == ()
    bias = one["bias"]
    assert torch.equal(two["bias"], bias) and one["bias"] is bias
    assert not torch.equal(bias, one["gain"].expand(3))
