"""Mixtures of experts of transformers: the same function, and all of its symmetries."""

from typing import Any

import pytest
import torch

import symfind
from symfind.errors import TraceError
from symfind.load.experts import dense_experts

transformers = pytest.importorskip("transformers")

SMALL: dict[str, Any] = {
    "hidden_size": 6, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
    "num_experts_per_tok": 2, "rms_norm_eps": 1e-3, "pad_token_id": None, "bos_token_id": None,
    "eos_token_id": None,
}  # fmt: skip
LATENT = {
    "kv_lora_rank": 2, "q_lora_rank": 3, "qk_rope_head_dim": 2, "qk_nope_head_dim": 2,
    "v_head_dim": 2, "n_group": 2, "topk_group": 1, "n_shared_experts": 1, "n_routed_experts": 4,
    "moe_intermediate_size": 2, "first_k_dense_replace": 0,
}  # fmt: skip
# How many directions the mixture itself has: one scale for every unit of every expert (not where
# the up projection is clamped), and what all experts' logits share (not behind a sigmoid).
CASES = {
    "MixtralForCausalLM": (
        {"intermediate_size": 2, "num_local_experts": 4, "head_dim": 2, "vocab_size": 11},
        {"mlp.experts": 4 * 2, "mlp.gate": 6},
    ),
    "Qwen2MoeForCausalLM": (
        {"moe_intermediate_size": 2, "shared_expert_intermediate_size": 3, "num_experts": 4,
         "vocab_size": 11},
        {"mlp.experts": 4 * 2, "mlp.shared_expert": 3, "mlp.gate": 6},
    ),
    "DeepseekV2ForCausalLM": (
        {**LATENT, "vocab_size": 20},
        {"mlp.experts": 4 * 2, "mlp.shared_experts": 2, "mlp.gate": 6},
    ),
    "DeepseekV3ForCausalLM": (
        {**LATENT, "vocab_size": 20}, {"mlp.experts": 4 * 2, "mlp.shared_experts": 2},
    ),
    "GptOssForCausalLM": (
        {"intermediate_size": 2, "num_local_experts": 4, "head_dim": 2, "vocab_size": 30,
         "swiglu_limit": 0.7},
        {"mlp.router": 6 + 1},
    ),
}  # fmt: skip


def small(name: str, settings: dict[str, Any]) -> Any:
    """A model of a transformers class, with weights that are not the initial ones."""
    kind = getattr(transformers, name)
    torch.manual_seed(0)
    model = kind(kind.config_class(**SMALL, **settings)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@pytest.mark.parametrize("name", CASES)
def test_every_symmetry_is_found(name: str) -> None:
    settings, own = CASES[name]
    tokens = f"input_ids=i64<{settings['vocab_size']}>[1,6]"
    report = symfind.analyze(
        f"transformers:{name}", settings={**SMALL, **settings}, inputs=[tokens], formula=False
    )
    certificate = report.certificate
    assert report.verification.status == "verified" and not report.unsupported
    assert certificate.status == "complete", (report.dimension.redundant, certificate.nullity)
    found = dict.fromkeys(own, 0)
    for factor in report.factors:
        for place in own:
            if all(f".{place}." in tensor for tensor in factor.parameters):
                found[place] += factor.total
    assert found == own


@pytest.mark.parametrize("name", CASES)
def test_dense_experts_are_the_same_function(name: str) -> None:
    model = small(name, CASES[name][0])
    model.config._experts_implementation = "eager"
    tokens = torch.randint(11, (2, 6))
    with torch.no_grad():
        expected = model(tokens).logits
        with dense_experts(model):
            assert model.config._experts_implementation != "eager"
            found = model(tokens).logits
        assert model.config._experts_implementation == "eager"
    torch.testing.assert_close(found, expected)


def test_a_model_that_is_passed_keeps_its_experts() -> None:
    model = small("MixtralForCausalLM", CASES["MixtralForCausalLM"][0])
    before = model.config._experts_implementation
    report = symfind.analyze(model, {"input_ids": torch.randint(11, (1, 6))}, certify="never")
    assert report.verification.status == "verified"
    assert model.config._experts_implementation == before


def test_a_route_that_depends_on_data_is_named() -> None:
    class Loop(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = torch.nn.Linear(3, 2)
            self.experts = torch.nn.ModuleList(torch.nn.Linear(3, 3) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            chosen = self.gate(x).argmax(-1)
            y = torch.zeros_like(x)
            for i, expert in enumerate(self.experts):
                rows = torch.where(chosen == i)[0]
                if len(rows) > 0:
                    y[rows] = expert(x[rows])
            return y

    with pytest.raises(TraceError, match=r"test_experts\.py.*rows = torch\.where"):
        symfind.analyze(Loop(), torch.randn(5, 3))
