"""Every exact rule against torch, at points where both can be compared without rounding.

Parameters and inputs are quarters; what torch computes is then a rational number with a small
denominator, which is recovered from float64 and reduced modulo p. Values and Jacobians must agree.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import symfind
from symfind.exact.interpret import interpret
from symfind.ops import registry
from symfind.ops.moved import moved
from symfind.ops.registry import exact
from symfind.residues.field import Field
from symfind.residues.tape import Tape
from symfind.trace import Graph, trace

FIELD = Field(2**31 - 1)
Function = Callable[[Tensor, Tensor], Tensor]


class Applied(nn.Module):
    """A function of a parameter and an input."""

    def __init__(self, function: Function, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.w = nn.Parameter(quarters(shape, 1))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.w, x)


def quarters(shape: tuple[int, ...], seed: int) -> Tensor:
    """Odd multiples of 1/4, no two of the same size where there are few."""
    rng = torch.Generator().manual_seed(seed)
    count = torch.Size(shape).numel()
    odd = 2 * torch.randperm(count, generator=rng) % (12 if count > 24 else 48) + 1
    sign = 2 * torch.randint(2, (count,), generator=rng) - 1
    return (odd * sign / 4).double().reshape(shape)


def reduced(numbers: Tensor) -> Tensor:
    rationals = [Fraction(x).limit_denominator(10**5) for x in numbers.flatten().tolist()]
    assert all(
        abs(float(r) - x) < 1e-9 for r, x in zip(rationals, numbers.flatten().tolist(), strict=True)
    )
    return torch.tensor([FIELD.fraction(r) for r in rationals]).reshape(numbers.shape)


# torch's own derivative has 1/6 in single precision
REFERENCE: dict[str, Function] = {
    "hardtanh": lambda w, x: F.hardtanh(w * x) + F.relu6(w + 3) / 6 + x * F.relu6(x + 3) / 6 * w,
}
MASK = torch.tensor([[True, False, True, False], [False, True, True, False], [True] * 4])
INDEX = torch.tensor([[0, 2, 1, 0], [1, 1, 0, 2], [2, 0, 2, 1]])
HALVES = torch.tensor([[0.5, -0.5, 1.5], [0.5, 2.5, 0.0]], dtype=torch.float64)
M, IMAGE = (3, 4), (2, 3, 5, 6)
CASES: dict[str, tuple[Function, tuple[int, ...], tuple[int, ...]]] = {
    "add": (lambda w, x: torch.add(w, x, alpha=3) + 0.125, M, M),
    "sub": (lambda w, x: torch.sub(w, x, alpha=2) - (1 - w), M, M),
    "mul": (lambda w, x: w * x * 0.375, M, (4,)),
    "div": (lambda w, x: x / w + w / 3 + w / torch.tensor([3.0, 5.0, 7.0, 1.0]), M, M),
    "reciprocal": (lambda w, x: x * w.reciprocal(), M, M),
    "square": (lambda w, x: w.square() - x, M, M),
    "pow": (lambda w, x: w**3 + x**2 * w**-1, M, M),
    "prod": (lambda w, x: (w * x).prod(1) + w.prod(), (2, 3), (2, 3)),
    "addcmul": (lambda w, x: torch.addcmul(x, w, x, value=0.5), M, M),
    "addcdiv": (lambda w, x: torch.addcdiv(x, x, w, value=2), M, M),
    "lerp": (lambda w, x: torch.lerp(x, w, 0.25) + torch.lerp(x, w, x), M, M),
    "matmul": (lambda w, x: x @ w.T @ w, M, (2, 3, 4)),
    "bmm": (lambda w, x: torch.bmm(w, x), (2, 3, 4), (2, 4, 2)),
    "outer": (lambda w, x: torch.outer(w, x) @ x, (3,), (4,)),
    "linear": (lambda w, x: F.linear(x, w, w[:, 0]), M, (2, 4)),
    "addmm": (lambda w, x: torch.addmm(w[0], x, w, beta=2, alpha=0.5), M, (2, 3)),
    "baddbmm": (lambda w, x: torch.baddbmm(x, w, w.mT), (2, 3, 4), (2, 3, 3)),
    "bilinear": (lambda w, x: F.bilinear(x, x, w, w[:, 0, 0]), (2, 3, 3), (4, 3)),
    "einsum": (lambda w, x: torch.einsum("oi,...i->...o", w, x), M, (2, 2, 4)),
    "einsum3": (lambda w, x: torch.einsum("oi,bi,ci->bco", w, x, x), M, (2, 4)),
    "conv1d": (lambda w, x: F.conv1d(x, w, w[:, 0, 0], stride=2, padding=1), (2, 3, 3), (2, 3, 6)),
    "conv2d": (lambda w, x: F.conv2d(x, w, dilation=2, padding="same"), (2, 3, 2, 3), IMAGE),
    "conv2d-groups": (lambda w, x: F.conv2d(x, w, w[:, 0, 0, 0], groups=3), (3, 1, 2, 2), IMAGE),
    "conv3d": (lambda w, x: F.conv3d(x, w), (2, 1, 2, 2, 2), (1, 1, 3, 3, 3)),
    "conv_transpose": (lambda w, x: F.conv_transpose2d(x, w, w[0, :, 0, 0], 2),
                       (3, 2, 2, 2), IMAGE),
    "batch_norm": (
        lambda w, x: F.batch_norm(
            x, HALVES[0], HALVES[1] * 6, w[0], w[1], eps=1.0
        ),
        (2, 3), IMAGE,
    ),
    "sum": (lambda w, x: (w * x).sum(1) * w.sum() + w.cumsum(0).sum(-1), M, M),
    "mean": (lambda w, x: (w * x).mean(1) + w.mean() + (w * x).mean((0, 1)), M, M),
    "avg_pool1d": (lambda w, x: F.avg_pool1d(x * w, 3, 2, 1), (3, 1), (2, 3, 7)),
    "avg_pool2d": (lambda w, x: F.avg_pool2d(x * w, 3, 2, 1, True, False), (3, 1, 1), IMAGE),
    "avg_pool2d-pad": (lambda w, x: F.avg_pool2d(x * w, 3, 2, 1, True), (3, 1, 1), IMAGE),
    "avg_pool2d-divisor": (lambda w, x: F.avg_pool2d(x * w, 2, divisor_override=7),
                           (3, 1, 1), IMAGE),
    "adaptive_avg_pool": (lambda w, x: F.adaptive_avg_pool2d(x * w, (3, 4)), (3, 1, 1), IMAGE),
    "view": (lambda w, x: (w.reshape(2, 6) @ x).flatten().unsqueeze(1).squeeze(1), M, (6, 2)),
    "permute": (lambda w, x: (w * x).permute(2, 0, 1).transpose(0, 1).mT, (2, 3, 4), (2, 3, 4)),
    "cat": (lambda w, x: torch.cat([w, x, w * x]) @ torch.stack([w[0], w[1]]).T, M, M),
    "split": (lambda w, x: w.split([1, 2])[1] * x.chunk(2, 1)[0][:2, :1] + w.unbind(1)[0][0], M, M),
    "index": (lambda w, x: w[[2, 0, 2]] * x[:, 1:3:2] + w.index_select(0, INDEX[0, :3]), M, M),
    "gather": (lambda w, x: w.gather(0, INDEX) * x.take_along_dim(INDEX, 0), M, M),
    "embedding": (lambda w, x: F.embedding(INDEX, w) * x, M, (4,)),
    "scatter": (lambda w, x: w.scatter(0, INDEX, 2.5) + x.scatter_add(0, INDEX, w), M, M),
    "index_put": (lambda w, x: x.index_put((INDEX[0, :3],), w, True), M, M),
    "index_add": (lambda w, x: x.index_add(0, INDEX[0, :3], w, alpha=2), M, M),
    "select_scatter": (lambda w, x: x.select_scatter(w[0], 0, 1).slice_scatter(w[:1], 0, 2, 3),
                       M, M),
    "flip": (lambda w, x: w.flip(0).roll(1, 1) * x.repeat(1, 1).repeat_interleave(1, 0), M, M),
    "repeat": (lambda w, x: w.repeat(2, 1) * x.repeat_interleave(2, 0) + w.tile(2, 1), M, M),
    "triangles": (lambda w, x: w.tril() @ x.T + w.triu(1).sum() + w.diagonal().sum(), M, M),
    "masks": (lambda w, x: w.masked_fill(MASK, 0.75) + torch.where(MASK, x, w) * x, M, M),
    "pad": (lambda w, x: F.pad(w * x, (1, 0, 2, 1), value=1.5) + F.pad(w, (1, 0, 2, 1)), M, M),
    "reflect": (lambda w, x: F.pad(w * x, (1, 1), mode="reflect"), (2, 3, 4), (2, 3, 4)),
    "diff": (lambda w, x: (w * x).diff(dim=1) + w.diff(n=1, dim=-1), M, M),
    "unfold": (lambda w, x: F.fold(F.unfold(x * w, 2), (5, 6), 2), (3, 1, 1), IMAGE),
    "upsample": (lambda w, x: F.interpolate(x * w, scale_factor=2), (3, 1, 1), IMAGE),
    "shuffle": (lambda w, x: F.pixel_shuffle(x * w, 2), (4, 1, 1), (1, 4, 2, 2)),
    "expand": (lambda w, x: w[:, None].expand(3, 2, 4) * x, M, (2, 4)),
    "relu": (lambda w, x: (w * x).relu() + F.threshold(w, 0.5, 2.0), M, M),
    "leaky_relu": (lambda w, x: F.leaky_relu(w * x, 0.25) + F.rrelu(w, 0.25, 0.5), M, M),
    "prelu": (lambda w, x: F.prelu(x, w), (3,), IMAGE),
    "abs": (lambda w, x: (w * x).abs(), M, M),
    "clamp": (lambda w, x: (w * x).clamp(-0.625, 0.7265625) + w.clamp_min(0.125)
              + F.relu6(4 * w), M, M),
    "hardtanh": (lambda w, x: F.hardtanh(w * x) + F.hardsigmoid(w) + F.hardswish(x) * w, M, M),
    "maximum": (lambda w, x: torch.maximum(w, 2 * x) + torch.minimum(-w, 3 * x + 0.125), M, M),
    "compare": (lambda w, x: torch.where(w > 2 * x, w, x * w) + (w < 0.1) * w + (w * x >= 0.2),
                M, M),
    "steps": (lambda w, x: w * (w.sign() + w.floor() + w.ceil() + w.trunc()) * x, M, M),
    "max-dim": (lambda w, x: w.max(1).values * x.amax(1) + w.min(1, True).values.sum(), M, M),
    "amax": (lambda w, x: (64 * w + x).amax((0, 1)) + w.max() + w.min() + w.amin(0, True), M, M),
    "sort": (lambda w, x: w.sort(1).values * x + w.topk(2, 0).values.sum(), M, M),
    "argmax": (lambda w, x: x.gather(1, w.argmax(1, True)) * w + w.argmin(0), M, M),
    "max_pool1d": (lambda w, x: F.max_pool1d(x, 3, 2, 1) * w, (3, 1), (2, 3, 7)),
    "max_pool2d": (lambda w, x: F.max_pool2d(x * w, 3, 2, 1, ceil_mode=True),
                   (3, 1, 1), (1, 3, 2, 3)),
    "adaptive_max_pool": (lambda w, x: F.adaptive_max_pool2d(x * w, 2), (3, 1, 1), (1, 3, 2, 3)),
}  # fmt: skip


@cache
def graph_of(name: str) -> Graph:
    function, shape, given = CASES[name]
    return trace(Applied(function, shape), (quarters(given, 2),), {})


@pytest.mark.parametrize("name", CASES)
def test_rule_agrees_with_torch(name: str) -> None:
    function, shape, given = CASES[name]
    model, x = Applied(function, shape), quarters(given, 2)
    graph = graph_of(name)
    tape = Tape(FIELD)
    w = tape.variable(model.w.detach(), reduced(model.w.detach()), True)
    inputs = {op.key: tape.variable(x, reduced(x), False) for op in graph.inputs}
    (y,) = interpret(graph, tape, {"w": w}, inputs)

    function = REFERENCE.get(name, function)
    expected = function(model.w.detach(), x)
    assert torch.allclose(y.real, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(y.residue, reduced(expected))
    slopes = torch.func.jacrev(lambda p: function(p, x))(model.w.detach())
    count = model.w.numel()
    seed = torch.eye(count, dtype=torch.int64).reshape(count, *shape)
    (tangent,) = tape.push({w: seed}, [y])
    assert tangent is not None
    assert torch.equal(tangent.reshape(count, -1).T, reduced(slopes).reshape(-1, count))


def used_targets() -> set[str]:
    return {op.target.removeprefix("aten.") for name in CASES for op in graph_of(name).ops}


# spellings that tracing never leaves in a graph here, or that share their code with one that is
ALIKE = {
    "adaptive_avg_pool1d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool3d",
    "addbmm", "addmv", "amin", "avg_pool3d", "clamp_max", "clip", "constant_pad_nd",
    "conv_transpose1d", "conv_transpose3d", "convolution", "dot", "fmax", "fmin", "inner", "le",
    "max.other", "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "min.other", "mm", "mv", "_prelu_kernel", "round", "sgn", "vdot",
    "scatter.src",
    "view.dtype",  # refused
}  # fmt: skip


def test_every_rule_is_tried() -> None:
    used = used_targets()
    names = used | {target.partition(".")[0] for target in used}
    rules = {name.removeprefix("aten.") for name in exact.names() if exact.rules[name] is not moved}
    missing = rules - names - ALIKE
    assert not missing


@pytest.mark.parametrize("reading", [registry.lower, registry.sizes, registry.exact])
def test_an_operation_has_one_rule(reading: registry.Reading) -> None:
    before = dict(reading.rules)
    with pytest.raises(ValueError, match="aten.view has a rule"):
        reading("view")(lambda *_: None)
    assert reading.rules == before


REFUSED = {
    "layer_norm": (lambda w, x: F.layer_norm(x * w, (4,)), "square root"),
    "sqrt": (lambda w, x: (w * x).abs().sqrt(), "square root"),
    "softmax": (lambda w, x: (w * x).softmax(1), "not a rational function"),
    "tanh": (lambda w, x: (w * x).tanh(), "not a rational function"),
    "pow": (lambda w, x: (w * x).abs() ** 0.5, "not a whole number"),
    "cosine": (lambda w, x: torch.linalg.det(w[:, :3]) * x, "no exact rule"),
    "div": (lambda w, x: torch.div(w, x, rounding_mode="floor") * w, "rounds"),
    "masked_fill": (lambda w, x: (w * x).masked_fill(MASK, float("-inf")), "not finite"),
    "bits": (lambda w, x: (w * x).view(torch.int32).view(torch.float32) * w, "no exact rule"),
    "bernoulli": (lambda w, x: w * x * torch.rand(3, 4), "random"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_rational_is_refused_by_name(name: str) -> None:
    function, why = REFUSED[name]
    with pytest.raises(symfind.ExactError, match=why) as caught:
        symfind.exact_nullity(Applied(function, M).float(), torch.ones(M))
    assert "symfind analyze" in str(caught.value) and "test_rules.py" in str(caught.value)


def test_batch_statistics_are_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    with pytest.raises(symfind.ExactError, match="variance of the batch"):
        symfind.exact_nullity(model, torch.ones(5, 3), train=True)
    assert symfind.exact_nullity(model, torch.ones(5, 3)).nullity == 4


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-30, torch.tensor([0.1, 2.0**70])])
def test_constants_are_not_rounded(number: float | Tensor) -> None:
    listed = number.double().tolist() if isinstance(number, Tensor) else [number]
    residues = Tape(FIELD).lift(number).residue.reshape(-1)
    assert residues.tolist() == [FIELD.fraction(Fraction(x)) for x in listed]
