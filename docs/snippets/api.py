"""The Python interface in a few lines."""

import torch
from torch import nn
from torch.func import functional_call

import symfind

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
report = symfind.analyze(model, torch.randn(16, 3))

print(report.dimension.symmetry, "of", report.dimension.parameters)
print(report.certificate.status, report.verification.status)
for factor in report.factors:
    print(factor.group, factor.generator.text)

# every factor carries its generators: move the weights along one, and nothing happens
theta = {name: p.detach().double() for name, p in model.named_parameters()}
generator = report.factors[0].generators[0]
coefficients = generator.coefficients(torch.Generator().manual_seed(0))
moved = {**theta, **generator.flow(theta, coefficients, 1.0)}
x = torch.randn(5, 3, dtype=torch.float64)
change = functional_call(model, moved, x) - functional_call(model, theta, x)
print("weights moved:", bool((moved["0.weight"] - theta["0.weight"]).abs().max() > 0.1))
print("outputs agree:", bool(change.abs().max() < 1e-12))
