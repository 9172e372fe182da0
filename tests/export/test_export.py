"""Recipes and specs of other packages: written, and hand-written ones held against them."""

import json
import re
from functools import cache

import pytest
import torch
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.export import permuted, recipes
from symfind.export.checking import check, read, render
from symfind.export.pairs import matching, pairs, pattern

SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
MORE = {
    "LlamaForCausalLM": {},
    "MixtralForCausalLM": {"num_local_experts": 3},
    "Gemma2ForCausalLM": {"head_dim": 8},
    "Phi3ForCausalLM": {"pad_token_id": 0},
}
# the mapping that llm-compressor has for Llama, as its guide spells it
BY_HAND = [
    {"smooth_layer": "re:.*input_layernorm",
     "balance_layers": ["re:.*q_proj", "re:.*k_proj", "re:.*v_proj"]},
    {"smooth_layer": "re:.*v_proj", "balance_layers": ["re:.*o_proj"]},
    {"smooth_layer": "re:.*post_attention_layernorm",
     "balance_layers": ["re:.*gate_proj", "re:.*up_proj"]},
    {"smooth_layer": "re:.*up_proj", "balance_layers": ["re:.*down_proj"]},
]  # fmt: skip


@cache
def session(name: str) -> symfind.Session:
    settings = {key: str(value) for key, value in {**SIZES, **MORE[name]}.items()}
    return symfind.open(
        f"transformers:{name}", settings=settings, inputs=("input_ids=i64<40>[2,6]",)
    )


def report(name: str) -> symfind.Report:
    return session(name).report(verify=False, certify="never")


def test_the_mapping_of_llama_is_the_one_by_hand() -> None:
    found = report("LlamaForCausalLM")
    assert [c.verdict for c in check(BY_HAND, found, None)] == ["exact"] * 4
    entries, notes = recipes.mappings(found)
    modules = recipes.modules_of(found)

    def resolved(entry):
        balance = {m for b in entry["balance_layers"] for m in matching(b, modules)}
        return set(matching(entry["smooth_layer"], modules)), balance

    by_hand = [resolved(e) for e in BY_HAND]
    derived = [resolved(e) for e in entries]
    assert all(one in derived for one in by_hand)
    assert [d for d in derived if d not in by_hand] == [({"model.norm"}, {"lm_head"})]
    assert any("share each scale" in note for note in notes)  # two query heads to a value head
    assert check(entries, found, None) and all(
        c.verdict == "exact" for c in check(entries, found, None)
    )


def test_what_is_written_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    found = report("LlamaForCausalLM")
    wires = session("LlamaForCausalLM").explain(everything=True).wires
    for text in (recipes.awq(found), recipes.smoothquant(found), recipes.spinquant(found, wires)):
        content = yaml.safe_load(text)
        assert content["quant_stage"]["quant_modifiers"]
        if "mappings" in text and "SpinQuant" not in text:
            assert all(c.verdict == "exact" for c in check(content, found, None))


def test_spinquant_finds_the_parts_of_llama() -> None:
    yaml = pytest.importorskip("yaml")
    wires = session("LlamaForCausalLM").explain(everything=True).wires
    text = recipes.spinquant(report("LlamaForCausalLM"), wires)
    modifier = yaml.safe_load(text)["quant_stage"]["quant_modifiers"]["SpinQuantModifier"]
    parts = modifier["mappings"]
    assert modifier["rotations"] == ["R1", "R2"]
    assert parts["embedding"] == "model.embed_tokens" and parts["lm_head"] == "lm_head"
    assert parts["attn_head_dim"] == 8
    for key in ("attn_q", "attn_k", "attn_v", "attn_o"):
        assert re.search(rf"{key[-1]}_proj\$$", parts[key])
    assert {p[-9:] for p in parts["mlp_in"]} == {"ate_proj$", ".up_proj$"}
    assert [p.endswith("down_proj$") for p in parts["mlp_out"]] == [True]


def test_a_router_that_is_left_out_is_named() -> None:
    entry = [{
        "smooth_layer": "re:.*post_attention_layernorm",
        "balance_layers": ["re:.*experts.gate_up_proj"],
    }]  # fmt: skip
    (found,) = check(entry, report("MixtralForCausalLM"), None)
    assert found.verdict == "incomplete" and "mlp.gate reads" in found.reason


def test_what_a_mapping_by_hand_misses_in_other_models() -> None:
    wires = session("Gemma2ForCausalLM").explain(everything=True).wires
    found = check(BY_HAND, report("Gemma2ForCausalLM"), None, wires)
    assert [c.verdict for c in found] == ["exact", "exact", "broken", "exact"]
    assert found[0].reason == "acts on 1 + weight"
    assert any("1 + weight" in n for n in recipes.mappings(report("Gemma2ForCausalLM"))[1])
    assert "no R1: SO(32)" in recipes.spinquant(report("Gemma2ForCausalLM"), wires)
    packed = check(BY_HAND, report("Phi3ForCausalLM"), None)
    assert [c.verdict for c in packed] == ["exact", "incomplete", "exact", "incomplete"]
    _, notes = recipes.mappings(report("Phi3ForCausalLM"))
    assert any("only some of the channels" in n for n in notes)
    assert "2 of 4 entries are exact" in render(packed)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.b(self.a(x).relu()).relu())


def test_permutation_specs_are_held_against_the_derived_one() -> None:
    held = symfind.open(Net(), torch.randn(4, 3))
    spec = held.permutations()
    exact = check({"axes_to_perm": spec.axes_to_perm}, None, spec)
    assert exact and all(c.verdict == "exact" for c in exact)
    short = {"a.weight": ("P", None), "b.weight": (None, "P")}
    (found,) = check({"axes_to_perm": short}, None, spec)
    assert found.verdict == "incomplete" and "a.bias" in found.reason
    (found,) = check({"axes_to_perm": {"a.weight": ("P", "P")}}, None, spec)
    assert found.verdict == "broken"
    (found,) = check({"axes_to_perm": {"no.weight": ("P",)}}, None, spec)
    assert found.verdict == "unmatched"
    names: dict = {}
    exec(permuted.torch_pruning(spec), names)
    assert sorted(map(sorted, names["GROUPS"].values())) == [
        [("a", "out"), ("b", "in")],
        [("b", "out"), ("c", "in")],
    ]


def test_an_architecture_of_mergekit() -> None:
    held = session("LlamaForCausalLM")
    text = permuted.mergekit(
        held.permutations(verify=False), "Llama", ["model.embed_tokens.weight"]
    )
    found = json.loads(text)
    (table,) = found["pre_weights"]
    assert table["is_embed"] and table["output_space"]
    inside = {w["name"].rpartition("}.")[2]: w for w in found["layer_templates"]["weights"]}
    assert (
        inside["mlp.down_proj.weight"]["input_space"]
        == inside["mlp.up_proj.weight"]["output_space"]
    )
    assert inside["input_layernorm.weight"]["is_vector"]
    assert "${layer_index}" in inside["mlp.up_proj.weight"]["output_space"]


def test_patterns_match_these_modules_alone() -> None:
    modules = ["h.0.a", "h.1.a", "h.2.a", "h.0.b", "x.0.a"]
    for names in (["h.0.a", "h.1.a", "h.2.a"], ["h.0.a", "h.2.a"], ["h.0.b"]):
        assert matching(pattern(names, modules), modules) == names


def test_files_that_cannot_be_read(tmp_path) -> None:
    (tmp_path / "spec.py").write_text("axes_to_perm = {'w': ('P', None)}\nx = print()\n")
    assert read(str(tmp_path / "spec.py")) == {"axes_to_perm": {"w": ("P", None)}}
    (tmp_path / "bad.py").write_text("axes_to_perm = {")
    with pytest.raises(InputError, match="bad.py"):
        read(str(tmp_path / "bad.py"))
    with pytest.raises(InputError, match="neither mappings"):
        check({}, report("LlamaForCausalLM"), None)
    assert pairs(report("LlamaForCausalLM"))
