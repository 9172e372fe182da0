"""What `explain` says would restore a rotation of the residual stream does restore it."""

import re

import pytest
import torch
from torch import nn

import symfind
from symfind.report.explained import Wire, render
from tests.describe.test_explained import OPT, SIZES

TIED = {
    "Gemma2": {**SIZES, "head_dim": 8},
    "Qwen2": {**SIZES, "tie_word_embeddings": True},
    "Cohere": SIZES,
    "OPT": OPT,
}


def stream(model: nn.Module) -> Wire:
    inputs = {"input_ids": torch.randint(0, 40, (2, 6))}
    (found,) = (
        w for w in symfind.open(model, inputs).explain(rotation=True).wires
        if w.role == "residual stream"
    )  # fmt: skip
    return found


def made(name: str) -> nn.Module:
    import transformers

    kind = getattr(transformers, f"{name}ForCausalLM")
    return kind(kind.config_class(**TIED[name])).eval()


def constant(model: nn.Module, text: str) -> None:
    """Gains that a text names are no parameters any longer."""
    for name in re.findall(r"(\w+)\.weight", text):
        for path, module in list(model.named_modules()):
            if path.endswith(f".{name}") and module.weight.ndim == 1:
                gain = torch.full_like(module.weight.detach(), 0.7)
                del module.weight
                module.register_buffer("weight", gain)


@pytest.mark.parametrize("name", TIED)
@pytest.mark.parametrize("way", ("untie", "constant"))
def test_what_would_restore_the_rotation_does(name: str, way: str) -> None:
    model = made(name)
    before = stream(model)
    assert before.almost and not before.group
    assert any("embed_tokens.weight" in n for n in before.writers)
    assert any("embed_tokens.weight" in n for n in before.readers)  # it reads as well
    undone = list(dict.fromkeys(r.restores for r in before.reasons if r.restores))
    for text in undone:
        untie, _, gains = text.rpartition("or ")
        if way == "untie" and untie:
            assert "untie embed_tokens.weight" in untie
            model.lm_head.weight = nn.Parameter(torch.randn_like(model.lm_head.weight))
        else:
            constant(model, gains)
    after = stream(model)
    assert after.group == before.kept and after.group.startswith("SO(")


def test_nothing_less_restores_it() -> None:
    model = made("Gemma2")
    model.lm_head.weight = nn.Parameter(torch.randn_like(model.lm_head.weight))
    left = stream(model)
    assert left.almost and not left.group
    assert all("untie" not in r.restores for r in left.reasons)
    assert "post_feedforward_layernorm.weight" in " ".join(r.words for r in left.reasons)


def test_layers_and_heads_are_counted() -> None:
    model = made("Qwen2")
    inputs = {"input_ids": torch.randint(0, 40, (2, 6))}
    text = render(symfind.open(model, inputs).explain(between=("v_proj", "o_proj")))
    assert "v_proj → o_proj (2 heads)" in text
