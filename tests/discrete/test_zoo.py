"""Published architectures at small sizes; what Git Re-Basin tabulates by hand for ResNets."""

import pytest
import torch
from torch import nn

import symfind
from symfind.discrete import discrete_part
from symfind.load import load
from symfind.report import Report
from symfind.report.discrete import Discrete
from symfind.session import analyze
from symfind.solve.solver import derive
from symfind.trace import trace
from symfind.verify import Function
from tests.ground_truth.vision import torchvision_schema

TOKENS = ["input_ids=i64<11>[2,5]"]
GPT2 = {"n_layer": "2", "n_embd": "6", "n_head": "3", "n_inner": "7", "vocab_size": "11"}
LLAMA = {
    "num_hidden_layers": "2", "hidden_size": "16", "num_attention_heads": "8",
    "num_key_value_heads": "2", "intermediate_size": "7", "vocab_size": "11",
}  # fmt: skip


def part(name: str, settings: dict[str, str], **more: str) -> tuple[Discrete, ...]:
    torchvision_schema()
    loaded = load(f"transformers:{name}", inputs=TOKENS, settings={**settings, **more}, seed=0)
    model, given = loaded.model, loaded.inputs
    graph = trace(model, given.args, given.kwargs)
    shapes = {key: tuple(op.shape or ()) for key, op in graph.parameters.items()}
    found = discrete_part(derive(graph), shapes, Function(model, given.args, given.kwargs))
    assert all(d.residual is not None and d.residual < 1e-12 for d in found)
    return found


def groups(found: tuple[Discrete, ...], kind: str) -> list[str]:
    return sorted(d.group for d in found if d.kind == kind)


def test_gpt2_tied_keeps_the_permutations_of_its_residual_stream() -> None:
    found = part("GPT2LMHeadModel", GPT2)
    assert groups(found, "permutation") == ["S_3^2", "S_6", "S_7^2"]
    # gains of the four norms that linear maps read; the whole stream, for norms are odd
    assert groups(found, "sign") == ["(Z/2)^24", "Z/2"]
    assert groups(found, "reflection") == ["(Z/2)^6", "(Z/2)^6"]  # query-key, value-output
    axes = next(d for d in found if d.group == "S_6").places[0].axes
    assert axes["transformer.wte.weight"] == (1,)
    assert axes["transformer.h.1.attn.c_proj.weight"] == (1,)
    assert axes["transformer.ln_f.bias"] == (0,)


def test_gpt2_untied_rotates_its_residual_stream() -> None:
    found = part("GPT2LMHeadModel", GPT2, tie_word_embeddings="false")
    assert groups(found, "permutation") == ["S_3^2", "S_7^2"]
    assert groups(found, "sign") == ["(Z/2)^24", "(Z/2)^6"]
    assert groups(found, "reflection") == ["(Z/2)^6", "(Z/2)^6", "Z/2"]  # and O(5) / SO(5)


def test_llama_with_grouped_queries() -> None:
    tied = part("LlamaForCausalLM", LLAMA, tie_word_embeddings="true")
    assert groups(tied, "permutation") == ["(S_4 wr S_2)^2", "S_16", "S_7^2"]
    assert groups(tied, "sign") == ["(Z/2)^14", "(Z/2)^16", "(Z/2)^64"]
    untied = part("LlamaForCausalLM", LLAMA, tie_word_embeddings="false")
    assert groups(untied, "permutation") == ["(S_4 wr S_2)^2", "S_7^2"]
    assert groups(untied, "reflection") == ["(Z/2)^4", "Z/2"]  # values; O(16) / SO(16)


def test_a_report_holds_it_and_reads_back() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    report = analyze(model, torch.randn(16, 6), certify="never")
    assert [d.group for d in report.discrete] == ["S_5", "(Z/2)^5"]
    assert Report.from_json(report.to_json()) == report


def test_resnet_against_the_table_of_git_rebasin() -> None:
    """Its rule: the channels of a stage are one permutation, those inside a block another."""
    torchvision_schema()
    spec = symfind.permutations("torchvision:resnet18", inputs=["f32[1,3,64,64]"], verify=False)
    stages = {1: "P_conv1", **{s: f"P_layer{s}.0.conv2" for s in (2, 3, 4)}}
    expected: dict[str, tuple[str | None, ...]] = {"conv1.weight": ("P_conv1", None, None, None)}
    for key in ("weight", "bias", "running_mean", "running_var"):
        expected[f"bn1.{key}"] = ("P_conv1",)
    for stage, block in ((s, b) for s in stages for b in (0, 1)):
        own, path = f"P_layer{stage}.{block}.conv1", f"layer{stage}.{block}"
        outer = stages[stage]
        before = stages[max(stage - 1, 1)] if block == 0 else outer
        expected[f"{path}.conv1.weight"] = (own, before, None, None)
        expected[f"{path}.conv2.weight"] = (outer, own, None, None)
        for key in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{path}.bn1.{key}"] = (own,)
            expected[f"{path}.bn2.{key}"] = (outer,)
            if stage > 1 and block == 0:
                expected[f"{path}.downsample.1.{key}"] = (outer,)
        if stage > 1 and block == 0:
            expected[f"{path}.downsample.0.weight"] = (outer, before, None, None)
    expected["fc.weight"], expected["fc.bias"] = (None, stages[4]), (None,)
    assert spec.axes_to_perm == expected


def test_a_large_model_is_derived_without_weights() -> None:
    torchvision_schema()
    spec = symfind.permutations(
        "transformers:LlamaForCausalLM",
        inputs=["input_ids=i64<11>[1,4]"],
        settings={"num_hidden_layers": "2", "num_key_value_heads": "8"},
        verify=False,
    )
    sizes = {(p.size, p.copies) for p in spec.perms.values()}
    assert sizes == {(4096, ()), (8, ()), (4, (8,)), (128, (8,)), (11008, ())}
    q = spec.axes_to_perm["model.layers.0.self_attn.q_proj.weight"][0]
    assert q == "P_model.layers.0.self_attn.q_proj*P_model.layers.0.self_attn.q_proj.2*128"


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "mobilenetv3_small_050", "convnext_atto"])
def test_timm(name: str) -> None:
    torchvision_schema()
    torch.manual_seed(0)
    spec = symfind.permutations(f"timm:{name}", inputs=["f32[1,3,224,224]"])
    assert spec.perms and spec.residual is not None and spec.residual < 1e-10
    assert not spec.apart
