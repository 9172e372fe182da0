"""Symmetries of what made some samples: a function is fitted, and its gradients are looked at."""

import torch

import symfind

rng = torch.Generator().manual_seed(0)
x = torch.randn(4000, 2, 3, generator=rng)
y = (x[:, 0] * x[:, 1]).sum(1) + x[:, 0].norm(dim=1)

found = symfind.inputs(data=(x, y), steps=1000)
print(found.algebra, found.status)
for generator in found.generators:
    print(0.0 < generator.defect < 0.05, generator.defect < generator.bound < 0.15)
