"""Every record is printed to JSON, read back, and applied: the function stays as it is."""

import pytest
import torch
from torch import nn

import symfind
from symfind.catalog import entries
from symfind.load import Inputs
from tests.action.harness import examine
from tests.ground_truth.models import CASES, Case

MODULES = ("blocks:", "models.units:", "models.decoder:")
BLOCKS = [e for e in entries() if e.spec.startswith(tuple(f"symfind.catalog.{m}" for m in MODULES))]
SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
MOE = {**SIZES, "moe_intermediate_size": 8, "num_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    **SIZES, "num_key_value_heads": 4, "moe_intermediate_size": 8, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "q_lora_rank": 12,
    "kv_lora_rank": 10, "qk_rope_head_dim": 4, "qk_nope_head_dim": 6, "v_head_dim": 8,
    "first_k_dense_replace": 0, "n_shared_experts": 1,
}  # fmt: skip
PLAIN = {name: n for name, n in SIZES.items() if name != "num_key_value_heads"}
TOKENS = ("input_ids=i64<40>[2,6]",)
PAIR = ("input_ids=i64<40>[1,6]", "decoder_input_ids=i64<40>[1,6]")
IMAGE, LARGE = ("f32[1,3,32,32]",), ("f32[1,3,64,64]",)
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
        PAIR,
    ),
    "transformers:OPTForCausalLM": (
        {"vocab_size": 40, "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 1,
         "num_attention_heads": 4, "word_embed_proj_dim": 16, "max_position_embeddings": 32},
        TOKENS,
    ),
    "transformers:BloomForCausalLM": (
        {"vocab_size": 40, "hidden_size": 32, "n_layer": 1, "n_head": 4}, TOKENS,
    ),
    "transformers:GPTJForCausalLM": (
        {"vocab_size": 40, "n_embd": 32, "n_layer": 1, "n_head": 4, "rotary_dim": 4,
         "n_positions": 32},
        TOKENS,
    ),
    "transformers:MptForCausalLM": (
        {"vocab_size": 40, "d_model": 32, "n_layers": 1, "n_heads": 4, "expansion_ratio": 2},
        TOKENS,
    ),
    "transformers:GemmaForCausalLM": ({**SIZES, "head_dim": 8}, TOKENS),
    "transformers:Gemma3ForCausalLM": ({**SIZES, "head_dim": 8, "sliding_window": 8}, TOKENS),
    "transformers:PhiForCausalLM": (PLAIN, TOKENS),
    "transformers:FalconForCausalLM": (
        {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
         "bias": False},
        TOKENS,
    ),
    "transformers:OlmoForCausalLM": (SIZES, TOKENS),
    "transformers:Olmo2ForCausalLM": (SIZES, TOKENS),
    "transformers:CohereForCausalLM": (SIZES, TOKENS),
    "transformers:GlmForCausalLM": (
        {**SIZES, "head_dim": 8, "attention_bias": True, "pad_token_id": 0}, TOKENS,
    ),
    "transformers:SmolLM3ForCausalLM": (
        {**SIZES, "pad_token_id": 0, "tie_word_embeddings": True}, TOKENS,
    ),
    "transformers:Llama4ForCausalLM": (
        {**SIZES, "intermediate_size_mlp": 24, "head_dim": 8, "num_local_experts": 2,
         "num_experts_per_tok": 1, "pad_token_id": 0},
        TOKENS,
    ),
    "transformers:Qwen2MoeForCausalLM": ({**MOE, "shared_expert_intermediate_size": 8}, TOKENS),
    "transformers:Qwen3MoeForCausalLM": (MOE, TOKENS),
    "transformers:OlmoeForCausalLM": (
        {**SIZES, "num_experts": 4, "num_experts_per_tok": 2}, TOKENS,
    ),
    "transformers:DeepseekV2ForCausalLM": (LATENT, TOKENS),
    "transformers:DeepseekV3ForCausalLM": (LATENT, TOKENS),
    "transformers:GptOssForCausalLM": (
        {**SIZES, "head_dim": 8, "num_local_experts": 3, "num_experts_per_tok": 2}, TOKENS,
    ),
    "transformers:MambaForCausalLM": (
        {"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 1, "state_size": 4}, TOKENS,
    ),
    "transformers:RwkvForCausalLM": (
        {"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 2, "attention_hidden_size": 12,
         "intermediate_size": 16},
        TOKENS,
    ),
    "transformers:RobertaForMaskedLM": ({**PLAIN, "type_vocab_size": 1}, TOKENS),
    "transformers:DistilBertForMaskedLM": (
        {"vocab_size": 40, "dim": 16, "n_layers": 1, "n_heads": 4, "hidden_dim": 24}, TOKENS,
    ),
    "transformers:AlbertForMaskedLM": ({**PLAIN, "embedding_size": 8}, TOKENS),
    "transformers:ModernBertForMaskedLM": ({**PLAIN, "pad_token_id": 0}, TOKENS),
    "transformers:BartForConditionalGeneration": (
        {"vocab_size": 40, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
         "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
         "decoder_ffn_dim": 24, "max_position_embeddings": 32},
        PAIR,
    ),
    "torchvision:squeezenet1_1": ({"num_classes": 5}, LARGE),
    "torchvision.models.densenet:DenseNet": (
        {"num_classes": 5, "block_config": (2, 2), "growth_rate": 4, "num_init_features": 8},
        LARGE,
    ),
    "timm.models.mlp_mixer:MlpMixer": (
        {"num_classes": 5, "num_blocks": 1, "img_size": 32, "embed_dim": 24}, IMAGE,
    ),
    "timm.models.convmixer:ConvMixer": ({"num_classes": 5, "dim": 16, "depth": 1}, IMAGE),
    "timm.models.metaformer:MetaFormer": (
        {"num_classes": 5, "depths": (1, 1), "dims": (8, 12)}, IMAGE,
    ),
    "timm:beit_base_patch16_224": (
        {"num_classes": 5, "depth": 1, "embed_dim": 24, "num_heads": 3, "img_size": 32}, IMAGE,
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
    _, missing = examine(symfind.open(entry.spec, settings=dict(entry.settings)))
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
