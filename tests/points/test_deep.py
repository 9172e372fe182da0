"""Deep networks, whose derivatives grow from layer to layer where every layer has unit spread."""

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.verify import calm

DEPTH, WIDTH = 80, 8


def network(act: type[nn.Module]) -> nn.Module:
    """Linear maps with norms of fixed statistics between functions of single units."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        layers += [nn.Linear(WIDTH, WIDTH, bias=False), nn.BatchNorm1d(WIDTH), act()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 3)).eval()


def sensitivity(model: nn.Module, inputs: Tensor) -> float:
    function = symfind.open(model, inputs).subject.function()
    return calm.sensitivity(function, function.random_point(torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("act", [nn.ReLU, nn.Hardswish, nn.Tanh])
def test_rounding_is_not_seen_at_points_of_deep_networks(
    act: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, inputs = network(act), torch.randn(16, WIDTH)
    assert 1e-3 < sensitivity(model, inputs) < 1e4
    monkeypatch.setattr(calm, "_CALMINGS", 0)
    assert sensitivity(model, inputs) > 1e6


def test_symmetries_of_a_deep_network_are_verified() -> None:
    report = symfind.analyze(network(nn.ReLU), torch.randn(16, WIDTH), certify="never")
    assert report.verification.status == "verified"
    assert report.verification.worst < 1e-11
    # a scale through each norm, and one from each norm to the next map
    assert report.dimension.redundant == 2 * DEPTH * WIDTH
    assert all(f.residual.random > 1e-3 for f in report.factors)
