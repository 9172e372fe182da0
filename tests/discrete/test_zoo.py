"""Published architectures at small sizes; what Git Re-Basin tabulates by hand for ResNets."""

import pytest
import torch

import symfind
from symfind.analysis import analyze
from symfind.report import Report
from tests.ground_truth.vision import torchvision_schema

TOKENS = ["input_ids=i64<11>[2,5]"]
GPT2 = {"n_layer": "2", "n_embd": "12", "n_head": "3", "n_inner": "7", "vocab_size": "11"}
LLAMA = {
    "num_hidden_layers": "2", "hidden_size": "16", "num_attention_heads": "8",
    "num_key_value_heads": "2", "intermediate_size": "7", "vocab_size": "11",
}  # fmt: skip


def report(name: str, settings: dict[str, str], **more: str) -> Report:
    torchvision_schema()
    spec = f"transformers:{name}"
    return analyze(spec, inputs=TOKENS, settings={**settings, **more}, certify="never")


def finite(found: Report) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {"permutation": set(), "sign": set(), "reflection": set()}
    for item in found.discrete:
        assert item.residual is not None and item.residual < 1e-12
        kinds[item.kind].add(item.group)
    return kinds


def test_gpt2_tied_keeps_the_permutations_of_its_residual_stream() -> None:
    kinds = finite(report("GPT2LMHeadModel", GPT2))
    assert kinds["permutation"] == {"S_12", "S_3^2", "S_7^2"}
    # gains of the four norms that linear maps read; the whole stream (norms are odd)
    assert kinds["sign"] == {"(Z/2)^48", "Z/2"}
    assert kinds["reflection"] == {"(Z/2)^6"}  # query-key, value-output


def test_gpt2_untied_rotates_its_residual_stream() -> None:
    kinds = finite(report("GPT2LMHeadModel", GPT2, tie_word_embeddings="false"))
    assert kinds["permutation"] == {"S_3^2", "S_7^2"}
    assert kinds["sign"] == {"(Z/2)^48", "(Z/2)^12"}
    assert kinds["reflection"] == {"(Z/2)^6", "Z/2"}  # and O(11) / SO(11)


def test_llama_with_grouped_queries() -> None:
    tied = finite(report("LlamaForCausalLM", LLAMA, tie_word_embeddings="true"))
    assert tied["permutation"] == {"S_16", "(S_4 wr S_2)^2", "S_7^2"}
    assert tied["sign"] == {"(Z/2)^64", "(Z/2)^16", "(Z/2)^14"}
    untied = finite(report("LlamaForCausalLM", LLAMA, tie_word_embeddings="false"))
    assert untied["permutation"] == {"(S_4 wr S_2)^2", "S_7^2"}
    assert untied["reflection"] == {"Z/2", "(Z/2)^4"}  # O(16) / SO(16); values


def test_the_residual_permutation_moves_every_norm() -> None:
    found = report("GPT2LMHeadModel", GPT2)
    item = next(d for d in found.discrete if d.group == "S_12")
    axes = item.places[0].axes
    assert axes["transformer.wte.weight"] == (1,)
    assert axes["transformer.h.1.attn.c_proj.weight"] == (1,)
    assert axes["transformer.ln_f.bias"] == (0,)


def test_the_report_reads_back() -> None:
    found = report("GPT2LMHeadModel", GPT2)
    assert Report.from_json(found.to_json()) == found


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


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "mobilenetv3_small_050"])
def test_timm(name: str) -> None:
    torchvision_schema()
    torch.manual_seed(0)
    spec = symfind.permutations(f"timm:{name}", inputs=["f32[1,3,224,224]"])
    assert spec.perms and spec.residual is not None and spec.residual < 1e-10
    assert not spec.apart
