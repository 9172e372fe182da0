"""Counting through shrunken twins agrees with counting at the model's own sizes."""

import itertools

import pytest
import sympy
import torch
from torch import nn

import symfind
from symfind.algebra.axes import Axis
from symfind.count import tally as count
from symfind.count.counted import Counted
from symfind.count.symbols import Symbols
from symfind.load import sizes_of
from symfind.load.operators import prepare_torchvision
from symfind.solve.families.family import NullFamily
from symfind.solve.solver import derive
from symfind.trace import trace
from tests.ground_truth.models import CASES

prepare_torchvision()

NAMES = (
    "linear-5-4-4-5-bias relu layernorm groupnorm attention-bias attention-rope lora "
    "gpt2-2-tied llama-2-untied bert-1-tied vit-2 t5-1-untied"
).split()


@pytest.mark.parametrize("case", [c for c in CASES if c.name in NAMES], ids=lambda c: c.name)
def test_twins_agree_with_own_sizes(case, monkeypatch):
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    model, args, kwargs = case.build()
    graph = trace(model, args, kwargs, train=case.train)
    derived = derive(graph, case.output)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}
    found = count.tally(derived.families, derived.parameters, shapes, Symbols(sizes_of(model)))
    assert all(t.known for t in found)
    assert sum(t.orbit for t in found) == case.redundant


def test_repeated_layers_scale_with_depth():
    """The count of a deep model is that of a shallow one plus whole layers."""
    transformers = pytest.importorskip("transformers")

    def redundant(layers: int) -> int:
        config = transformers.LlamaConfig(
            hidden_size=32, intermediate_size=48, num_hidden_layers=layers,
            num_attention_heads=4, num_key_value_heads=2, vocab_size=50,
        )  # fmt: skip
        model = transformers.LlamaForCausalLM(config)
        graph = trace(model, (torch.zeros(1, 5, dtype=torch.long),), {})
        shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}
        derived = derive(graph)
        found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
        assert all(t.known for t in found)
        return sum(t.orbit for t in found)

    kv, dk, d, m = 2, 8, 32, 48
    layer = kv * dk + kv * dk * dk + 2 * d + m
    ends = d + d * (d - 1) // 2
    assert redundant(3) == 3 * layer + ends
    assert redundant(9) == 9 * layer + ends


@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(
    "widths",
    [(30, 540, 20), (30, 4, 20), (50, 40, 30, 60), (30, 60, 50, 40), (10, 6, 100, 8, 9)],
    ids=lambda w: "-".join(map(str, w)),
)
def test_linear_chains_have_stabilisers_wherever_a_bond_is_wide(widths, bias, monkeypatch):
    """The function space of a deep linear net has dimension r(d0 + dL − r), or with bias + dL."""
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    layers = [torch.nn.Linear(n, m, bias=bias) for n, m in itertools.pairwise(widths)]
    model = torch.nn.Sequential(*layers)
    graph = trace(model, (torch.zeros(2, widths[0]),), {})
    derived = derive(graph)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}
    found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
    r = min(widths)
    functions = r * (widths[0] + widths[-1] - r) + bias * widths[-1]
    assert all(t.known for t in found)
    assert sum(t.orbit for t in found) == sum(p.numel() for p in model.parameters()) - functions


def test_what_no_polynomial_describes_is_left_out(monkeypatch):
    monkeypatch.setattr(count, "polynomial", lambda *_: None)
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    model = torch.nn.Sequential(torch.nn.Linear(30, 540), torch.nn.Linear(540, 20))
    derived = derive(trace(model, (torch.zeros(2, 30),), {}))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
    assert any(not t.known and t.orbit == 0 for t in found)


class Offset(torch.nn.Module):
    """Positions that are counted from the tokens that are no padding, behind those of padding."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.words, self.places = torch.nn.Embedding(11, 4), torch.nn.Embedding(rows, 4)
        self.norm, self.head = torch.nn.LayerNorm(4), torch.nn.Linear(4, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        counted = (tokens != 1).long()
        places = torch.cumsum(counted, 1) * counted + 1
        return self.head(self.norm(self.words(tokens) + self.places(places)))


@pytest.mark.parametrize("rows", [8, 9, 12])
def test_rows_behind_an_offset_are_counted_beside_what_moves_all_rows(rows, monkeypatch):
    graph = trace(Offset(rows), (torch.zeros(1, 6, dtype=torch.long),), {})
    derived = derive(graph)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}

    def tallied() -> list[count.Tally]:
        found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
        assert all(t.known for t in found)
        return found

    own = tallied()
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    large = tallied()
    hidden = 4 * (rows - 7)
    assert sum(t.orbit for t in own) == sum(t.orbit for t in large)
    # the norm does not see the mean of a hidden row either, which all rows are counted with
    inert = [[t.orbit for t in tallies if t.family.kind == "inert"] for tallies in (own, large)]
    assert (sum(inert[0]), sum(inert[1])) == (hidden, hidden - (rows - 7))
    whole = Counted(derived, own, Symbols({}), shapes, ())
    assert (whole.inert, whole.inert_beside) == (hidden, hidden - (rows - 7))


def test_rows_that_are_never_read_are_counted_once(monkeypatch):
    """Positions beyond the input belong to no group: they are inert, and that is all."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_embd=12, n_head=3, n_inner=7, vocab_size=11, n_positions=40
    )
    model = transformers.GPT2LMHeadModel(config)
    graph = trace(model, (torch.zeros(1, 6, dtype=torch.long),), {})
    derived = derive(graph)
    shapes = {name: tuple(op.shape) for name, op in graph.parameters.items()}

    def redundant() -> int:
        found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
        assert all(t.known for t in found)
        return sum(t.orbit for t in found)

    own = redundant()
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    assert redundant() == own


def test_hidden_entries_are_counted_at_the_models_own_size_only() -> None:
    class Masked(nn.Module):
        def __init__(self, rows: int) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(80, 40))
            self.r = nn.Linear(80, 5)
            mask = torch.ones(80, 40).tril()  # the first unit keeps one entry
            mask[:rows] = 0
            self.register_buffer("mask", mask)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.r(nn.functional.linear(x, self.w * self.mask).relu())

    hidden = 40 * 39 // 2
    partly = symfind.analyze(Masked(0), torch.randn(3, 40), certify="never")
    assert (partly.dimension.inert, partly.dimension.symmetry) == (hidden, 80)
    assert not partly.unsupported
    # What scales a dead unit moves hidden entries alone: these are left out, and that is said.
    wholly = symfind.analyze(Masked(1), torch.randn(3, 40), certify="never")
    assert wholly.dimension.redundant <= 79 + hidden + 1 + 5
    assert [gap.op for gap in wholly.unsupported] == ["count"]
    assert wholly.verification.status == "verified"


def test_minima_within_maxima_are_decided_at_the_models_sizes() -> None:
    symbols = Symbols({"a": 3, "b": 5})
    a, b = (symbols.get(Axis(n)) for n in (3, 5))
    inner = sympy.Max(a - b, 0)
    family = NullFamily(
        kind="reach", width=lambda _: sympy.Min(b, sympy.Max(inner, b - a, 1)), build=None
    )
    assert count.formula(family, symbols) == b - a


class _Branches(nn.Module):
    """Two convolutions into one sum, each behind its own statistics."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.small, self.large = (
            nn.Conv2d(n, m, 1, bias=False),
            nn.Conv2d(n, m, 3, padding=1, bias=False),
        )
        self.first, self.second = nn.BatchNorm2d(m), nn.BatchNorm2d(m)

    def forward(self, x):
        return torch.tanh(self.first(self.small(x)) + self.second(self.large(x)))


def test_statistics_on_a_twin_have_its_sizes(monkeypatch):
    monkeypatch.setattr(count, "OWN_PARAMETERS", -1)
    n, m = 7, 9
    derived = derive(trace(_Branches(n, m).eval(), (torch.randn(2, n, 5, 5),), {}))
    shapes = {name: tuple(p.shape) for name, p in _Branches(n, m).named_parameters()}
    found = count.tally(derived.families, derived.parameters, shapes, Symbols({}))
    assert all(t.known for t in found)
    assert sum(t.orbit for t in found) == n * m + 3 * m  # weights, both scales, biases
