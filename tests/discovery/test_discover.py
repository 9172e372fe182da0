"""Discovered, derived and measured: three counts that do not know of each other."""

import json
import re
from fractions import Fraction

import pytest
import torch
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.load import Inputs
from symfind.verify import Function, verify
from tests.discovery.models import ODD, Odd, Stopped
from tests.ground_truth.models import CASES
from tests.rules import controls, layers, linear_maps, movement, pointwise
from tests.rules.harness import Case

TRUTH = {case.name: case for case in CASES}
SMALL = [
    "linear-5-4-3-6", "linear-5-4-4-5-bias", "linear-3-5-4-2-bias", "relu-6-5-4-6",
    "tanh-6-5-4-6", "softmax", "rmsnorm", "layernorm", "layernorm-eps", "groupnorm",
    "batchnorm-train", "attention", "attention-bias", "attention-rope", "attention-gqa-rope",
    "attention-qk-norm", "swiglu", "reglu", "lora", "lora-frozen", "weight-norm", "shared-trunk",
    "two-trunks", "gcn",
]  # fmt: skip
WHOLE = ["mixer-1", "t5-1-untied", "llama-1-untied", "llama-2-tied", "gpt2-1-tied"]
SANDWICHES = {
    case.name: case
    for module in (controls, layers, linear_maps, movement, pointwise)
    for case in module.CASES
}


@pytest.mark.parametrize("name", SMALL + WHOLE)
def test_discovered_derived_measured(name: str) -> None:
    case = TRUTH[name]
    model, args, kwargs = case.build()
    inputs = Inputs(args, kwargs, dict(case.bounds))
    found = symfind.discover(model, inputs, output=case.output, train=case.train)
    assert found.parameters == case.parameters
    assert found.dimension == found.nullity == case.nullity
    assert found.status == "complete" and not found.remainder and not found.rejected
    assert found.comparison.redundant == case.redundant
    assert found.comparison.missed == found.comparison.beyond == 0
    assert all(g.exact and g.residual < 1e-9 for g in found.generators)
    assert sum(p.dimension for p in found.patterns) == found.dimension


def test_what_is_no_group_is_named_and_not_found() -> None:
    """Two linear residual blocks fill all matrices: eight directions belong to no local field."""
    model, args, _ = TRUTH["residual-linear"].build()
    found = symfind.discover(model, args)
    assert (found.nullity, found.dimension, found.comparison.redundant) == (16, 8, 8)
    assert found.status == "incomplete"
    assert set(found.remainder) == {f"{n}.{i}.weight" for n in ("up", "down") for i in (0, 1)}


@pytest.mark.parametrize(
    "name",
    ["rms-power", "group-norm", "logsumexp", "max-pool2d", "sdpa-causal", "packed-heads",
     "rope-partial", "baddbmm", "avg-pool2d-linear", "topk", "cosine", "addcdiv", "asymmetric-relu",
     "asymmetric-tanh"],
)  # fmt: skip
def test_rules_against_discovery(name: str) -> None:
    found = _sandwich(SANDWICHES[name])
    assert found.dimension == found.nullity and found.status == "complete"
    if not SANDWICHES[name].gap:
        assert found.comparison.missed == found.comparison.beyond == 0


def test_known_gaps_of_rules_are_found() -> None:
    """Every frequency by a number of its own: no rule derives it yet."""
    found = _sandwich(SANDWICHES["rfft"])
    assert found.status == "complete" and found.comparison.missed == 3
    assert found.comparison.missed_support


def _sandwich(case: Case) -> symfind.Discovery:
    torch.manual_seed(0)
    model, args = case.build()
    return symfind.discover(model, Inputs(args, {}, dict(case.bounds)), train=case.train)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_operations_without_a_rule(odd: Odd) -> None:
    torch.manual_seed(0)
    model, args = odd.build()
    found = symfind.discover(model, args)
    assert any(odd.operation in name for name in found.comparison.unsupported)
    assert found.comparison.redundant == 0
    assert found.dimension == found.nullity == found.comparison.missed == odd.dimension
    assert all(g.exact for g in found.generators) is odd.rational
    function = Function(model, args)
    result = verify(function, found.generators, rng=torch.Generator().manual_seed(5))
    assert result.status == "verified" and result.worst < 1e-9


@pytest.mark.parametrize("build", [
    Stopped,
    lambda: nn.Sequential(nn.Linear(3, 3), _Bessel(), nn.Linear(3, 2)),
])  # fmt: skip
def test_a_derivative_that_lies_gives_no_generator(build) -> None:
    found = symfind.discover(build(), torch.randn(8, 3))
    assert found.nullity and found.nullity >= 12  # so say the derivatives
    assert found.rejected and found.status == "undetermined"
    assert all("hidden" not in g.text and "0." not in g.text for g in found.generators)


class _Bessel(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


def test_words_and_coefficients_of_a_bond() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    found = symfind.discover(model, torch.randn(8, 2))
    assert [g.text for g in found.generators] == [
        f"0.weight -> A 0.weight, 2.weight -> -2.weight A (A = E[{i},{i}])" for i in range(2)
    ]
    (pattern,) = found.patterns
    assert pattern.text == "0.weight -> A 0.weight, 2.weight -> 2.weight A"
    assert (pattern.count, pattern.dimension) == (2, 2)
    term = found.generators[0].terms[1]
    assert term.coefficients == {"0,0": "-1"}


def test_json_is_exact_and_the_same_each_time() -> None:
    model, args, _ = TRUTH["layernorm"].build()
    first, second = (symfind.discover(model, args, seed=3) for _ in range(2))
    data = json.loads(first.to_json())
    assert data == json.loads(second.to_json()) and data["schema"] == "symfind.discovery/1"
    for generator in data["generators"]:
        for term in generator["terms"]:
            assert "{}" in term["text"] and len(term["coefficients"]) > 0
            for place, value in term["coefficients"].items():
                assert Fraction(value) != 0 and re.fullmatch(r"\d+(,\d+)*", place)


def test_another_seed_finds_the_same_space() -> None:
    model, args, _ = TRUTH["softmax"].build()
    one, two = (symfind.discover(model, args, seed=seed) for seed in (0, 1))
    assert [g.text for g in one.generators] == [g.text for g in two.generators]


def test_a_dictionary_that_is_too_small_says_so() -> None:
    model, args, _ = TRUTH["lora"].build()
    found = symfind.discover(model, args, fields=150)
    assert found.status == "incomplete" and found.dimension < found.nullity
    assert found.left_out and found.fields <= 150
    assert found.comparison.beyond == found.nullity - found.dimension
    assert found.comparison.beyond_factors


def test_a_model_that_cannot_be_traced_is_a_function_all_the_same() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False)

        def forward(self, x):
            return self.b(self.a(x)) if float(x.sum()) > 0 else self.b(2 * self.a(x))

    found = symfind.discover(Branching(), torch.ones(8, 3))
    assert found.comparison.unavailable and found.dimension == found.nullity


def test_too_many_parameters() -> None:
    with pytest.raises(InputError, match="2,000 at most"):
        symfind.discover(nn.Linear(50, 50), torch.ones(1, 50))
