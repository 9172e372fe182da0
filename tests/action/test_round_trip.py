"""Every record is printed to JSON, read back, and applied: the function stays as it is."""

import pytest
import torch
from torch import nn

import symfind
from symfind.catalog import entries
from symfind.load import Inputs
from tests.action.harness import examine
from tests.ground_truth.models import CASES, Case

MODULE = "symfind.catalog.blocks:"  # others are like these
BLOCKS = [entry for entry in entries() if entry.spec.startswith(MODULE)]
SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
PLAIN = {name: n for name, n in SIZES.items() if name != "num_key_value_heads"}
TOKENS = ("input_ids=i64<40>[2,6]",)
IMAGE = ("f32[1,3,32,32]",)
# the architectures of the catalog, and others that pack, group, tie or offset, at small sizes
SMALL = {
    "transformers:GPT2LMHeadModel": (
        {"n_layer": 1, "n_embd": 12, "n_head": 3, "vocab_size": 40}, TOKENS,
    ),
    "transformers:GPTNeoXForCausalLM": (PLAIN, TOKENS),
    "transformers:LlamaForCausalLM": (SIZES, TOKENS),
    "transformers:MistralForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Qwen2ForCausalLM": ({**SIZES, "tie_word_embeddings": True}, TOKENS),
    "transformers:Qwen3ForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Gemma2ForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Phi3ForCausalLM": ({**SIZES, "pad_token_id": 0}, TOKENS),
    "transformers:MixtralForCausalLM": ({**SIZES, "num_local_experts": 3}, TOKENS),
    "transformers:BertForMaskedLM": (PLAIN, TOKENS),
    "transformers:T5ForConditionalGeneration": (
        {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4, "vocab_size": 40},
        ("input_ids=i64<40>[1,6]", "decoder_input_ids=i64<40>[1,6]"),
    ),
    "torchvision:resnet18": ({"num_classes": 5}, IMAGE),
    "timm:convnext_atto": ({"num_classes": 5, "depths": (1, 1, 1, 1)}, IMAGE),
    "timm:vit_tiny_patch16_224": ({"num_classes": 5, "depth": 1, "img_size": 32}, IMAGE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows(case: Case) -> None:
    model, args, kwargs = case.build()
    inputs = Inputs(args, kwargs, dict(case.bounds))
    session = symfind.open(model, inputs, output=case.output, train=case.train)
    applied, missing = examine(session)
    assert not missing
    assert applied == len(session.derivation.families)


@pytest.mark.parametrize("entry", BLOCKS, ids=lambda entry: entry.slug)
def test_blocks(entry) -> None:
    _, missing = examine(symfind.open(entry.spec))
    assert not missing


@pytest.mark.parametrize("spec", SMALL)
def test_architectures(spec: str) -> None:
    settings, inputs = SMALL[spec]
    settings = {name: str(value) for name, value in settings.items()}
    applied, missing = examine(symfind.open(spec, settings=settings, inputs=inputs))
    assert applied and not missing


def test_origins_that_depend_on_other_tensors() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(4, 2),
    ).eval()  # fmt: skip
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    applied, missing = examine(symfind.open(model, torch.randn(4, 2, 3, 3)))
    assert applied > 3 and not missing


def test_masks_and_reordered_channels() -> None:
    from tests.rules.test_rules import CASES as RULES

    for case in RULES:
        if case.name.startswith(("mask-", "shuffle", "channel")):
            model, args = case.build()
            _, missing = examine(symfind.open(model, Inputs(args, {}, {}), train=case.train))
            assert not missing, case.name
