"""Fills: masks of attention that nothing sees, and numbers that take part in what follows."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.rules.harness import Case, between, linear, of, weight

L = 3
CAUSAL = torch.ones(L, L, dtype=torch.bool).tril()
STRICT = CAUSAL.tril(-1)  # the first query sees nothing
LOWEST = torch.finfo(torch.float32).min


def attention(soft: Any, **parts: Any) -> Any:
    """A head with biases on values and behind, whose weights a function makes of the scores."""

    def run(m: Any, x: Tensor) -> Tensor:
        return m.o(soft(m, x, m.q(x) @ m.k(x).mT) @ m.v(x))

    return of(run, (4, L, 3), q=lambda: linear(3, 2, False), k=lambda: linear(3, 2, False),
              v=lambda: linear(3, 2), o=lambda: linear(2, 2), **parts)  # fmt: skip


def fused(mask: Any, **parts: Any) -> Any:
    """The same, with an attention that is one operation and a mask made of the data."""

    def run(m: Any, x: Tensor) -> Tensor:
        q, k, v = m.q(x), m.k(x), m.v(x)
        return m.o(F.scaled_dot_product_attention(q, k, v, attn_mask=mask(m, x)))

    return of(run, (4, L, 3), q=lambda: linear(3, 2, False), k=lambda: linear(3, 2, False),
              v=lambda: linear(3, 2), o=lambda: linear(2, 2), **parts)  # fmt: skip


def written(s: Tensor) -> Tensor:
    e = (s - s.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def kept(x: Tensor) -> Tensor:
    """Keys that the data keeps."""
    return x[:, None, :, 0] > -0.5


def joined(s: Tensor, sink: Tensor) -> Tensor:
    return torch.cat([s.masked_fill(~CAUSAL, LOWEST), sink.expand(len(s), L, 1)], -1)


MASKS = {
    "filled": lambda m, x, s: s.masked_fill(~CAUSAL, -1e9).softmax(-1),
    "filled-infinite": lambda m, x, s: s.masked_fill(~CAUSAL, -math.inf).softmax(-1),
    "chosen": lambda m, x, s: torch.where(CAUSAL, s, LOWEST).softmax(-1),
    "divided": lambda m, x, s: (s.masked_fill(~CAUSAL, -1e9) / 2.0).softmax(-1),
    "by-data": lambda m, x, s: s.masked_fill(~kept(x), LOWEST).softmax(-1),
    "twice": lambda m, x, s: s.masked_fill(~CAUSAL, -1e9).masked_fill(~kept(x), -1e9).softmax(-1),
    "with-distances": lambda m, x, s: (
        s.masked_fill(~CAUSAL, -1e9) + torch.arange(3.0).to(s)).softmax(-1),
    "added": lambda m, x, s: (s + torch.zeros(L, L).masked_fill(~CAUSAL, -1e9).to(s)).softmax(-1),
    "written-out": lambda m, x, s: written(s.masked_fill(~CAUSAL, -1e9)),
    "below-its-maximum": lambda m, x, s: (lambda z: (z - z.max(-1, keepdim=True).values).softmax(
        -1))(s.masked_fill(~CAUSAL, -1e9)),
    "bounded": lambda m, x, s: s.masked_fill(~CAUSAL, -1e9).clamp(min=LOWEST).softmax(-1),
    "nothing-left-finite": lambda m, x, s: s.masked_fill(~STRICT, -1e9).softmax(-1),
    # nothing is left of a row, and what is not a number becomes zero
    "nothing-left": lambda m, x, s: torch.nan_to_num(
        s.masked_fill(~STRICT, -math.inf).softmax(-1)),
    "nothing-left-safe": lambda m, x, s: torch.ops.aten._safe_softmax(
        s.masked_fill(~STRICT, -math.inf), -1),
    "safe": lambda m, x, s: torch.ops.aten._safe_softmax(s, -1),
    "numbers": lambda m, x, s: torch.nan_to_num(s.softmax(-1)),
    # the fill is seen
    "scores-too": lambda m, x, s: (lambda z: z.softmax(-1) + 1e-9 * z)(
        s.masked_fill(~CAUSAL, -1e9)),
    "logarithms": lambda m, x, s: 1e-5 * s.masked_fill(~CAUSAL, -1e5).log_softmax(-1),
    "sigmoids": lambda m, x, s: s.masked_fill(~CAUSAL, -math.inf).sigmoid(),
    "behind-softmax": lambda m, x, s: 1e-4 * s.softmax(-1).masked_fill(~CAUSAL, -1e4),
}  # fmt: skip
FUSED = {
    "causal": lambda m, x: CAUSAL,
    "strict": lambda m, x: STRICT,
    "strict-infinite": lambda m, x: torch.zeros(L, L).masked_fill(~STRICT, -math.inf).to(x),
    "diagonal-or-data": lambda m, x: kept(x) | torch.eye(L, dtype=torch.bool),
    "data": lambda m, x: (x[:, None, :, 0] > 0.5).expand(-1, L, -1),
    "causal-and-data": lambda m, x: kept(x) & CAUSAL,
    "data-lowest": lambda m, x: (~kept(x)).to(x) * LOWEST,
    "data-infinite": lambda m, x: x.new_zeros(()).masked_fill(x[:, None, :, 0] > 0, -math.inf),
    "learned-causal": lambda m, x: m.b.masked_fill(~CAUSAL, -math.inf),
    "learned-strict": lambda m, x: m.b.masked_fill(~STRICT, -math.inf),
}  # fmt: skip


def by_data(run: Any) -> Any:
    """A linear layer, a function of its result and of the input, a linear layer."""
    return of(lambda m, x: m.r(run(m.w(x), x)), (12, 3), w=lambda: linear(3, 3),
              r=lambda: linear(3, 2))  # fmt: skip


def pooled(run: Any) -> Any:
    return of(lambda m, x: m.r(run(m.w(x), x[..., :1] > 0.3)), (12, 3, 3),
              w=lambda: linear(3, 3), r=lambda: linear(3, 2))  # fmt: skip


ENTRIES = {
    "linear": lambda z, x: z.masked_fill(x > 0, -1e4),
    "leaky": lambda z, x: F.leaky_relu(z.masked_fill(x > 0, -1e9), 0.2),
    "relu": lambda z, x: z.masked_fill(x > 0, -1e9).relu(),
    "relu-infinite": lambda z, x: z.masked_fill(x > 0, -math.inf).relu(),
    "copies": lambda z, x: z[:, [0, 0, 1]].masked_fill(x > 0, -1e9).relu(),
    "softmax-before": lambda z, x: z.softmax(1).masked_fill(x > 0, -1e4),
    "norm-before": lambda z, x: F.layer_norm(z, (3,)).masked_fill(x > 0, -1e4),
    "softmax-before-exp": lambda z, x: z.softmax(1).masked_fill(x > 0, -math.inf).exp(),
}
POOLS = {
    "maximum": lambda z, m: z.masked_fill(m, -1e4).amax(1),
    "maximum-infinite": lambda z, m: z.masked_fill(m, -math.inf).amax(1).relu(),
    "largest-two": lambda z, m: z.masked_fill(m, -1e4).topk(2, 1).values.sum(1),
    "soft-maximum": lambda z, m: z.masked_fill(m, -1e4).logsumexp(1),
}
NUMBERS = {
    "linear": lambda z: torch.nan_to_num(z),
    "squares": lambda z: torch.nan_to_num(z.relu() ** 2 / 3.0),
    "logarithm": lambda z: torch.nan_to_num(z.relu().log(), neginf=0.0),
    "reciprocal": lambda z: torch.nan_to_num(1 / z.relu(), posinf=1.0),
    "share": lambda z: torch.nan_to_num(z.relu() / z.relu().sum(1, keepdim=True)),
}
# Derived, measured, and what is known to be missed.
INERT = "masked entries of a learned mask"
ABOUT = "scalings about the fill"
GAPS = {
    "fused-mask-learned-causal": (13, 16, INERT),
    "fused-mask-learned-strict": (11, 16, INERT),
    "fill-linear": (0, 3, ABOUT),
    "fill-relu": (0, 3, "scalings where the fill is below zero"),
    "fill-copies": (4, 6, "scalings where the fill is below zero"),
    "pool-maximum": (0, 4, ABOUT),
    "pool-largest-two": (0, 4, ABOUT),
    "pool-soft-maximum": (0, 1, "shifts past a fill that no maximum is ever met by"),
}
LEARNED = {"b": lambda: weight(L, L)}


def case(name: str, build: Any) -> Case:
    derived, measured, gap = GAPS.get(name, (0, 0, ""))
    return Case(name, "", build, gap=gap, counts=(derived, measured))


def given() -> Any:
    """A mask that is given as truths: it is part of what is asked, and leaves a key to each."""
    model, (x,) = fused(lambda m, x: m.mask)()

    def run(m: Any, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = m.q(x), m.k(x), m.v(x)
        return m.o(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))

    model.run = run
    return model, (x, torch.tensor([True, False, True]).expand(len(x), 1, L))


def nothing_given() -> Any:
    """The same with a mask that leaves nothing to the first sequence."""
    model, (x, mask) = given()
    return model, (x, mask & (torch.arange(len(x)) > 0)[:, None, None])


def gained(gain: Any) -> Any:
    return of(lambda m, x: m.r(m.w(x) * gain(m.g)), (12, 3), w=lambda: linear(3, 3),
              g=lambda: weight(3), r=lambda: linear(3, 2))  # fmt: skip


HALF = "a gain that is zero at half of all parameters"
CASES = [
    *(case(f"mask-{name}", attention(run)) for name, run in MASKS.items()),
    case("mask-with-sink", attention(
        lambda m, x, s: joined(s, m.s).softmax(-1)[..., :L], s=lambda: weight(1))),
    *(case(f"fused-mask-{name}", fused(run, **(LEARNED if "learned" in name else {})))
      for name, run in FUSED.items()),
    case("fused-mask-given", given),
    case("fused-mask-nothing-given", nothing_given),
    *(case(f"fill-{name}", by_data(run)) for name, run in ENTRIES.items()),
    *(case(f"pool-{name}", pooled(run)) for name, run in POOLS.items()),
    *(case(f"numbers-{name}", between(run, 3)) for name, run in NUMBERS.items()),
    Case("gain-half-zero", "", gained(torch.relu), gap=HALF, counts=(12, 15)),
    case("gain-of-softmax", gained(lambda g: g.softmax(0))),
    Case("gain-of-softmax-filled", "", gained(
        lambda g: g.masked_fill(torch.arange(3) < 1, -math.inf).softmax(0)),
        gap="a unit that is off", counts=(10, 15)),
    Case("weight-chosen-by-weight", "", of(
         lambda m, x: m.r((x @ torch.where(m.g > 0, m.a, m.b).mT).tanh()), (12, 3),
         g=lambda: weight(3, 3), a=lambda: weight(3, 3), b=lambda: weight(3, 3),
         r=lambda: linear(3, 2))),
]  # fmt: skip
