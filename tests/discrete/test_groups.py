"""Groups of small networks against those known by hand, and derived alone against verified."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from symfind.discrete import discrete_part
from symfind.report.discrete import Discrete
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Function
from tests.discrete.models import (
    Asymmetric,
    Experts,
    Flatten,
    Frozen,
    Gated,
    Heads,
    Latents,
    Power,
    Recurrence,
    Residual,
    Rows,
    chain,
)

X = torch.randn(6, 3)
IMAGE = torch.randn(3, 2, 5, 5)
SEQUENCE = torch.randn(2, 4, 3)
LINEAR = chain(3, 5, 4, 2, activation=nn.Identity())

CASES: dict[str, tuple[Callable[[], nn.Module], Tensor, set[str]]] = {
    "relu": (lambda: chain(3, 5, 4, 2, activation=nn.ReLU()), X, {"S_5", "S_4"}),
    "gelu": (lambda: chain(3, 5, 4, 2, activation=nn.GELU()), X, {"S_5", "S_4"}),
    "tanh": (
        lambda: chain(3, 5, 4, 2, activation=nn.Tanh()),
        X,
        {"S_5", "S_4", "(Z/2)^5", "(Z/2)^4"},
    ),
    "cube": (lambda: chain(3, 5, 2, activation=Power(3)), X, {"S_5", "(Z/2)^5"}),
    "square": (lambda: chain(3, 5, 2, activation=Power(2)), X, {"S_5", "(Z/2)^5"}),
    "hardtanh": (lambda: chain(3, 5, 2, activation=nn.Hardtanh()), X, {"S_5", "(Z/2)^5"}),
    "hardtanh-uneven": (lambda: chain(3, 5, 2, activation=nn.Hardtanh(-1, 2)), X, {"S_5"}),
    "linear": (lambda: LINEAR, X, {"Z/2 reflection 5", "Z/2 reflection 4"}),
    "batch-norm": (
        Residual,
        IMAGE,
        {"S_4", "S_5", "S_6", "(Z/2)^8", "(Z/2)^5", "(Z/2)^6"},
    ),
    "group-norm": (
        lambda: nn.Sequential(
            nn.Linear(3, 6), nn.GroupNorm(2, 6), nn.ReLU(), nn.Linear(6, 2)
        ),
        X,
        {"S_3 wr S_2", "(Z/2)^2"},
    ),
    "grouped-conv": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 1), nn.ReLU(),
            nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.Conv2d(6, 1, 3),
        ),
        IMAGE,
        {"(S_2 x S_3) wr S_2"},
    ),
    "flatten": (Flatten, IMAGE, {"S_4"}),
    "experts": (Experts, torch.randn(6, 4), {"S_5 wr S_3"}),
    "recurrence": (Recurrence, X, {"S_4", "(Z/2)^4"}),
    "asymmetric": (Asymmetric, torch.randn(6, 4), set()),
    "rows": (Rows, torch.randn(5, 3, 2), {"S_4", "(Z/2)^4"}),
    "gated": (Gated, X, {"S_5", "(Z/2)^5"}),
    "frozen": (lambda: Frozen(torch.arange(1.0, 5.0)), X, set()),
    "frozen-even": (lambda: Frozen(torch.full((4,), 2.0)), X, {"S_4"}),
    "prelu": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 2)), X, {"S_4"}
    ),
}  # fmt: skip


def both(model: nn.Module, x: Tensor) -> tuple[tuple[Discrete, ...], tuple[Discrete, ...]]:
    """What is derived, and what of that a random element on the model confirms."""
    graph = trace(model, (x,), {})
    shapes = {name: tuple(op.shape or ()) for name, op in graph.parameters.items()}
    derivation = derive(graph)
    return discrete_part(derivation, shapes), discrete_part(
        derivation, shapes, Function(model, (x,))
    )


def spell(item: Discrete) -> str:
    if item.kind != "reflection":
        return item.group
    return f"{item.group} reflection {item.text.partition('GL(')[2].partition(',')[0]}"


@pytest.mark.parametrize("name", CASES)
def test_known_groups_without_help_from_verification(name: str) -> None:
    build, x, expected = CASES[name]
    torch.manual_seed(0)
    derived, verified = both(build().eval(), x)
    assert {spell(item) for item in derived} == expected
    assert [(d.id, d.group) for d in derived] == [(v.id, v.group) for v in verified]
    assert all(item.residual is not None and item.residual < 1e-12 for item in verified)


@pytest.mark.parametrize(
    ("order", "ordered"),
    [("", False), ("even", False), ("causal", True), ("where", True), ("add", True)],
)  # fmt: skip
def test_masks_and_tables_order_what_is_a_set_without_them(order: str, ordered: bool) -> None:
    torch.manual_seed(0)
    model, x = Latents(order), torch.randn(3, 4)
    derived, verified = ([d.group for d in found] for found in both(model, x))
    assert ("S_5" in derived) == (not ordered)
    assert derived == verified


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"S_2 wr S_4"}),
        ({"interleaved": True}, {"S_2 wr S_4"}),
        ({"groups": 2}, {"(S_2 x S_2) wr S_2"}),
        ({"groups": 1}, {"S_4", "S_2"}),
    ],
)
def test_heads(options: dict, expected: set[str]) -> None:
    derived, verified = both(Heads(**options), SEQUENCE)
    assert {d.group for d in derived if d.kind == "permutation"} == expected
    assert derived == tuple(replace(v, residual=None) for v in verified)


def test_orders() -> None:
    ((item,), _) = both(CASES["experts"][0](), CASES["experts"][1])
    assert item.order == "(5!)^3 * 3!"
    assert item.log10_order == pytest.approx(7.016, abs=1e-3)  # 120^3 * 6 = 10,368,000


def test_axes_of_a_hidden_layer() -> None:
    ((first, *_), _) = both(chain(3, 5, 2, activation=nn.ReLU()), X)
    assert first.places[0].axes == {"0.weight": (0,), "0.bias": (0,), "2.weight": (1,)}


def test_statistics_are_permuted_with_their_channels() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))
    item = next(d for d in both(model.eval(), IMAGE)[1] if d.kind == "permutation")
    assert item.places[0].buffers == ("1.running_mean", "1.running_var")
    assert "1.running_mean" not in item.parameters
