"""Functional dimensions from the literature, exactly; and the floating measurement agrees."""

import random

import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind.exact.subject import Subject
from symfind.exact.trial import Cell, Trial
from symfind.load import Inputs, as_inputs
from symfind.residues.field import Field
from symfind.trace import trace
from symfind.verify import Call, Function, measure_nullity
from tests.exact.models import (
    Asymmetric,
    Monomial,
    PolynomialAttention,
    Quotient,
    convolutional,
)
from tests.ground_truth.layers import ResidualLinear
from tests.ground_truth.models import MODULES, mlp

RATIONAL = {
    "linear-5-4-3-6", "linear-2-3-4", "linear-5-4-4-5-bias", "linear-3-5-4-2-bias",
    "relu-6-5-4-6", "leaky-relu-6-5-4-6", "reglu", "residual-linear", "gcn",
}  # fmt: skip
CERTAIN = 1e-9


def batch(*shape: int) -> Tensor:
    return torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))


def measured(model: nn.Module, x: Tensor) -> int | None:
    found = measure_nullity(
        Function(model, (x,)),
        lambda rng: Call((torch.randn(x.shape, generator=rng, dtype=torch.float64),), {}),
    )
    assert found.status == "clear"
    return found.nullity


@pytest.mark.parametrize("case", [c for c in MODULES if c.name in RATIONAL], ids=lambda c: c.name)
def test_ground_truth_without_tolerance(case) -> None:
    model, args, kwargs = case.build()
    exact = symfind.exact_nullity(model, Inputs(args, kwargs), expected=case.redundant)
    assert (exact.parameters, exact.nullity) == (case.parameters, case.nullity)
    assert exact.rank + exact.nullity == exact.parameters
    assert exact.error_bound < CERTAIN
    assert exact.pattern == (
        "fixed" if "relu" in case.name or case.name in ("reglu", "gcn") else "none"
    )


@pytest.mark.parametrize(
    ("name", "operation"),
    [("tanh-6-5-4-6", "tanh"), ("layernorm-eps", "layer_norm"), ("rmsnorm", "rsqrt"),
     ("batchnorm-train", "batch_norm"), ("multihead-self", "scaled_dot_product_attention"),
     ("weight-norm", "_weight_norm")],
)  # fmt: skip
def test_ground_truth_that_is_not_rational_is_refused(name: str, operation: str) -> None:
    case = next(case for case in MODULES if case.name == name)
    model, args, kwargs = case.build()
    with pytest.raises(symfind.ExactError, match=rf"aten\.{operation}\b"):
        symfind.exact_nullity(model, Inputs(args, kwargs), train=case.train)


@pytest.mark.parametrize(
    ("power", "widths", "rank", "expected"),
    [(2, (3, 2, 1), 5, 6), (2, (4, 3, 1), 9, 10), (2, (5, 3, 1), 12, 15),
     (3, (5, 7, 1), 34, 35), (4, (3, 5, 1), 14, 15)],
)  # fmt: skip
def test_monomial_networks_that_are_defective(
    power: int, widths: tuple[int, ...], rank: int, expected: int
) -> None:
    """Kileel, Trager, Bruna 2019; sums of powers of linear forms, Alexander-Hirschowitz.

    `expected` is the smaller of two counts: parameters less one scale per hidden unit, and
    the dimension of the space of forms. The rank is less: for the sake of rotations of squares,
    of no group for higher powers.
    """
    model, x = Monomial(power, *widths), batch(widths[0])
    exact = symfind.exact_nullity(model, x)
    inputs, hidden, _ = widths
    forms = torch.combinations(torch.arange(inputs), power, with_replacement=True).shape[0]
    assert min(exact.parameters - hidden, forms) == expected
    assert exact.rank == rank < expected
    assert exact.pattern == "none" and exact.error_bound < CERTAIN
    assert measured(model, x) == exact.nullity
    report = symfind.analyze(model, x)
    # sums of squares with weights keep a quadratic form of the units: O(p, q)
    turned = hidden * (hidden - 1) // 2 if power == 2 else 0
    assert report.dimension.redundant == hidden + turned
    assert report.certificate.unexplained == exact.nullity - hidden - turned
    assert (report.certificate.status == "complete") is (power == 2)


ATTENTION = {
    (1, 3, 2): (16, 17), (1, 4, 2): (27, 28), (2, 3, 2): (23, 25), (2, 4, 2): (38, 40),
    (2, 5, 2): (55, 57), (3, 4, 1): (34, 37), (3, 4, 2): (49, 52), (3, 4, 3): (58, 61),
    (3, 4, 4): (61, 64),
}  # fmt: skip


@pytest.mark.parametrize("sizes", ATTENTION, ids=str)
def test_polynomial_attention(sizes: tuple[int, int, int]) -> None:
    """Henry, Marchetti, Kohn 2024: l(a(2d - a) + d²) - (l - 1)d² - l; softmax keeps the last l."""
    layers, width, head = sizes
    exact = symfind.exact_nullity(PolynomialAttention(*sizes), batch(width, 3))
    formula = layers * (head * (2 * width - head) + width**2) - (layers - 1) * width**2
    assert ATTENTION[sizes] == (formula - layers, formula)
    assert exact.rank == formula - layers
    assert exact.error_bound < CERTAIN


@pytest.mark.parametrize("sizes", ATTENTION, ids=str)
def test_softmax_attention_in_floating_point(sizes: tuple[int, int, int]) -> None:
    model, x = PolynomialAttention(*sizes, softmax=True), batch(sizes[1], 3)
    report = symfind.analyze(model, x)
    assert report.certificate.status == "complete"
    assert report.dimension.effective == ATTENTION[sizes][1]
    with pytest.raises(symfind.ExactError, match="softmax"):
        symfind.exact_nullity(model, x)


@pytest.mark.parametrize("widths", [(4, 3, 3, 2), (4, 6, 2)], ids=str)
def test_one_entry_held_in_every_row_leaves_no_symmetry(widths: tuple[int, ...]) -> None:
    """Lim et al. 2024; with zeros held instead, the scale of every hidden unit is back."""
    x = batch(widths[0])
    exact = symfind.exact_nullity(Asymmetric(*widths), x, expected=0)
    assert (exact.nullity, exact.error_bound) == (0, 0.0)
    hidden = sum(widths[1:-1])
    assert (
        symfind.exact_nullity(Asymmetric(*widths, value=0.0), x, expected=hidden).nullity == hidden
    )


@pytest.mark.parametrize("widths", [(5, 3, 6), (4, 4, 2, 4), (2, 5, 3, 3, 4)], ids=str)
def test_deep_linear_networks(widths: tuple[int, ...]) -> None:
    rank = min(widths)
    exact = symfind.exact_nullity(mlp(*widths), batch(widths[0]))
    assert exact.rank == rank * (widths[0] + widths[-1] - rank)


def test_quotients() -> None:
    exact = symfind.exact_nullity(Quotient(), batch(3))
    assert (exact.nullity, exact.pattern) == (1, "none")
    assert 0 < exact.error_bound < CERTAIN
    assert measured(Quotient(), batch(3)) == 1


def test_convolutional_network() -> None:
    """conv-norm-relu: a bias, a gain and a scale each of 3; conv-relu: a scale each of 4."""
    model, x = convolutional().eval(), batch(2, 6, 6)[:4]
    exact = symfind.exact_nullity(model, x, expected=13)
    assert (exact.parameters, exact.nullity) == (166, 13)
    assert symfind.analyze(model, x, certify="never").dimension.redundant == 13


def test_integers_are_drawn_from_the_whole_table() -> None:
    model = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2, bias=False))
    exact = symfind.exact_nullity(model, torch.tensor([[0, 1]]), expected=13)
    assert (exact.nullity, exact.pattern) == (27 - 2 * 7, "fixed")


def test_outputs_up_to_softmax() -> None:
    model, x = nn.Linear(4, 3), batch(4)
    assert symfind.exact_nullity(model, x).nullity == 0
    assert symfind.exact_nullity(model, x, output="softmax").nullity == 5


def test_unread_parameters_are_null() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "idle": nn.Linear(2, 3)})
    model.forward = lambda x: model["used"](x)
    assert symfind.exact_nullity(model, batch(2)).nullity == 9


def test_the_same_seed_gives_the_same_result() -> None:
    model, x = ResidualLinear(4, 2, 2), batch(4)
    before = {name: p.clone() for name, p in model.named_parameters()}
    first = symfind.exact_nullity(model, x, seed=3)
    assert first == symfind.exact_nullity(model, x, seed=3)
    assert first.nullity == 16
    assert first.prime != symfind.exact_nullity(model, x, seed=4).prime
    assert symfind.exact_nullity(model, x, prime=65537).prime == 65537
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_division_by_zero_is_told() -> None:
    class Pole(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) / (self.bias - self.bias)

    with pytest.raises(symfind.ExactError, match="division by zero"):
        symfind.exact_nullity(Pole(2, 2), batch(2))


def test_without_flint_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(symfind.ExactError, match=r"symfind\[exact\]"):
        symfind.exact_nullity(nn.Linear(2, 2), batch(2))


def test_many_inputs_at_once_have_the_rows_of_each_by_itself() -> None:
    model, x = convolutional().eval(), batch(2, 6, 6)[:4]
    subject = Subject(model, as_inputs(x), trace(model, (x,), {}))

    def rows(singly: bool) -> Tensor:
        cell = Cell(subject, 0)
        cell.singly = singly
        trial = Trial(cell, Field(2147483629), random.Random(0), False)
        found, kept = trial._rows([cell.draw() for _ in range(5)])
        assert all(kept) and cell.singly == singly
        return found

    assert torch.equal(rows(False), rows(True))


def test_units_switch_at_the_first_point() -> None:
    """At most random points some unit of it is always off, and more is null."""
    model = nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )
    exact = symfind.exact_nullity(model, torch.randn(1, 6), expected=32)
    assert exact.nullity == 32 and set(exact.points) == {32}
