"""Where factors act, in words, and what is said of many tensors and many sets."""

import io

import pytest
import torch
from rich.console import Console
from torch import nn

import symfind
from symfind.analysis.remainder import sentences
from symfind.report.certificate import NullSet
from symfind.report.terminal import render

SIZES = {
    "vocab_size": "40", "hidden_size": "32", "intermediate_size": "24", "num_hidden_layers": "2",
    "num_attention_heads": "4", "num_key_value_heads": "2", "head_dim": "8",
}  # fmt: skip


def test_sites_are_said_by_role_and_module() -> None:
    report = symfind.analyze(
        "transformers:Qwen3ForCausalLM", settings=SIZES, inputs=("input_ids=i64<40>[2,6]",),
        verify=False, certify="never",
    )  # fmt: skip
    sites = [f.site for f in report.factors]
    assert "residual stream" in sites
    assert "value of model.layers.*.self_attn: v_proj → o_proj" in sites
    assert "units of model.layers.*.mlp: up_proj → down_proj" in sites
    assert all("#" not in site for site in sites)
    (norm,) = (f for f in report.factors if "q_norm" in f.site)
    assert "equal on the pairs (i, i+4)" in norm.generator.text  # rotary partners
    (stream,) = (f for f in report.factors if f.site == "residual stream")
    assert "in all)" in stream.generator.text
    target = io.StringIO()
    render(report, Console(file=target, width=80), details=True)
    text = " ".join(target.getvalue().split())
    assert "in all)" not in text and "lm_head.weight -> lm_head.weight G R^T G^-1" in text
    assert "R is orthogonal and has determinant one" in text


def test_texts_that_were_false_are_true() -> None:
    gemma = symfind.analyze(
        "transformers:Gemma2ForCausalLM", settings=SIZES, inputs=("input_ids=i64<40>[2,6]",),
        verify=False, certify="never",
    )  # fmt: skip
    texts = " ".join(f.generator.text for f in gemma.factors)
    assert "input_layernorm.weight[i] -> s (input_layernorm.weight[i] + 1) - 1" in texts
    assert "commutes with the rotations of the pairs (i, i+4)" in texts
    assert "q_proj.weight holds every block of A 2 times" in texts  # grouped heads

    class Stream(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.norm, self.head = nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 2)
            self.up, self.down = nn.Linear(5, 4), nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.into(x)
            x = x + self.down(torch.tanh(self.up(self.norm(x))))
            return self.head(self.norm(x))

    report = symfind.analyze(Stream(), torch.randn(4, 3), certify="never")
    (rotation,) = (f for f in report.factors if f.kind == "rotation")
    assert "keeps the all-ones vector" in rotation.generator.text
    assert all("kappa x = c" in f.generator.text for f in report.factors if f.kind == "reach")


def test_generators_that_were_measured_together_say_so() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    report = symfind.analyze(model, torch.randn(6, 3), certify="never")
    residuals = [f.residual for f in report.factors]
    assert all(r is not None for r in residuals)
    assert all(r.together is None or r.together > 1 for r in residuals if r)


def test_at_most_five_sentences() -> None:
    sets = [NullSet("structural", 2, (f"w{i}",), words=f"kind {'abcdefg'[i]}") for i in range(7)]
    found = sentences(sets)
    assert len(found) == 5 and found[-1].startswith("6 more")
    alike = [NullSet("filling", i + 1, (f"w{i}",), words=f"rank {i}") for i in range(6)]
    (one,) = sentences(alike)
    assert one == "1 in w0; 2 in w1; 3 in w2; 15 in 3 more sets: rank 0."


PLACES = {
    "gpt2": {
        "query · key of transformer.h.*.attn: c_attn": "2 layers × 3 heads",
        "value of transformer.h.*.attn: c_attn → c_proj": "2 layers × 3 heads",
        "channels of transformer.h.*: ln_1 → attn.c_attn and 1 more": "4 norms × 12 channels",
    },
    "vit": {
        "query · key of blocks.*.attn: qkv": "2 layers × 3 heads",
        "value of blocks.*.attn: qkv → proj": "2 layers × 3 heads",
        "channels of blocks.*: norm1 → attn.qkv and 2 more": "5 norms × 24 channels",
        "residual stream": None,
    },
    "t5": {
        "query · key of encoder.block.*.layer.*.SelfAttention: q, k and 2 more":
            "6 layers × 4 heads",
        "units of encoder.block.*.layer.*.DenseReluDense: wi → wo and 1 more":
            "4 places × 24 units",
    },
    "mixtral": {
        "value of model.layers.*.self_attn: v_proj → o_proj": "2 layers × 2 heads",
        "units of model.layers.*.mlp: experts.gate_up_proj → experts.down_proj":
            "2 layers × 3 blocks × 24 units",
    },
    "resnet": {"channels: conv1 → bn1 and 11 more": None},
    "encoder": {
        "query · key of layers.*: self_attn.in_proj_weight": "3 layers × 4 heads",
        "units of layers.*: linear1 → linear2": "3 layers × 24 units",
    },
}  # fmt: skip
TOKENS = ("input_ids=i64<40>[2,6]",)


def opened(name: str) -> symfind.Session:
    if name == "encoder":
        layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True, dropout=0.0)
        return symfind.open(nn.TransformerEncoder(layer, 3), torch.randn(2, 5, 16))
    spec, settings, inputs = {
        "gpt2": ("transformers:GPT2LMHeadModel",
                 {"n_layer": 2, "n_embd": 12, "n_head": 3, "vocab_size": 40}, TOKENS),
        "vit": ("timm:vit_tiny_patch16_224",
                {"num_classes": 5, "depth": 2, "embed_dim": 24, "img_size": 32},
                ("f32[1,3,32,32]",)),
        "t5": ("transformers:T5ForConditionalGeneration",
               {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_heads": 4,
                "vocab_size": 40},
               ("input_ids=i64<40>[1,6]", "decoder_input_ids=i64<40>[1,6]")),
        "mixtral": ("transformers:MixtralForCausalLM",
                    {**{k: v for k, v in SIZES.items() if k != "head_dim"},
                     "num_local_experts": 3}, TOKENS),
        "resnet": ("torchvision:resnet18", {"num_classes": 5}, ("f32[1,3,32,32]",)),
    }[name]  # fmt: skip
    return symfind.open(spec, settings={k: str(v) for k, v in settings.items()}, inputs=inputs)


@pytest.mark.parametrize("name", PLACES)
def test_layers_heads_and_channels_are_counted(name: str) -> None:
    factors = opened(name).report(verify=False, certify="never").factors
    found = {f.site: f.spread for f in factors}
    assert {site: found.get(site, "absent") for site in PLACES[name]} == PLACES[name]
    assert all("bias →" not in f.site for f in factors if f.kind == "scaling")


def test_reports_and_generators_are_short_in_repr() -> None:
    report = opened("gpt2").report(verify=False, certify="never")
    assert "at query · key of transformer.h.*.attn: c_attn (2 layers × 3 heads)" in repr(report)
    factor = next(f for f in report.factors if f.kind == "gauge")
    (first, *_) = factor.recorded()
    assert repr(first).startswith("<general matrix, 48 coefficients, on transformer.h.0.attn")
    assert len(repr(first)) < 160 and "#" not in repr(report)
