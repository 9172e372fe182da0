"""The numbers of laws: those published, those of exact arithmetic, and those of the Lie algebra."""

import random

import pytest
import torch
from torch import nn

import symfind
from symfind.conserve.fields import Fields
from symfind.conserve.laws import find_laws
from symfind.conserve.twin import classify
from symfind.verify import Function
from tests.conserve.networks import TABLE, FixedNorm, build, chain, facts, linear_laws
from tests.conserve.networks import random_widths as widths_of
from tests.ground_truth.layers import Attention


@pytest.mark.parametrize("name", TABLE)
def test_published_counts(name: str) -> None:
    model, x, nullity, laws = build(name)
    found = symfind.conserved(model, x)
    assert found.nullity == found.redundant == nullity
    assert found.count == laws, facts(found)
    assert found.lawless == nullity - laws
    assert found.closure.status == "complete" and found.closure.laws == laws
    assert found.counted == "model" and not found.open
    if laws:
        assert found.flow.status == "conserved"
        for law in found.laws:
            assert law.drift < 1e-9 and law.control > 1e-3, law


def test_a_bond_wider_than_its_input_has_as_many_laws_as_its_matrices() -> None:
    # nullity 10 = 9 of GL(3) and one of reach: symmetric matrices give 6, the rest nothing
    found = symfind.conserved(chain(2, 3, 4), torch.randn(16, 2))
    assert (found.nullity, found.count) == (10, 6)
    assert found.is_complete


def test_a_bond_wider_than_both_neighbours_together_has_fewer() -> None:
    # (n + m) r − (n + m)(n + m − 1)/2 for n + m < r (Marcotte et al. 2023, section 4)
    found = symfind.conserved(chain(1, 4, 2), torch.randn(8, 1))
    assert linear_laws([1, 4, 2]) == 3 * 4 - 3 == found.count
    (law,) = found.laws
    assert (law.functions, law.independent) == (10, 9)
    assert found.is_complete


def test_what_could_not_be_decided_is_named() -> None:
    # the reach of two missing directions has no basis that depends smoothly on the weights
    model, x = chain(3, 2, 3, 4), torch.randn(16, 3)
    quick, full = (symfind.conserved(model, x, check=check) for check in (False, True))
    assert quick.count == full.count == linear_laws([3, 2, 3, 4])
    assert quick.open and not full.open and full.is_complete


def test_shifts_give_linear_laws() -> None:
    torch.manual_seed(0)
    found = symfind.conserved(FixedNorm(), torch.randn(16, 3), seed=1)
    linear = {law.text: law.functions for law in found.laws if law.form == "linear"}
    assert linear  # sums of columns, that the norm does not see
    assert found.flow.status == "conserved" and found.is_complete


def test_a_key_bias_never_moves() -> None:
    found = symfind.conserved(Attention(4, 2, 2, bias=True), torch.randn(8, 5, 4))
    assert (found.nullity, found.count) == (24, 16)  # the value bias gives no law
    (still,) = (law for law in found.laws if law.tensors == ("k.bias",))
    assert still.form == "linear" and still.control is None and still.drift < 1e-9
    assert found.flow.status == "conserved" and found.is_complete


def test_what_nothing_reads_stays() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(2, 2), nn.Parameter(torch.randn(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.used(x))

    found = symfind.conserved(Idle(), torch.randn(16, 2))
    assert found.count == found.nullity == 3 and found.is_complete


@pytest.mark.parametrize("seed", range(3))
def test_random_linear_networks(seed: int) -> None:
    widths = widths_of(random.Random(seed), 2, 4)
    found = symfind.conserved(chain(*widths), torch.randn(16, widths[0]), seed=seed)
    assert found.count == found.closure.laws == linear_laws(widths), (widths, facts(found))


@pytest.mark.parametrize("seed", range(3))
def test_random_relu_networks(seed: int) -> None:
    widths = widths_of(random.Random(seed), 2, 6)
    model = chain(*widths, activation=nn.ReLU, bias=bool(seed % 2))
    found = symfind.conserved(model, torch.randn(32, widths[0]), seed=seed, check=False)
    assert found.count == sum(widths[1:-1]), (widths, facts(found))


@pytest.mark.parametrize(
    "name", ["linear 3-3-3-3", "two heads", "rotary, narrow values", "SwiGLU 3-3"]
)
def test_twins_count_as_the_model_does(name: str) -> None:
    model, x, _, _ = build(name)
    report = symfind.analyze(model, x, certify="never")
    generators = [g for factor in report.factors for g in factor.generators]
    function = Function(model, (x,))
    found = find_laws(report.factors, function.shapes, function.random_point, 0)
    own = {c.law.tensors: c.law.functions for c in found.combinations}
    numbers = classify([Fields(g.family).family for g in generators], 0)
    assert {g.parameters: n for g, n in zip(generators, numbers, strict=True) if n} == own


def test_models_too_large_are_counted_through_twins() -> None:
    width = 200
    found = symfind.conserved(chain(width, width, width), torch.randn(2, width))
    assert found.counted == "twin" and found.count == width * (width + 1) // 2
    assert found.flow.status == found.closure.status == "skipped"


def test_what_discovery_found_is_undecided() -> None:
    class Spelled(nn.Module):
        """The identity in a way that no rule knows."""

        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = nn.Linear(3, 2), nn.Linear(2, 2)
            self.more = nn.Parameter(torch.randn(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.inner(x)
            return self.outer(torch.tanh(h.abs() * h.sign() + self.more))

    found = symfind.conserved(Spelled(), torch.randn(8, 3))
    report = symfind.analyze(Spelled(), torch.randn(8, 3))
    assert any(f.origin == "discovery" for f in report.factors)
    assert found.redundant == report.dimension.redundant
    assert all(split.laws is not None or split.factor in found.open for split in found.splits)
