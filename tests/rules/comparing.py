"""Comparisons between wires: a Jacobian sees too little of them for its nullity to be the goal."""

import torch
from torch import Tensor

from tests.rules.harness import Case, linear, of, pair, weight

UNSEEN = "a threshold whose derivative is zero"


def _thresholded(run, derived: int, measured: int, name: str, covers: str) -> Case:
    """A linear layer, an operation of its result with one number for each unit, a linear layer."""
    build = of(lambda m, x: m.r(run(m.w(x), m.t)), (12, 3), w=lambda: linear(3, 4),
               t=lambda: weight(4), r=lambda: linear(4, 2))  # fmt: skip
    return Case(name, covers, build, gap=UNSEEN, counts=(derived, measured))


def _gated(run, derived: int, measured: int, name: str, covers: str) -> Case:
    """Two linear layers of one input, an operation of both, a linear layer."""
    return Case(name, covers, pair(run), gap=UNSEEN, counts=(derived, measured))


def _step(z: Tensor) -> Tensor:
    """A step at zero, of which torch has no derivative."""
    return torch.heaviside(z.detach(), torch.zeros(()).to(z))


CASES = [
    _thresholded(lambda z, t: torch.relu(z * (z > t)), 4, 8, "jump", "relu"),
    _thresholded(lambda z, t: z * (z.abs() >= t.abs()), 4, 8, "hard-threshold", "ge"),
    _thresholded(lambda z, t: torch.where(z < t, z, 0.5 * z), 4, 8, "where-below", "where"),
    _thresholded(lambda z, t: torch.where(z < t, z.sin(), z), 0, 4, "where-below-sin", "where"),
    _thresholded(lambda z, t: z.masked_fill(z <= t, 0.0), 4, 8, "filled", "masked_fill"),
    _thresholded(lambda z, t: z.masked_fill(z <= t, 1.0), 0, 8, "filled-one", "masked_fill"),
    _thresholded(lambda z, t: z * (z > t + 1), 4, 8, "jump-beside-one", "mul.Tensor"),
    _thresholded(lambda z, t: z * _step(z - t), 4, 8, "step", "heaviside"),
    _thresholded(lambda z, t: z.sin() * (z > t), 0, 4, "jump-of-sin", "sin"),
    _gated(lambda u, v: v.tanh() * (u > 0).float(), 3, 12, "gate", "gt"),
    _gated(lambda u, v: v.tanh() * torch.sign(u), 3, 12, "gate-sign", "sign"),
    _gated(lambda u, v: v.tanh() * (u > 0.1), 0, 12, "gate-above-number", "gt"),
    _gated(lambda u, v: u * (u != v), 3, 24, "unequal", "ne"),
    _gated(lambda u, v: v.tanh() * (u > u.mean(1, keepdim=True)), 1, 12, "above-mean",
           "gt"),
    _gated(lambda u, v: v.tanh() * torch.logical_xor(u > 0, u < v), 0, 12, "xor", "logical_xor"),
    _gated(lambda u, v: torch.where(u.bool(), v, v.sin()), 3, 24, "truth", "where"),
]  # fmt: skip
