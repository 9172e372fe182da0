"""The certificate of a formula: given where it is right, refused where it is not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import symfind
from symfind.analysis import certification
from symfind.load.operators import prepare_torchvision
from symfind.report import Report
from symfind.twin import Question, build_twin, certify_on_twins
from symfind.twin import certify as certifying
from symfind.twin import short as shortening
from symfind.twin.formula import count
from symfind.twin.module import TwinFunction, fresh
from symfind.verify import measure_nullity
from tests.ground_truth.models import CASES, Case
from tests.twin.subjects import (
    Handwritten,
    appending,
    handwritten,
    inverted,
    mixing,
    question,
    separable,
    traced,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nullity_of_a_twin_is_what_is_derived_there(case: Case) -> None:
    """But for the one model whose null directions belong to no group."""
    graph, inputs = traced(case)
    twin = build_twin(graph, 1, examples=inputs)
    function = TwinFunction(twin, train=case.train, output=case.output)
    derived = count(twin.graph, case.output, {})
    measured = measure_nullity(function, fresh(twin), known=derived.known())
    assert measured.status == "clear" and measured.known == derived.redundant
    assert (measured.nullity == derived.redundant) is (case.redundant == case.nullity)


WHOLE = {
    "GPT2LMHeadModel": (
        {"n_embd": 48, "n_head": 4, "n_layer": 5, "vocab_size": 97, "n_positions": 64},
        "input_ids=i64<97>[1,64]",
    ),
    "ViTForImageClassification": (
        {"hidden_size": 48, "num_attention_heads": 4, "num_hidden_layers": 5, "num_labels": 20,
         "intermediate_size": 100, "image_size": 48, "patch_size": 8},
        "pixel_values=f32[1,3,48,48]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if "ViT" in n else []) for n in WHOLE]
)
def test_formula_of_whole_models(name: str) -> None:
    settings, inputs = WHOLE[name]
    found = symfind.analyze(
        f"transformers:{name}", settings=settings, inputs=(inputs,), verify=False, formula=False
    ).certificate
    assert (found.status, found.on) == ("complete", "twin"), found
    assert found.unexplained == 0 and len(found.twins) == 2
    assert found.twins[0].sizes != found.twins[1].sizes


@pytest.mark.parametrize(
    "ask", [handwritten, separable, inverted, mixing], ids=lambda f: f.__name__
)
def test_a_file_of_ones_own(ask) -> None:
    found = certify_on_twins(ask())
    assert found.status == "complete", found
    assert found.known == found.nullity


def test_layers_that_append(monkeypatch) -> None:
    """Six of them are two, and the counts of two, three and four say what that of six is."""
    monkeypatch.setattr(shortening, "_DEEP", 0)
    asked = appending()
    found = certify_on_twins(asked)
    assert found.status == "complete", found
    assert found.parameters < 1000
    wrong = certify_on_twins(replace(asked, redundant=asked.redundant - 1))
    assert wrong.status == "undetermined" and "layers" in wrong.reason


@pytest.fixture
def few(monkeypatch) -> None:
    """Two twins are enough to see a disagreement."""
    monkeypatch.setattr(certifying, "_TRIED", 2)


# what is wrong must not pass --------------------------------------------------------------------
@pytest.fixture(scope="module")
def asked() -> Question:
    return handwritten(layers=1)


def test_a_formula_that_is_one_too_high_is_not_complete(asked, few, monkeypatch) -> None:
    right = certifying.at_sizes
    monkeypatch.setattr(certifying, "at_sizes", lambda model, twin: right(model, twin) + 1)
    found = certify_on_twins(asked)
    assert found.status == "undetermined" and found.unexplained == -1


@pytest.mark.parametrize("kind", ["gauge", "scaling", "shift", "reach"])
def test_a_formula_without_one_family_is_not_complete(asked, kind, few, monkeypatch) -> None:
    """One that the model lacks, whatever the twin derives."""
    right = certifying.count

    def poorer(graph, output, names, without=()):
        found = right(graph, output, names, without)
        if graph is not asked.graph:
            return found
        place = next(i for i, t in enumerate(found.tallies) if t.family.kind == kind and t.orbit)
        return replace(found, tallies=[t for i, t in enumerate(found.tallies) if i != place])

    monkeypatch.setattr(certifying, "count", poorer)
    found = certify_on_twins(asked)
    assert found.status == "incomplete" and found.unexplained > 0


def test_a_family_that_is_derived_nowhere_is_missed_with_its_tensors(
    asked, few, monkeypatch
) -> None:
    """The measurement does not depend on what is derived."""
    right = certifying.count

    def poorer(graph, output, names, without=()):
        found = right(graph, output, names, without)
        kept = [t for t in found.tallies if not any("gates.0" in n for n in t.family.names)]
        assert len(kept) < len(found.tallies)
        return replace(found, tallies=kept)

    monkeypatch.setattr(certifying, "count", poorer)
    found = certify_on_twins(asked)
    assert found.status == "incomplete"
    assert "gates.0.weight" in found.unexplained_support


def test_null_directions_of_no_group_are_reported(monkeypatch) -> None:
    (case,) = [c for c in CASES if c.name == "residual-linear"]
    model, args, kwargs = case.build()
    found = certify_on_twins(question(model, args, kwargs))
    assert found.status == "incomplete" and found.unexplained > 0


def test_a_count_that_does_not_add_up_over_layers_is_not_complete(monkeypatch) -> None:
    monkeypatch.setattr(shortening, "_DEEP", 0)
    net = question(Deep(9), (torch.randn(3, 30),))
    assert certify_on_twins(net).status == "complete"
    wrong = certify_on_twins(replace(net, redundant=net.redundant + 1))
    assert wrong.status == "undetermined" and "layers" in wrong.reason


@pytest.fixture
def blind(monkeypatch) -> None:
    """Nothing is derived for what joins two linear maps."""
    right = certifying.count

    def poorer(graph, output, names, without=()):
        found = right(graph, output, names, without)
        kept = [t for t in found.tallies if not any("bond" in n for n in t.family.names)]
        return replace(found, tallies=kept)

    monkeypatch.setattr(certifying, "count", poorer)
    monkeypatch.setattr(shortening, "_DEEP", 0)


def missed(net: nn.Module, *inputs: torch.Tensor) -> Question:
    asked = question(net, inputs)
    redundant = certifying.count(asked.graph, "raw", {}).redundant
    return replace(asked, redundant=redundant)


def test_one_layer_of_each_repetition_is_not_enough_to_refuse(blind, monkeypatch) -> None:
    """It says what it saw, on two of each where these can be measured, else on one."""
    monkeypatch.setattr(certifying, "_EASY", 0)
    asked = missed(Deep(9), torch.randn(3, 30))
    two = certify_on_twins(asked)
    assert two.status == "incomplete"
    assert any(name.startswith("bond.1") for name in two.unexplained_support)
    one = certify_on_twins(asked, most=two.twins[0].parameters - 1)
    assert one.status == "undetermined" and "one layer" in one.reason
    assert any(name.startswith("bond.0") for name in one.unexplained_support)


def test_what_a_twin_shows_is_said_by_tensors_of_the_model(monkeypatch) -> None:
    """Of a model that has null directions of no group."""
    monkeypatch.setattr(certification, "DENSE_PARAMETERS", 0)
    (case,) = [c for c in CASES if c.name == "residual-linear"]
    model, args, kwargs = case.build()
    found = symfind.analyze(model, args).certificate
    assert not kwargs and found.on == "twin" and found.status == "incomplete"
    assert sum(one.dimension for one in found.unexplained_sets) == found.unexplained
    names = {name for one in found.unexplained_sets for name in one.tensors}
    assert names and names == set(found.unexplained_support)
    assert names <= {name for name, _ in model.named_parameters()}
    assert found.known is not None and found.known + found.unexplained == found.nullity
    assert all(line.startswith("On a twin of ") for line in found.words.splitlines())


class Pairs(nn.Module):
    """A number for a user and an item: a function on finitely many pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(300, 6), nn.Embedding(200, 6)
        self.hidden, self.last = nn.Linear(12, 10), nn.Linear(10, 1)

    def forward(self, users, items):
        return self.last(self.hidden(torch.cat([self.user(users), self.item(items)], -1)).tanh())


def test_short_tables_that_a_twin_would_fill_are_made_longer() -> None:
    ids = torch.randint(300, (64,)), torch.randint(200, (64,))
    report = symfind.analyze(Pairs(), ids, verify=False, discovery=False)
    assert report.dimension.redundant == 2 * 6**2 + 2 * 6
    assert report.certificate.status == "complete", report.certificate.reason


class Deep(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.up = nn.ModuleList(nn.Linear(30, 50) for _ in range(layers))
        self.bond = nn.ModuleList(nn.Linear(50, 20) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(20, 30) for _ in range(layers))

    def forward(self, x):
        for up, bond, down in zip(self.up, self.bond, self.down, strict=True):
            x = x + down(bond(torch.tanh(up(x))))
        return x


class Stubborn(nn.Module):
    """An operation about whose sizes nothing is known, on a large index."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(20, 2000), nn.Linear(2000, 20)

    def forward(self, x):
        return self.last(torch.linalg.qr(self.first(x).unflatten(-1, (50, 40)))[0].flatten(-2))


def test_what_cannot_be_shrunk_is_named() -> None:
    found = certify_on_twins(question(Stubborn(), (torch.randn(3, 20),)))
    assert found.status == "skipped"
    assert "linalg_qr" in found.reason and "test_certify.py" in found.reason


# from the outside ---------------------------------------------------------------------------------
def test_analysis_of_a_model_that_is_too_large() -> None:
    torch.manual_seed(0)
    report = symfind.analyze(Handwritten(), (torch.randint(61, (2, 20)),))
    certificate = report.certificate
    assert certificate.status == "complete" and certificate.on == "twin"
    assert certificate.parameters < 6500 < report.dimension.parameters
    again = Report.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again.certificate.twins == certificate.twins


@pytest.mark.slow
def test_without_storage() -> None:
    """On the meta device, as the largest models are; groups of heads share keys."""
    settings = {
        "num_hidden_layers": 4, "hidden_size": 512, "num_attention_heads": 8,
        "num_key_value_heads": 4, "intermediate_size": 1000, "vocab_size": 3000,
        "tie_word_embeddings": False,
    }  # fmt: skip
    asked = {
        "settings": settings, "inputs": ("input_ids=i64<3000>[1,16]",), "verify": False,
        "formula": False,
    }  # fmt: skip
    found = symfind.analyze("transformers:LlamaForCausalLM", **asked).certificate
    assert found.status == "complete", found


def test_a_residual_network_at_its_own_widths() -> None:
    """ResNet-18 but for three blocks that repeat others: one stage has two, the others one."""
    prepare_torchvision()
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, [2, 1, 1, 1])
    found = symfind.analyze(model, torch.randn(1, 3, 64, 64), verify=False).certificate
    assert (found.status, found.on) == ("complete", "twin"), found


def test_one_seed_one_certificate(asked) -> None:
    assert certify_on_twins(asked) == certify_on_twins(asked)


def test_no_name_of_an_architecture() -> None:
    """Twins come from operations alone."""
    root = Path(certifying.__file__).parent
    text = " ".join(path.read_text().lower() for path in root.rglob("*.py"))
    assert not any(word in text for word in ("gpt", "llama", "bert", "resnet", "transformers"))
