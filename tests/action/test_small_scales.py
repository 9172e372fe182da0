"""A scale of e^-30 keeps its digits: entries are replaced, not corrected by a difference."""

import torch
from torch import nn

import symfind


def test_a_long_flow_of_a_scale_is_exact() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    report = symfind.analyze(model, x, certify="never")
    theta = {n: p.detach() for n, p in model.named_parameters()}
    c = torch.tensor([1.0, -1.0, 0.5, -0.5], dtype=torch.float64)
    for generators in (report.factors[0].generators, report.factors[0].recorded()):
        moved = {**theta, **generators[0].flow(theta, c, 30.0)}
        after = torch.func.functional_call(model, moved, x)
        torch.testing.assert_close(after, model(x), rtol=1e-13, atol=1e-13)
