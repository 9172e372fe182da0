import copy
import json
import sys

import pytest
import torch
from torch import nn

from symfind.errors import LoadError, SymfindError
from symfind.load import describe, load, sizes_of
from symfind.load.meta import build_light
from symfind.load.operators import prepare_torchvision
from symfind.load.outputs import result_names, results
from symfind.trace import trace_loaded

prepare_torchvision()  # its compiled operators may be missing
transformers = pytest.importorskip("transformers")
pytest.importorskip("timm")
pytest.importorskip("torchvision")

TINY_GPT2 = {"n_layer": "1", "n_embd": "6", "n_head": "2", "n_inner": "7", "vocab_size": "11"}
TINY_GPT2 |= {"n_positions": "5", "bos_token_id": "None", "eos_token_id": "None"}


def real(model: nn.Module) -> nn.Module:
    """The model with random parameters, its buffers as they are."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        for name, p in module._parameters.items():
            if p is not None and p.is_meta:
                module._parameters[name] = nn.Parameter(torch.randn(p.shape))
    return model


@pytest.mark.parametrize(
    ("spec", "settings", "inputs", "parameters"),
    [
        ("torchvision:resnet50", {}, {"x": "f32[1,3,224,224]"}, 25_557_032),
        ("torchvision:resnet18", {"num_classes": "7"}, {"x": "f32[1,3,224,224]"}, 11_180_103),
        ("torchvision:inception_v3", {}, {"x": "f32[1,3,299,299]"}, 27_161_264),
        ("torchvision:r3d_18", {}, {"x": "f32[1,3,16,112,112]"}, 33_371_472),
        ("timm:vit_base_patch16_224", {}, {"x": "f32[1,3,224,224]"}, 86_567_656),
        (
            "timm:vit_tiny_patch16_224",
            {"img_size": "32", "in_chans": "1", "depth": "2"},
            {"x": "f32[1,1,32,32]"},
            None,
        ),
        ("transformers:GPT2LMHeadModel", {}, {"input_ids": "i64[1,1024]"}, 124_439_808),
        ("transformers:LlamaForCausalLM", {}, {"input_ids": "i64[1,1024]"}, 6_738_415_616),
        (
            "transformers:T5ForConditionalGeneration",
            {},
            {"input_ids": "i64[1,128]", "decoder_input_ids": "i64[1,128]"},
            60_506_624,
        ),
        (
            "transformers:CLIPModel",
            {},
            {"input_ids": "i64[1,77]", "pixel_values": "f32[1,3,224,224]"},
            None,
        ),
        ("transformers:RobertaModel", {}, {"input_ids": "i64[1,510]"}, None),
        # relative positions beside a table of learned ones, which bounds the length
        ("transformers:MPNetModel", {}, {"input_ids": "i64[1,510]"}, None),
        ("transformers:Wav2Vec2Model", {}, {"input_values": "f32[1,16000]"}, None),
        (
            "transformers:Wav2Vec2Model",
            {"conv_dim": "[4,4]", "conv_stride": "[2,3]", "conv_kernel": "[3,3]"},
            {"input_values": "f32[1,300]"},
            None,
        ),
        ("transformers:ViTForImageClassification", {}, {"pixel_values": "f32[1,3,224,224]"}, None),
    ],
)
def test_zoo_models_cost_no_memory_and_know_their_inputs(spec, settings, inputs, parameters):
    loaded = load(spec, settings=settings)
    assert describe(loaded.inputs, loaded.model) == inputs
    assert all(p.is_meta for p in loaded.model.parameters())
    assert not any(b.is_meta for b in loaded.model.buffers())
    if parameters is not None:
        assert sum(p.numel() for p in loaded.model.parameters()) == parameters


def test_config_sizes_and_bounds():
    loaded = load("transformers:GPT2LMHeadModel", settings={"n_layer": "2"})
    assert loaded.inputs.bounds == {"input_ids": 50257}
    wanted = {"n_layer": 2, "n_embd": 768, "n_head": 12, "head_dim": 64, "n_inner": 3072}
    assert wanted.items() <= loaded.sizes.items()
    assert not any("token" in name for name in loaded.sizes)


@pytest.mark.parametrize(
    ("spec", "settings", "names"),
    [
        ("transformers:GPT2LMHeadModel", TINY_GPT2, ["logits"]),
        (
            "transformers:T5ForConditionalGeneration",
            {"d_model": "6", "d_kv": "2", "d_ff": "7", "num_layers": "1", "num_heads": "2"},
            ["logits"],
        ),
        ("transformers:BertModel", {}, ["last_hidden_state", "pooler_output"]),
    ],
)
@torch.no_grad()
def test_outputs_are_results_only(spec, settings, names):
    loaded = load(spec, settings=settings)
    found = [name for name, _ in results(real(loaded.model)(**loaded.inputs.kwargs))]
    assert found == names


def test_a_decoder_alone_has_the_positions_of_a_decoder():
    """And no others are asked of it than its table has."""
    settings = {
        "decoder_layers": 1, "d_model": 12, "decoder_attention_heads": 2, "decoder_ffn_dim": 10,
        "vocab_size": 40, "max_target_positions": 7, "max_source_positions": 30, "pad_token_id": 1,
        "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1,
    }  # fmt: skip
    loaded = load("transformers:WhisperForCausalLM", settings=settings)
    assert describe(loaded.inputs) == {"input_ids": "i64[1,7]"}
    pair = load("transformers:WhisperForConditionalGeneration", settings=settings)
    assert describe(pair.inputs)["decoder_input_ids"] == "i64[1,7]"


@pytest.mark.parametrize(
    ("name", "steps"),
    [("Rwkv", 16), ("Mamba", 16), ("Qwen3Next", 16), ("FNet", 512), ("OpenAIGPT", 512)],
)
def test_recurrences_are_few_steps_and_tables_are_read_whole(name: str, steps: int) -> None:
    ending = "ForMaskedLM" if name == "FNet" else "LMHeadModel" if "GPT" in name else "ForCausalLM"
    loaded = load(f"transformers:{name}{ending}")
    assert describe(loaded.inputs)["input_ids"] == f"i64[1,{steps}]"


class Uneven:
    """A config of which one size is none of the whole model."""

    def __init__(self) -> None:
        self.width, self.model_type = 12, "uneven"

    def to_dict(self) -> dict[str, int]:
        return {"width": self.width}

    @property
    def head_dim(self) -> int:
        raise ValueError("it differs from layer to layer")


def test_a_size_that_a_config_does_not_have_for_all_layers_is_none():
    model = torch.nn.Linear(12, 3)
    model.config = Uneven()
    assert sizes_of(model)["width"] == 12


def test_result_names():
    assert result_names(["logits", "pred_boxes", "last_hidden_state", "encoder_attentions"]) == [
        "logits",
        "pred_boxes",
    ]
    assert result_names(["hidden_states"]) == ["hidden_states"]


def test_tied_parameters_stay_tied_and_copies_run_their_own():
    model = load("transformers:GPT2LMHeadModel", settings=TINY_GPT2).model
    assert model.lm_head.weight is model.transformer.wte.weight
    assert sum(p.numel() for p in model.parameters()) == 397
    assert type(model).__name__ == "GPT2LMHeadModel"
    twin = copy.deepcopy(model)
    assert twin.forward.__self__ is twin


def test_config_file(tmp_path):
    config = transformers.GPT2Config(n_layer=1, n_embd=6, n_head=2, n_positions=5, vocab_size=11)
    config.architectures = ["GPT2LMHeadModel"]
    content = config.to_dict()
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    loaded = load(f"transformers:{path}", settings={"n_layer": "2"})
    assert loaded.name == "GPT2LMHeadModel" and len(loaded.model.transformer.h) == 2
    assert describe(loaded.inputs) == {"input_ids": "i64[1,5]"}
    del content["architectures"]
    path.write_text(json.dumps(content))
    assert load(f"transformers:{path}").name == "GPT2Model"
    path.write_text("[]")
    with pytest.raises(LoadError, match="JSON object"):
        load(f"transformers:{path}")
    path.write_text("{}")
    with pytest.raises(LoadError, match="neither architectures nor a model_type"):
        load(f"transformers:{path}")


@pytest.mark.parametrize(
    ("spec", "settings", "says"),
    [
        ("torchvision:resnet5", {}, "did you mean .*resnet50"),
        ("torchvision:resnet18", {"widht": 3}, "does not take the setting 'widht'"),
        ("torchvision:resnet18", {"weights": "DEFAULT"}, "nothing is downloaded"),
        ("timm:vit_base_patch16", {}, "did you mean .*vit_base_patch16_224"),
        ("timm:resnet18", {"no_such_thing": 3}, "does not take the setting 'no_such_thing'"),
        ("timm:resnet18", {"pretrained": True}, "nothing is downloaded"),
        ("timm:hf_hub:timm/resnet18", {}, "nothing is downloaded"),
        ("transformers:GPT2LMHead", {}, "did you mean GPT2LMHeadModel"),
        ("transformers:GPT2Config", {}, "is not a model"),
        ("transformers:AutoModelForCausalLM", {}, "takes its class from a config"),
        ("transformers:GPT2LMHeadModel", {"n_layers": 2}, "did you mean n_layer"),
        ("transformers:org/name", {}, "nothing is downloaded"),
        ("transformers:GPT2LMHeadModel", {"n_embd": 7}, "GPT2LMHeadModel"),
    ],
)
def test_names_and_settings_at_fault(spec, settings, says):
    with pytest.raises(SymfindError, match=says):
        load(spec, settings=settings)


@pytest.mark.parametrize("package", ["torchvision", "timm", "transformers"])
def test_a_package_that_is_not_installed(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LoadError, match=r"pip install 'symfind\[zoo\]'"):
        load(f"{package}:something")


def test_models_that_compute_with_their_parameters_are_built_really():
    class Computes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.alias = self.weight
            self.total = self.weight.sum().item()
            self.register_buffer("scale", torch.full((3,), 2.0))

    model = build_light(Computes)
    assert model.total == 3 and model.weight.is_meta and model.alias is model.weight
    assert model.scale.tolist() == [2, 2, 2]


def test_small_parameters_that_are_made_frozen_keep_their_values() -> None:
    class Router(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))
            self.balance = nn.Parameter(torch.zeros(4), requires_grad=False)
            self.old = nn.Parameter(torch.zeros(3000, 3000), requires_grad=False)

    model = build_light(Router)
    assert model.weight.is_meta and model.old.is_meta
    assert torch.equal(model.balance, torch.zeros(4)) and not model.balance.requires_grad


def test_buffers_that_follow_a_parameter_hold_values():
    class Follows(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.register_buffer("scale", torch.ones(3, device=self.weight.device))

    model = build_light(Follows)
    assert model.weight.is_meta and model.scale.tolist() == [1, 1, 1]


SMALL = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 20}
OTHERWISE = [
    # the token of padding, from which positions are counted
    ("EsmForMaskedLM", SMALL | {"max_position_embeddings": 12}, {"input_ids"}, "pad_token_id=0"),
    # the default of several
    ("XmodForCausalLM", SMALL | {"adapter_reduction_factor": 2}, {"input_ids"}, "default_language"),
    # vectors in the place of tokens: few, for there is a head for each
    (
        "Qwen3OmniMoeTalkerCodePredictorModelForConditionalGeneration",
        SMALL | {"head_dim": 4, "num_key_value_heads": 2, "intermediate_size": 8},
        {"inputs_embeds"},
        "inputs_embeds=f32[1,16,8]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "given", "said"), OTHERWISE)
def test_what_does_not_run_is_given_something_else(name, settings, given, said):
    """It is known where it is traced, and said; what it becomes can be made again."""
    loaded = load(f"transformers:{name}", settings=settings)
    graph = trace_loaded(loaded)
    assert set(loaded.inputs.kwargs) == given
    assert any(said in note for note in graph.notes)
    again, _ = loaded.recipe.again({})
    assert again.state_dict().keys() == loaded.model.state_dict().keys()
    shapes = {n: p.shape for n, p in loaded.model.named_parameters()}
    assert shapes == {n: p.shape for n, p in again.named_parameters()}


def test_what_runs_is_given_what_was_derived():
    loaded = load("transformers:GPT2LMHeadModel", settings=TINY_GPT2)
    graph = trace_loaded(loaded)
    assert not graph.notes and set(loaded.inputs.kwargs) == {"input_ids"}


def test_a_table_that_is_made_frozen_keeps_its_values():
    model = load("transformers:RoFormerForMaskedLM", settings={"num_hidden_layers": 1}).model
    table = model.roformer.encoder.embed_positions.weight
    assert not table.requires_grad and not table.is_meta
    assert torch.allclose(table[0], torch.tensor([0.0] * 32 + [1.0] * 32))
