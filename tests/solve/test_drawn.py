"""Random parameters are drawn one by one, the same whatever is asked for first."""

import torch

from symfind.solve.point.drawn import Drawn
from symfind.solve.solver import derive
from symfind.trace import trace


def test_only_what_is_asked_for_is_drawn() -> None:
    shapes = {"table": (10**7, 10**6), "bias": (3,), "gain": ()}  # 80 TB
    one, two = Drawn(shapes), Drawn(shapes)
    assert list(one) == ["gain", "bias", "table"] and len(one) == 3
    assert next(iter(one.values())).shape == ()
    bias = one["bias"]
    assert torch.equal(two["bias"], bias) and one["bias"] is bias
    assert not torch.equal(bias, one["gain"].expand(3))


def test_nothing_of_a_large_model_is_drawn_for_weights_that_it_does_not_make() -> None:
    with torch.device("meta"):
        model = torch.nn.Sequential(
            torch.nn.Linear(6, 10**7, bias=False), torch.nn.Linear(10**7, 10**6, bias=False)
        )  # 80 TB
    graph = trace(model, (torch.zeros(1, 6, device="meta"),), {})
    assert "gauge" in {f.kind for f in derive(graph).families}
