"""Weights that parameters make up: norms with and without gains; and data that is centred."""

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.rules.harness import Case, linear, of, weight

PARAMETRISED = nn.utils.parametrizations.weight_norm
SPECTRAL = nn.utils.parametrizations.spectral_norm


def old(module: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(module)


def two(first: Any, second: Any, run: Any = F.relu, a: int = 3) -> Any:
    return of(lambda m, x: torch.tanh(m.b(run(m.a(x)))), (12, a), a=first, b=second)


def image(first: Any, second: Any, run: Any = F.leaky_relu) -> Any:
    return of(lambda m, x: torch.tanh(m.b(run(m.a(x)))), (4, 2, 5), a=first, b=second)


def bond(m: Any, x: Tensor) -> Tensor:
    return x @ F.normalize(m.v, dim=1).T @ F.normalize(m.o, dim=0).T


def hypersphere(m: Any, x: Tensor) -> Tensor:
    """A gate between rows of unit norm and columns of unit norm, with scales between (nGPT)."""
    h = F.relu(x @ F.normalize(m.v, dim=1).T * m.s)
    return torch.tanh(h @ F.normalize(m.o, dim=0).T)


CASES = [
    Case("ReLU between two weight-normalised layers", "_weight_norm", two(
        lambda: PARAMETRISED(linear(3, 4)), lambda: PARAMETRISED(linear(4, 2)))),
    Case("ReLU between two layers, the old weight norm", "_weight_norm", two(
        lambda: old(linear(3, 4)), lambda: linear(4, 2))),
    Case("weight norm over the inputs of a convolution", "_weight_norm", image(
        lambda: PARAMETRISED(nn.Conv1d(2, 3, 3)), lambda: PARAMETRISED(nn.Conv1d(3, 2, 2)))),
    Case("weight norm of a transposed convolution", "_weight_norm", image(
        lambda: PARAMETRISED(nn.Conv1d(2, 3, 1)),
        lambda: PARAMETRISED(nn.ConvTranspose1d(3, 2, 2)))),
    Case("a linear bond of weight-normalised layers", "_weight_norm", two(
        lambda: PARAMETRISED(linear(4, 3)), lambda: PARAMETRISED(linear(3, 4)), lambda h: h, 4)),
    Case("weight norm with one gain for all rows", "mul.Tensor", of(
        lambda m, x: torch.tanh(F.linear(
            F.relu(m.a(x)), m.g * m.v / m.v.norm(dim=1, keepdim=True))),
        (12, 4), a=lambda: linear(4, 3), g=lambda: weight(1), v=lambda: weight(4, 3))),
    Case("weight norm with a gain for rows and one for all", "mul.Tensor", of(
        lambda m, x: torch.tanh(F.linear(
            F.relu(m.a(x)), m.s * m.g[:, None] * m.v / m.v.norm(dim=1, keepdim=True))),
        (12, 4), a=lambda: linear(4, 3), s=lambda: weight(1), g=lambda: weight(4),
        v=lambda: weight(4, 3))),
    Case("a bond of which both weights are normalised", "div.Tensor", of(
        bond, (8, 5), v=lambda: weight(3, 5), o=lambda: weight(6, 3))),
    Case("a gate between weights of unit norm", "div.Tensor", of(
        hypersphere, (8, 5), v=lambda: weight(3, 5), s=lambda: weight(3),
        o=lambda: weight(6, 3))),
    Case("a normalised weight that is read twice", "div.Tensor", of(
        lambda m, x: torch.tanh(F.relu(m.a(x)) @ F.normalize(m.v, dim=0) + m.v.sum(0)),
        (8, 4), a=lambda: linear(4, 3), v=lambda: weight(3, 4))),
    Case("ReLU between a spectrally normalised layer and another", "div.Tensor", two(
        lambda: SPECTRAL(linear(3, 4)).eval(), lambda: linear(4, 2))),
    Case("two spectrally normalised convolutions", "div.Tensor", image(
        lambda: SPECTRAL(nn.Conv1d(2, 3, 3)).eval(), lambda: SPECTRAL(nn.Conv1d(3, 2, 2)).eval())),
    Case("a linear bond of a spectrally normalised layer", "div.Tensor", two(
        lambda: SPECTRAL(linear(4, 3)).eval(), lambda: linear(3, 4), lambda h: h, 4)),
    Case("a spectrally normalised layer between two others, scaled and turned", "div.Tensor", of(
        lambda m, x: (lambda h: m.d(m.u(h).sin() * m.v(h)))(F.rms_norm(m.e(x), (3,), m.g, 0.1)),
        (24, 3), e=lambda: linear(3, 3), g=lambda: weight(3),
        u=lambda: SPECTRAL(linear(3, 2)).eval(), v=lambda: SPECTRAL(linear(3, 2)).eval(),
        d=lambda: linear(2, 2))),
    Case("a weight with columns of sum one", "sum", of(
        lambda m, x: torch.tanh(m.o(F.relu(x @ (m.p / m.p.sum(0, keepdim=True))))), (12, 3),
        p=lambda: weight(3, 4), o=lambda: linear(4, 2))),
    Case("gains of sum one", "sum", of(
        lambda m, x: torch.tanh(m.o(x * (m.p / m.p.sum()))), (12, 4), p=lambda: weight(4),
        o=lambda: linear(4, 2))),
    Case("centred data minus a learned offset", "sub.Tensor", of(
        lambda m, x: torch.tanh(m.w(x - x.mean(-1, keepdim=True) - m.p)), (8, 4),
        w=lambda: linear(4, 3), p=lambda: weight(4))),
    Case("standardised data", "linear", of(
        lambda m, x: torch.tanh(m.w((lambda c: c / (c.std(-1, keepdim=True) + 0.1))(
            x - x.mean(-1, keepdim=True)))), (8, 4), w=lambda: linear(4, 3))),
    Case("normalised data", "linear", of(
        lambda m, x: torch.tanh(m.w(F.layer_norm(x, (4,)) - m.p)), (8, 4),
        w=lambda: linear(4, 3), p=lambda: weight(4))),
    Case("data centred along another dimension", "linear", of(
        lambda m, x: torch.tanh(m.w(x - x.mean(0, keepdim=True))), (8, 4),
        w=lambda: linear(4, 3))),
]  # fmt: skip
