"""Where factors act, in words, and what is said of many tensors and many sets."""

import io

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
