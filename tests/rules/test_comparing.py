"""What a derivative does not see: scalings past comparisons are followed for a finite time."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from symfind.solve.point.evaluate import Point
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Call, Function
from tests.rules.comparing import CASES
from tests.rules.harness import Case, of, weight


def written(m: Any, places: Tensor) -> Tensor:
    """Ones at some places of zeros, and what is made of them."""
    zeros = torch.zeros(len(places), 3).to(m.c)
    made: Tensor = zeros.scatter(1, places, 1.0) @ m.c + m.b
    return made


Cut = tuple[Callable[[Any, Tensor], Tensor], int]
CUT: dict[str, Cut] = {
    "a value at zero": (lambda m, x: torch.heaviside((x @ m.a).relu(), m.v) @ m.c, 3),
    "a value at zero that is a number": (
        lambda m, x: torch.heaviside((x @ m.a).relu(), x.new_tensor(0.5)) @ m.c + m.b, 3),
    "a value at zero for every unit": (
        lambda m, x: torch.heaviside((x @ m.a).relu()[:, None], m.v).sum(1) @ m.c, 3),
    "a square, bounded from above": (
        lambda m, x: ((x @ m.a) ** 2).clamp(max=1e-6) * 1e6 @ m.c + m.b, 0),
    "a square, bounded from below": (
        lambda m, x: ((x @ m.a) ** 2).clamp(min=1.0) @ m.c + m.b, 0),
    "places of the largest so far": (lambda m, x: written(m, (x @ m.a).cummax(1).indices), 4),
    "places of the two largest": (lambda m, x: written(m, (x @ m.a).topk(2, 1).indices), 8),
    "places that a number is cut off for": (
        lambda m, x: torch.zeros(len(x), 3, dtype=torch.long).scatter(
            1, (x @ m.a).topk(2, 1).indices, 1.7).to(m.c) @ m.c + m.b, 8),
    "place of the largest": (lambda m, x: written(m, (x @ m.a).argmax(1, keepdim=True)), 10),
    "shares that are learned and rounded": (
        lambda m, x: (9 * (x @ m.a)).softmax(1).int().to(m.c) @ m.c + m.b, 3),
    "slopes of truths": (
        lambda m, x: F.prelu(F.logsigmoid(x @ m.a).bool().to(m.c), m.v) @ m.c + m.b, 6),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_threshold_is_crossed(case: Case) -> None:
    followed(*case.build())


@pytest.mark.parametrize("name", CUT)
def test_nothing_is_seen_of_what_is_cut(name: str) -> None:
    run, expected = CUT[name]
    build = of(run, (12, 3), a=lambda: weight(3, 3), v=lambda: weight(3),
               c=lambda: weight(3, 2), b=lambda: weight(2))  # fmt: skip
    assert followed(*build()) == expected


def followed(model: nn.Module, args: Any) -> int:
    """How many parameters of flows there are, each of which leaves the outputs as they are."""
    torch.manual_seed(1)
    function, rng = Function(model, args, {}), torch.Generator().manual_seed(1)
    theta = function.random_point(rng)
    call = Call(tuple(torch.randn(400, *x.shape[1:], dtype=torch.float64) for x in args), {})
    before = function(theta, call)
    families = derive(trace(model, args, {})).families
    for family in families:
        c = torch.randn(family.count(), generator=rng, dtype=torch.float64)
        after = function({**theta, **Point(theta).flow(family, c, 1.0)}, call)
        assert torch.allclose(after, before, atol=1e-9, rtol=1e-9), family.names
    return sum(family.count() for family in families)
