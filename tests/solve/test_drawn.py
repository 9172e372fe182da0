"""Random parameters are drawn one by one, the same whatever is asked for first."""

import torch

from symfind.solve.point.drawn import Drawn, near_and_far
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


def test_parameters_of_several_sizes_are_drawn_once(monkeypatch) -> None:
    """What is asked for late is as large as the rest."""
    shapes, drawn, randn = {"weight": (3, 2), "bias": (3,)}, [], torch.randn
    unit = dict(Drawn(shapes))
    monkeypatch.setattr(torch, "randn", lambda *a, **k: drawn.append(a) or randn(*a, **k))
    sizes = []
    for i, point in enumerate(near_and_far(shapes)):
        ratio = point["weight"] / unit["weight"]
        sizes.append(float(ratio[0, 0]))
        assert torch.allclose(ratio, ratio[0, 0].expand(3, 2), rtol=1e-12)
        if i > 1:
            assert torch.allclose(point["bias"], ratio[0, 0] * unit["bias"], rtol=1e-12)
    assert len(drawn) == 2
    assert sizes[0] == 1.0 and min(sizes) < 0.01 and max(sizes) > 1e4
