"""Functions of one entry that their constants make linear or constant, and near ones that bend."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.rules.harness import Case, between, linear, of

INF = math.inf


def frozen(slope: float, count: int = 1) -> nn.PReLU:
    module = nn.PReLU(count, init=slope)
    module.weight.requires_grad_(False)
    return module


def leaky(slope: float, count: int = 1, a: int = 3) -> object:
    return of(lambda m, x: m.r(m.p(m.w(x))), (12, a), w=lambda: linear(a, a),
              p=lambda: frozen(slope, count), r=lambda: linear(a, a))  # fmt: skip


STRAIGHT = {
    "a leaky rectifier of slope one": ("leaky_relu", lambda z: F.leaky_relu(z, 1.0)),
    "a random rectifier of slope one": ("rrelu", lambda z: F.rrelu(z, 1.0, 1.0)),
    "a hard tangent without bounds": ("hardtanh", lambda z: F.hardtanh(z, -INF, INF)),
    "a clamp without bounds": ("clamp", lambda z: z.clamp(-INF, INF)),
    "a lower bound that is none": ("clamp", lambda z: z.clamp(min=-INF)),
    "a threshold below everything": ("threshold", lambda z: F.threshold(z, -INF, 0.0)),
    "shrinking softly by nothing": ("softshrink", lambda z: F.softshrink(z, 0.0)),
    "shrinking by nothing": ("hardshrink", lambda z: F.hardshrink(z, 0.0)),
    "both halves of a wire": ("relu", lambda z: F.relu(z) - F.relu(-z)),
    "both clamps of a wire": ("clamp", lambda z: z.clamp(min=0) + z.clamp(max=0)),
    "a rectifier twice without the size": ("abs", lambda z: 2 * F.relu(z) - z.abs()),
    "a choice between a wire and itself": ("where", lambda z: torch.where(z > 0, z, 1.0 * z)),
    "the logarithm of an exponential": ("log", lambda z: z.exp().log()),
    "a reciprocal of a reciprocal": ("reciprocal", lambda z: 1 / (1 / z)),
    "the power of one": ("pow.Tensor_Scalar", lambda z: z**1),
}
BENT = {
    "a leaky rectifier of slope one half": ("leaky_relu", lambda z: F.leaky_relu(z, 0.5)),
    "a leaky rectifier of slope minus one": ("leaky_relu", lambda z: F.leaky_relu(z, -1.0)),
    "a hard tangent bounded above": ("hardtanh", lambda z: F.hardtanh(z, -INF, 1.0)),
    "shrinking softly by something": ("softshrink", lambda z: F.softshrink(z, 0.3)),
    "an exponential unit without its exponential": ("elu", lambda z: F.elu(z, 0.0)),
    "an exponential unit": ("elu", lambda z: F.elu(z, 1.0)),
    "both halves of a wire, of different size": ("relu", lambda z: F.relu(z) - 2 * F.relu(-z)),
    "halves of two wires": ("relu", lambda z: F.relu(z) - F.relu(-z.roll(1, 1))),
    "a choice between a wire and its double": ("where", lambda z: torch.where(
        z > 0, z, 2 * z)),
    "the logarithm of one more than an exponential": ("log1p", lambda z: z.exp().log1p()),
    "a clamp between equal bounds": ("clamp", lambda z: z.clamp(0.5, 0.5)),
    "the power of zero": ("pow.Tensor_Scalar", lambda z: z**0),
}  # fmt: skip
CASES = [
    *(Case(f"{name}, {a} wide", covers, between(run, a))
      for name, (covers, run) in {**STRAIGHT, **BENT}.items() for a in (2, 3)),
    Case("a held slope of one", "prelu", leaky(1.0)),
    Case("held slopes of one", "prelu", leaky(1.0, 3)),
    Case("a held slope of a quarter", "prelu", leaky(0.25)),
    Case("divided by the sum of sizes", "linalg_vector_norm", between(
        lambda z: F.normalize(z, p=1.0, dim=-1))),
    Case("divided by a norm of order three", "linalg_vector_norm", between(
        lambda z: F.normalize(z, p=3.0, dim=-1))),
    Case("divided by the largest size", "linalg_vector_norm", between(
        lambda z: F.normalize(z, p=INF, dim=-1))),
    Case("divided by the sum of sizes and a number", "linalg_vector_norm", between(
        lambda z: z / (z.norm(p=1, dim=-1, keepdim=True) + 0.1))),
]  # fmt: skip
