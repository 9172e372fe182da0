"""A lattice collision operator, its equivariant weights, and permutations that a function has."""

import torch
from torch import nn

import symfind

operator = nn.Sequential(nn.Linear(9, 45), nn.Tanh(), nn.Linear(45, 9))
populations = torch.randn(4, 9)
found = symfind.equivariance(operator, populations, group="D4", velocities="D2Q9")
print(found.kind, found.free, found.parameters)

operator.load_state_dict(dict(found.weights))
again = symfind.equivariance(operator, populations, group="D4", velocities="D2Q9")
print(again.kind, again.representation, again.worst < 1e-6)


def ring(x):
    return (x * x.roll(1, -1)).sum(-1)


has = symfind.input_permutations(ring, torch.randn(4, 7))
print(has.order, has.cycles)
