"""What is written in a form of another package is exact by the check of such files."""

import json

import pytest
import torch
import yaml
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.export import architecture, mergekit, recipes
from symfind.export.checking import check
from symfind.export.groups import directions_of
from symfind.export.reading import read
from tests.export.test_export import report, session


def test_statistics_that_move_are_tensors_of_an_architecture() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    held = symfind.open(nn.Sequential(*layers).eval(), torch.randn(2, 3, 8, 8))
    spec = held.permutations(verify=False)
    about = mergekit.Facts("N", outputs=directions_of(held.derivation.lowered.nodes))
    for spaces in (False, True):
        content = json.loads(mergekit.mergekit(spec, about, spaces))
        assert {c.verdict for c in check(content, None, spec)} == {"exact"}


class Packed(nn.Module):
    """Keys and values of every head side by side in one matrix, under a norm; no numbered layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(11, 12), nn.RMSNorm(12)
        self.q, self.kv = nn.Linear(12, 8, bias=False), nn.Linear(12, 14, bias=False)
        self.o, self.last, self.head = nn.Linear(6, 12), nn.RMSNorm(12), nn.Linear(12, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.table(tokens)
        y = self.norm(x)
        q = self.q(y).unflatten(-1, (2, 4)).transpose(1, 2)
        k, v = self.kv(y).unflatten(-1, (2, 7)).transpose(1, 2).split([4, 3], -1)
        z = ((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2)
        return self.head(self.last(x + self.o(z)))


@pytest.mark.parametrize("form", ("awq", "smoothquant", "spinquant", "mergekit"))
def test_what_is_written_passes_its_own_check(form: str, tmp_path) -> None:
    held = symfind.open(Packed(), torch.randint(11, (2, 5)))
    found, spec = held.report(verify=False, certify="never"), held.permutations(verify=False)
    wires = held.explain(everything=True).wires
    if form == "mergekit":
        outputs = directions_of(held.derivation.lowered.nodes)
        text = mergekit.mergekit(spec, mergekit.Facts("N", outputs=outputs), True)
        assert '"is_embed": true' in text  # though no config counts tokens
    elif form == "spinquant":
        text = recipes.spinquant(found, wires)
        assert "rotations: [R1]" in text and "no R2: kv holds more than values" in text
        assert "embedding: 'table'" in text and "lm_head: 'head'" in text
    else:
        text = getattr(recipes, form)(found)
    path = tmp_path / "file.yaml"
    path.write_text(text)
    checked = check(read(str(path)), found, spec, wires)
    assert checked and {c.verdict for c in checked} == {"exact"}, checked


def test_sides_that_a_form_cannot_say_are_left_out() -> None:
    layers = (nn.ConvTranspose2d(3, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 5, 3), nn.ReLU(),
              nn.Conv2d(5, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))  # fmt: skip
    held = symfind.open(nn.Sequential(*layers), torch.randn(2, 3, 8, 8))
    spec = held.permutations(verify=False)
    about = mergekit.Facts("N", outputs=directions_of(held.derivation.lowered.nodes))
    content = json.loads(mergekit.mergekit(spec, about, True))
    assert {c.verdict for c in check(content, None, spec)} == {"exact"}
    said = {w[k] for w in architecture.weights(content) for k in w if k.endswith("_space")}
    assert said == {"P_4"}


@pytest.mark.parametrize("name", ("DeepseekV3ForCausalLM", "Phi3ForCausalLM"))
def test_recipes_and_architectures_are_right_about_latents_and_packs(name: str) -> None:
    held, found = session(name), report(name)
    wires, spec = held.explain(everything=True).wires, held.permutations(verify=False)
    about = mergekit.facts(
        held.loaded.model, held.loaded.name, directions_of(held.derivation.lowered.nodes)
    )
    for text in (recipes.spinquant(found, wires), mergekit.mergekit(spec, about, True)):
        checked = check(yaml.safe_load(text), found, spec, wires)
        assert {c.verdict for c in checked} == {"exact"}, checked
    if name.startswith("Deepseek"):
        mapping = yaml.safe_load(recipes.spinquant(found, wires))["quant_stage"]
        modifier = mapping["quant_modifiers"]["SpinQuantModifier"]
        assert modifier["rotations"] == ["R1"]  # values are packed with keys
        assert modifier["mappings"]["attn_q"].rstrip("$").endswith("q_a_proj")


def test_an_empty_recipe_is_said_to_be_empty() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    found = symfind.open(model, torch.randn(5, 3)).report(verify=False, certify="never")
    text = recipes.awq(found)
    assert "# there is no pair that a mapping can name" in text
    with pytest.raises(InputError, match="empty list of mappings"):
        check(yaml.safe_load(text), found, None)
