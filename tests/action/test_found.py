"""What discovery finds has records too."""

import json

import torch
from torch import nn

import symfind
from symfind.report import Report


class Determinants(nn.Module):
    """det(A) times det(B): only fields that no rule gives keep it."""

    def __init__(self) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.randn(2, 2))
        self.v = nn.Parameter(torch.randn(2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.det(self.u) * torch.linalg.det(self.v) * x


def test_a_discovered_family_is_applied_from_its_record() -> None:
    model, x = Determinants().double(), torch.randn(3, dtype=torch.float64)
    report = symfind.analyze(model, x)
    found = [f for f in report.factors if f.origin == "discovery"]
    assert found
    again = Report.from_dict(json.loads(report.to_json()))
    theta = {n: p.detach() for n, p in model.named_parameters()}
    for factor in again.factors:
        (generator,) = factor.generators
        c = generator.coefficients(torch.Generator().manual_seed(0))
        moved = generator.flow(theta, c, 0.2)
        after = torch.func.functional_call(model, {**theta, **moved}, x)
        torch.testing.assert_close(after, model(x), rtol=1e-9, atol=1e-12)
