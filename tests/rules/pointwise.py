"""Functions of one entry or of two."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, between, linear, of, pair, sequences, weight

_POSITIVE = "log log2 log10 sqrt rsqrt reciprocal log1p acosh"
_UNIT = "asin acos atanh"
_PLAIN = "relu abs neg sigmoid tanh sin cos tan atan sinh cosh asinh erf erfc exp exp2 expm1 sinc"
_FUNCTIONAL = "leaky_relu elu selu celu softplus silu mish gelu"


def _plain(name: str, inner=lambda z: z, covers: str = "") -> Case:
    function = getattr(torch, name)
    return Case(name, covers or name, between(lambda z: function(inner(z))))


def _functional(name: str, covers: str = "") -> Case:
    return Case(name, covers or name, between(getattr(F, name)))


def gelu_spelled(z: Tensor) -> Tensor:
    return 0.5 * z * (1 + torch.tanh(0.797885 * (z + 0.044715 * torch.pow(z, 3))))


def masked(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, torch.zeros_like(x))


MASK = torch.tensor([True, False, True, False])
HALF = torch.ones(4, 3).tril()
KERNEL = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])


def scores(m, x):
    """Keys that come later are masked by a product and a sum."""
    past = torch.ones(3, 3).tril()
    return m.q(x) @ m.k(x).mT * past + -1e4 * (1 - past)


def halves(m, x):
    """Two halves that are read apart, behind a gain that is an exponential."""
    one, two = (m.w(x) * torch.exp(m.s / 3)).chunk(2, 1)
    return one.tanh() + x * two


SIGNED = {
    "relu": F.relu, "sigmoid": torch.sigmoid, "logsigmoid": F.logsigmoid,
    "a negative": lambda z: -F.softplus(z),
    "the largest of several": lambda z: z.relu().amax(0, True) + z.sigmoid(),
    "one of two signs": lambda z: torch.maximum(F.logsigmoid(z), z - 1),
    "a sum of two signs": lambda z: F.logsigmoid(z) + z.relu(),
    "a slope of any sign": lambda z: F.leaky_relu(F.logsigmoid(z), -0.5) - 0.2,
}  # fmt: skip
CASES = [
    Case("exp-gain-chunked", "exp", of(
         halves, (12, 2), w=lambda: linear(2, 4), s=lambda: weight(4))),
    Case("exp-gain-joined", "exp", of(
         lambda m, x: m.r((torch.cat([m.w(x), m.v(x)], 1) * m.s.exp()).sin()), (12, 3),
         w=lambda: linear(3, 2), v=lambda: linear(3, 2), s=lambda: weight(4),
         r=lambda: linear(4, 3))),
    Case("exp-gain-half", "exp", of(
         lambda m, x: torch.cat([m.w(x), x.sin()], 1) * m.s.exp(), (12, 3),
         w=lambda: linear(3, 2), s=lambda: weight(5))),
    *(_plain(name) for name in _PLAIN.split()),
    *(_plain(name, lambda z: z * z + 2.0) for name in _POSITIVE.split()),
    *(_plain(name, lambda z: 0.9 * torch.tanh(z)) for name in _UNIT.split()),
    *(_functional(name) for name in _FUNCTIONAL.split()),
    Case("square", "square", between(torch.square, 2)),
    Case("hardsigmoid", "hardsigmoid", between(lambda z: F.hardsigmoid(3 * z))),
    Case("hardswish", "hardswish", between(lambda z: F.hardswish(3 * z))),
    Case("relu6", "relu6", between(lambda z: F.relu6(4 * z))),
    Case("softsign", "abs div.Tensor", between(F.softsign)),
    Case("hardtanh", "hardtanh", between(F.hardtanh)),
    Case("log-sigmoid", "log_sigmoid", between(F.logsigmoid)),
    Case("gelu-spelled", "pow.Tensor_Scalar", between(gelu_spelled)),
    Case("silu-spelled", "mul.Tensor", between(lambda z: z * torch.sigmoid(z))),
    Case("log-of-square", "log", between(lambda z: torch.log(z * z))),
    Case("sqrt-of-square", "sqrt", between(lambda z: torch.sqrt(z * z))),
    Case("rsqrt-of-square", "rsqrt", between(lambda z: torch.rsqrt(z * z))),
    Case("reciprocal-alone", "reciprocal", between(torch.reciprocal)),
    Case("cube", "pow.Tensor_Scalar", between(lambda z: z**3)),
    Case("power-of-number", "pow.Scalar", between(lambda z: 2.0**z)),
    Case("power-of-two", "pow.Tensor_Tensor", pair(lambda u, v: (u * u + 1) ** v)),
    Case("rrelu", "rrelu", between(lambda z: F.rrelu(z))),
    Case("prelu", "prelu", of(lambda m, x: m.r(F.prelu(m.w(x), m.a)), (12, 3),
         w=lambda: linear(3, 4), r=lambda: linear(4, 2), a=lambda: weight(4))),
    Case("prelu-one", "prelu", of(lambda m, x: m.r(F.prelu(m.w(x), m.a)), (12, 3),
         w=lambda: linear(3, 4), r=lambda: linear(4, 2), a=lambda: weight(1))),
    *(Case(f"prelu behind {name}", "prelu", of(
        lambda m, x, f=f: m.r(F.prelu(f(m.w(x)), m.a)), (12, 3),
        w=lambda: linear(3, 4), r=lambda: linear(4, 2), a=lambda: weight(4)))
      for name, f in SIGNED.items()),
    Case("clamp", "clamp", between(lambda z: z.clamp(-1, 1))),
    Case("clamp-zero", "clamp", between(lambda z: z.clamp(min=0))),
    Case("clamp-min", "clamp_min", between(lambda z: torch.clamp_min(z, 0))),
    Case("clamp-max", "clamp_max", between(lambda z: torch.clamp_max(z, 0.5))),
    Case("threshold", "threshold", between(lambda z: F.threshold(z, 0.1, 0.5)),
         gap="a jump that no derivative sees", counts=(0, 4)),
    Case("maximum", "maximum", pair(torch.maximum, 2)),
    Case("minimum", "minimum", pair(torch.minimum, 2)),
    Case("fmax", "fmax", pair(torch.fmax, 2)),
    Case("fmin", "fmin", pair(torch.fmin, 2)),
    Case("max-other", "max.other", pair(lambda u, v: torch.max(u, v), 2)),
    Case("maximum-of-zero", "maximum", between(lambda z: torch.maximum(z, torch.zeros(4)))),
    Case("maximum-of-one", "maximum", between(lambda z: torch.maximum(z, torch.ones(4)))),
    Case("maximum-of-least", "max.other", between(
         lambda z: torch.max(z, torch.tensor(torch.finfo(torch.float32).min)))),
    Case("atan2", "atan2", pair(torch.atan2), gap="the angle of two scaled wires", counts=(0, 6)),
    Case("hypot", "hypot", pair(torch.hypot), gap="a rotation of two wires", counts=(3, 6)),
    Case("logaddexp", "logaddexp", pair(torch.logaddexp)),
    Case("xlogy", "xlogy", pair(lambda u, v: torch.xlogy(u, v * v + 2)),
         gap="linear in the first", counts=(0, 3)),
    Case("glu", "glu", between(F.glu, 4, 2)),
    Case("swiglu", "silu mul.Tensor", pair(lambda u, v: F.silu(u) * v)),
    Case("reglu", "relu mul.Tensor", pair(lambda u, v: F.relu(u) * v)),
    Case("bilinear", "mul.Tensor", pair(lambda u, v: u * v, 2)),
    Case("where-zero", "where", between(lambda z: torch.where(z > 0, z, torch.zeros_like(z)))),
    Case("where-leaky", "where", between(lambda z: torch.where(z >= 0, z, 0.1 * z))),
    Case("where-above-one", "where", between(lambda z: torch.where(z > 1, z.sin(), z.cos()))),
    Case("where-constant", "where", between(lambda z: masked(z, MASK))),
    Case("where-of-two", "where", pair(lambda u, v: torch.where(MASK[:3], u, v)),
         gap="rows of two weights that read one wire, mixed", counts=(20, 24)),
    Case("where-by-data", "where", of(
         lambda m, x: m.r(torch.where(x > 0, m.u(x), m.v(x))), (12, 3),
         u=lambda: linear(3, 3), v=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("where-rows-by-data", "where", of(
         lambda m, x: m.r(torch.where(x[:, :1] > 0, m.u(x), m.v(x))), (12, 3),
         u=lambda: linear(3, 3), v=lambda: linear(3, 3), r=lambda: linear(3, 3))),
    Case("where-rows-normed", "where layer_norm", of(
         lambda m, x: m.r(F.layer_norm(torch.where(x[:, :1] > 0, m.u(x), m.v(x)), (4,))), (12, 3),
         u=lambda: linear(3, 4), v=lambda: linear(3, 4), r=lambda: linear(4, 3))),
    Case("where-rows-softmax", "where softmax", of(
         lambda m, x: torch.where(x[:, :1] > 0, m.u(x), m.v(x)).softmax(1), (24, 3),
         u=lambda: linear(3, 3), v=lambda: linear(3, 3))),
    Case("masked-fill", "masked_fill", between(lambda z: z.masked_fill(MASK, 0.0))),
    Case("masked-fill-number", "masked_fill", between(lambda z: z.masked_fill(MASK, 0.5))),
    Case("masked-fill-rows", "masked_fill",
         sequences(lambda z: z.masked_fill(MASK[:, None], 0.0))),
    Case("mask-times", "mul.Tensor", between(lambda z: z * MASK)),
    Case("mask-times-numbers", "mul.Tensor", between(lambda z: z * (MASK * torch.arange(4.0)))),
    Case("mask-channels", "mul.Tensor", of(
         lambda m, x: m.r((m.w(x) * MASK[:, None, None]).relu()), (2, 2, 3, 3),
         w=lambda: torch.nn.Conv2d(2, 4, 1), r=lambda: torch.nn.Conv2d(4, 2, 1))),
    Case("ones-appended", "cat", between(
         lambda z: torch.cat([z.tanh(), torch.ones(12, 1)], 1), 3, 4)),
    Case("mask-times-relu", "mul.Tensor", between(lambda z: z.relu() * MASK)),
    Case("mask-then-relu", "where", between(lambda z: masked(z, MASK).relu())),
    Case("mask-of-weight", "mul.Tensor", of(
         lambda m, x: m.r(F.linear(x, m.w * HALF, m.b).sin()), (12, 3), w=lambda: weight(4, 3),
         b=lambda: weight(4), r=lambda: linear(4, 3))),
    Case("mask-of-weight-turned", "mul.Tensor", of(
         lambda m, x: m.r((x @ (m.w * HALF).T).relu()), (12, 3), w=lambda: weight(4, 3),
         r=lambda: linear(4, 3))),
    Case("mask-of-kernel", "conv2d", of(
         lambda m, x: m.r(F.conv2d(x, m.w * KERNEL).relu()), (2, 2, 5, 5),
         w=lambda: weight(3, 2, 3, 3), r=lambda: torch.nn.Conv2d(3, 2, 1))),
    Case("mask-of-units", "mul.Tensor", of(
         lambda m, x: m.r((F.linear(x, m.w * HALF * MASK[:, None]) + m.b * MASK).relu()), (12, 3),
         w=lambda: weight(4, 3), b=lambda: weight(4), r=lambda: linear(4, 3))),
    Case("mask-and-shared-weight", "mul.Tensor", of(
         lambda m, x: m.r(F.linear(x, m.w * HALF).sin() + F.linear(x.sin(), m.w).tanh()), (12, 3),
         w=lambda: weight(4, 3), r=lambda: linear(4, 3))),
    Case("exp-gain", "exp mul.Tensor", of(
         lambda m, x: m.r(m.t.exp() * m.w(x)), (12, 3), t=lambda: weight(4),
         w=lambda: linear(3, 4), r=lambda: linear(4, 2))),
    Case("exp-read-twice", "exp", of(
         lambda m, x: (lambda z: (m.r(z.exp()), m.s(z.sin())))(m.w(x)), (24, 3),
         w=lambda: linear(3, 4), r=lambda: linear(4, 2), s=lambda: linear(4, 2))),
    Case("exp-no-bias", "exp", of(lambda m, x: m.r(m.w(x).exp()), (16, 3),
         w=lambda: linear(3, 4, False), r=lambda: linear(4, 2))),
    Case("log-no-bias", "log", of(lambda m, x: m.r(m.w(x).square().log()).sin(), (16, 3),
         w=lambda: linear(3, 4, False), r=lambda: linear(4, 5, False))),
    Case("exp-of-one-number", "exp mul.Tensor", of(
         lambda m, x: (m.t.exp() * m.w(x).sin()) @ m.r, (24, 3),
         t=lambda: weight(1), w=lambda: linear(3, 4), r=lambda: weight(4, 2))),
    Case("exp-of-rows", "exp mul.Tensor", of(
         lambda m, x: (m.t.exp() * x.sin()) @ m.r, (24, 3, 4),
         t=lambda: weight(3, 1), r=lambda: weight(4, 2))),
    Case("sampled", "exp mul.Tensor add.Tensor", of(
         lambda m, x, e: m.r(m.u(x) + (0.5 * m.v(x)).exp() * e), (24, 3), (24, 2),
         u=lambda: linear(3, 2), v=lambda: linear(3, 2), r=lambda: linear(2, 3))),
    Case("mask-by-sum", "mul.Tensor add.Tensor softmax", of(
         lambda m, x: m.r(scores(m, x).softmax(-1) @ x), (4, 3, 2), q=lambda: linear(2, 2),
         k=lambda: linear(2, 2), r=lambda: linear(2, 2))),
    Case("mask-by-sum-no-softmax", "mul.Tensor add.Tensor", of(
         lambda m, x: m.r(scores(m, x)), (4, 3, 2), q=lambda: linear(2, 2),
         k=lambda: linear(2, 2), r=lambda: linear(3, 2))),
    Case("mask-times-rows", "mul.Tensor", sequences(lambda z: z * MASK[:, None])),
    Case("sin-cos", "cat sin cos", between(lambda z: torch.cat([z.sin(), z.cos()], -1), 3, 6),
         gap="a shift that becomes a rotation of two wires", counts=(0, 3)),
]  # fmt: skip
