"""Recipes and specs of other packages: written, and hand-written ones held against them."""

import json
import re
from functools import cache

import pytest
import torch
from torch import nn

import symfind
from symfind.errors import InputError
from symfind.export import architecture, mergekit, permuted, recipes
from symfind.export.checking import check
from symfind.export.groups import directions_of, of_sides
from symfind.export.mappings import Scales
from symfind.export.pairs import matching, modules_of, pairs, pattern
from symfind.export.reading import read
from symfind.export.verdicts import render

SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
}  # fmt: skip
MLA = {
    "moe_intermediate_size": 8, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1,
    "topk_group": 1, "q_lora_rank": 12, "kv_lora_rank": 10, "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 6, "v_head_dim": 8, "first_k_dense_replace": 1, "num_key_value_heads": 4,
}  # fmt: skip
MORE = {
    "LlamaForCausalLM": {},
    "Qwen2ForCausalLM": {"tie_word_embeddings": True},
    "Qwen3ForCausalLM": {"head_dim": 8},
    "CohereForCausalLM": {},
    "DeepseekV3ForCausalLM": MLA,
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
    modules = modules_of(found)

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


# modules of every layer: who writes channels, and who reads them
WRITTEN = {
    "Qwen2ForCausalLM": {
        "input_layernorm": "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
        "post_attention_layernorm": "mlp.gate_proj mlp.up_proj",
        "self_attn.v_proj": "self_attn.o_proj", "mlp.up_proj": "mlp.down_proj",
    },
    "Qwen3ForCausalLM": {
        "input_layernorm": "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
        "post_attention_layernorm": "mlp.gate_proj mlp.up_proj",
        "self_attn.v_proj": "self_attn.o_proj", "mlp.up_proj": "mlp.down_proj",
    },
    "Gemma2ForCausalLM": {
        "input_layernorm": "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
        "pre_feedforward_layernorm": "mlp.gate_proj mlp.up_proj",
        "self_attn.v_proj": "self_attn.o_proj", "mlp.up_proj": "mlp.down_proj",
    },
    "CohereForCausalLM": {
        "input_layernorm":
            "self_attn.q_proj self_attn.k_proj self_attn.v_proj mlp.gate_proj mlp.up_proj",
        "self_attn.v_proj": "self_attn.o_proj", "mlp.up_proj": "mlp.down_proj",
    },
    "Phi3ForCausalLM": {
        "input_layernorm": "self_attn.qkv_proj", "self_attn.qkv_proj": "self_attn.o_proj",
        "post_attention_layernorm": "mlp.gate_up_proj", "mlp.gate_up_proj": "mlp.down_proj",
    },
    "MixtralForCausalLM": {
        "input_layernorm": "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
        "post_attention_layernorm": "mlp.gate mlp.experts.gate_up_proj",
        "self_attn.v_proj": "self_attn.o_proj",
        "mlp.experts.gate_up_proj": "mlp.experts.down_proj",
    },
    "DeepseekV3ForCausalLM": {
        "input_layernorm": "self_attn.q_a_proj self_attn.kv_a_proj_with_mqa",
        "self_attn.q_a_layernorm": "self_attn.q_b_proj",
        "self_attn.kv_a_layernorm": "self_attn.kv_b_proj",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_mappings_of_other_models(name: str) -> None:
    found, layers = report(name), "model.layers.1."
    entries, _ = recipes.mappings(found)
    assert entries and all(c.verdict == "exact" for c in check(entries, found))
    scales = Scales(modules_of(found), pairs(found))
    derived = {
        writer.removeprefix(layers): {r.removeprefix(layers) for r in readers}
        for e in entries
        for writer, readers in scales.resolved(e["smooth_layer"], e["balance_layers"])
        if writer.startswith(layers)
    }
    by_hand = {w: set(r.split()) for w, r in WRITTEN[name].items()}
    assert {w: derived.get(w) for w in by_hand} == by_hand
    if name != "DeepseekV3ForCausalLM":  # whose experts are another layer's
        assert set(derived) == set(by_hand)


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
    assert [c.verdict for c in packed] == ["exact"] * 4
    # a packed writer means its last channels, as the modifier applies it
    assert packed[3].reason == "acts on channels 24 to 48 of 48 of gate_up_proj"
    entries, notes = recipes.mappings(report("Phi3ForCausalLM"))
    assert any("channels 24 to 48 of 48" in n for n in notes)
    assert any(e["smooth_layer"].endswith("gate_up_proj$") for e in entries)
    assert "4 of 4 entries are exact" in render(packed)


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


def groups_of(spec):
    names: dict = {}
    exec(permuted.torch_pruning(spec), names)
    return {key: names[key] for key in ("GROUPS", "REPEATS")}


def test_heads_of_a_group_are_lost_as_a_whole() -> None:
    spec = session("LlamaForCausalLM").permutations(verify=False)
    own = groups_of(spec)
    assert all(c.verdict == "exact" for c in check(own, None, spec))
    found = check({"GROUPS": own["GROUPS"]}, None, spec)
    verdicts = {c.entry: c for c in found}
    heads = verdicts["P_model.layers.0.self_attn.q_proj"]
    assert heads.verdict == "incomplete" and "8 of model.layers.0.self_attn.k_proj" in heads.reason
    assert verdicts["P_model.layers.0.mlp.gate_proj"].verdict == "exact"
    (found,) = check({"GROUPS": {"x": [("lm_head", "out"), ("model.norm", "out")]}}, None, spec)
    assert found.verdict == "broken"


def test_a_table_has_its_outputs_along_the_second_axis() -> None:
    held = session("LlamaForCausalLM")
    spec, outputs = held.permutations(verify=False), directions_of(held.derivation.lowered.nodes)
    sides = of_sides(spec, outputs)["P_model.embed_tokens"]
    assert ("model.embed_tokens", "out") in sides and ("lm_head", "in") in sides


@pytest.mark.parametrize("spaces", (False, True))
def test_an_architecture_of_mergekit_is_right_about_its_model(spaces: bool) -> None:
    held = session("LlamaForCausalLM")
    spec, outputs = held.permutations(verify=False), directions_of(held.derivation.lowered.nodes)
    about = mergekit.facts(held.loaded.model, held.loaded.name, outputs)
    content = json.loads(mergekit.mergekit(spec, about, spaces))
    assert content["model_type"] == "llama"
    assert content["num_layers_config_key"] == "num_hidden_layers"
    found = check(content, None, spec)
    assert [c.entry for c in found if c.verdict != "exact"] == []
    known = {"name", "vocabulary_axis", "optional", "tied_names", "aliases", "force_dtype"}
    if not spaces:
        assert all(set(w) <= known for w in architecture.weights(content))
        (table,) = content["pre_weights"]
        assert table["vocabulary_axis"] == 0
        del content["layer_templates"]["weights"][0]
        assert check(content, None, spec)[0].verdict == "incomplete"
        return
    (table,) = content["pre_weights"]
    assert table["is_embed"] and table["output_space"]
    inside = {w["name"].rpartition("}.")[2]: w for w in content["layer_templates"]["weights"]}
    up, down = inside["mlp.up_proj.weight"], inside["mlp.down_proj.weight"]
    assert down["input_space"] == up["output_space"] and "${layer_index}" in up["output_space"]
    gate = next(w for w in content["layer_templates"]["weights"] if "gate" in w["name"])
    gate["output_space"] = "elsewhere_${layer_index}"
    assert {c.verdict for c in check(content, None, spec)} == {"exact", "incomplete"}


def test_tied_tensors_are_said_to_be_tied() -> None:
    sizes = {key: str(value) for key, value in SIZES.items()} | {"tie_word_embeddings": "True"}
    held = symfind.open(
        "transformers:Qwen2ForCausalLM", settings=sizes, inputs=("input_ids=i64<40>[2,6]",)
    )
    spec = held.permutations(verify=False)
    content = json.loads(mergekit.mergekit(spec, mergekit.facts(held.loaded.model, "Q", {})))
    (head,) = (w for w in content["post_weights"] if w["name"] == "lm_head.weight")
    assert head["optional"] and head["tied_names"] == ["model.embed_tokens.weight"]
    assert all(c.verdict == "exact" for c in check(content, None, spec))
    head.pop("tied_names")
    assert [c.verdict for c in check(content, None, spec)].count("incomplete") == 1


SPIN = {
    "embedding": "re:.*embed_tokens$", "attn_q": "re:.*q_proj$", "attn_k": "re:.*k_proj$",
    "attn_v": "re:.*v_proj$", "attn_o": "re:.*o_proj$", "lm_head": "lm_head",
    "mlp_in": ["re:.*gate_proj$", "re:.*up_proj$"], "mlp_out": "re:.*down_proj$",
}  # fmt: skip


def test_rotations_by_hand() -> None:
    found = check(SPIN, report("LlamaForCausalLM"))
    assert [c.verdict for c in found] == ["exact", "exact"]
    found = check({**SPIN, "mlp_in": ["re:.*up_proj$"]}, report("LlamaForCausalLM"))
    assert found[0].verdict == "incomplete" and "gate_proj reads" in found[0].reason
    found = check({**SPIN, "mlp_out": "re:.*up_proj$"}, report("LlamaForCausalLM"))
    assert found[0].verdict == "broken" and "up_proj" in found[0].reason
    (router, _) = check(SPIN, report("MixtralForCausalLM"))
    assert router.verdict == "incomplete" and "mlp.gate reads" in router.reason
    wires = session("Gemma2ForCausalLM").explain(everything=True).wires
    tied = {"lm_head": "model.embed_tokens"}
    found = check(SPIN, report("Gemma2ForCausalLM"), None, wires, tied)
    assert found[0].verdict == "broken" and "tied" in found[0].reason
    found = check({**SPIN, "lm_head": "head"}, report("LlamaForCausalLM"))
    assert found[0].verdict == "unmatched" and "lm_head: head" in found[0].reason


def test_a_tied_head_has_its_own_name() -> None:
    held = session("CohereForCausalLM")
    wires = held.explain(everything=True).wires
    text = recipes.spinquant(report("CohereForCausalLM"), wires, {"lm_head": "model.embed_tokens"})
    assert "lm_head: 'lm_head'" in text and "embedding: 'model.embed_tokens'" in text


def test_stacked_experts_scale_one_by_one() -> None:
    entry = [{"smooth_layer": "re:.*up_proj", "balance_layers": ["re:.*down_proj"]}]
    (found,) = check(entry, report("MixtralForCausalLM"))
    assert found.verdict == "exact" and "channels 24 to 48 of 48" in found.reason


def test_readers_belong_to_the_nearest_writer() -> None:
    names = ["l.0.a", "l.0.b", "l.1.e.a", "l.1.e.b", "l.1.s.a", "l.1.s.b"]
    found = dict(Scales(names, ()).resolved("re:.*a$", ["re:.*b$"]))
    assert found == {"l.0.a": ["l.0.b"], "l.1.e.a": ["l.1.e.b"], "l.1.s.a": ["l.1.s.b"]}


def test_what_is_checked_is_printed_within_eighty_columns() -> None:
    from symfind.export.verdicts import Checked, render

    long = " -> ".join(f"re:.*model.layers.\\d+.module_{i}" for i in range(8))
    text = render([Checked(long, "broken", " ".join(["reason"] * 30)), Checked("a" * 200, "exact")])
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith("1 of 2 entries are exact\n")
