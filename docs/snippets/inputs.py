"""Symmetries of functions of the input: an angle, a normalisation, a ratio."""

import torch
from torch import nn

import symfind


def angle(points):
    a, b = points[0] - points[1], points[2] - points[1]
    return a @ b / (a.norm() * b.norm())


found = symfind.inputs(angle, torch.randn(3, 3), affine=True)
print(found.algebra, found.dimension, found.sources)
print([g.text for g in found.generators][-3:])
print(found.matrices.shape, f"{found.generators[0].residual:.0e}")

norm = nn.LayerNorm(4, eps=0.0, elementwise_affine=False)
found = symfind.inputs(norm, torch.randn(8, 4), affine=True)
print(found.algebra, found.dimension, found.trivial, found.blind)


def cross_ratio(x):
    return (x[0] - x[1]) * (x[2] - x[3]) / ((x[0] - x[2]) * (x[1] - x[3]))


found = symfind.inputs(cross_ratio, torch.randn(4, 1), degree=2)
print(found.algebra, [g.text for g in found.generators])
