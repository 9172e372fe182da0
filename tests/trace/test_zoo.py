import pytest
import torch
from torch import nn

from symfind.trace import execute, trace
from tests.trace.test_trace import check, targets

SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
}


def build(name: str) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    if name == "GPT2LMHeadModel":
        config = transformers.GPT2Config(
            n_layer=1, n_embd=32, n_head=2, vocab_size=96, bos_token_id=0, eos_token_id=0
        )
        return transformers.GPT2LMHeadModel(config)
    if name == "T5ForConditionalGeneration":
        config = transformers.T5Config(
            vocab_size=96, d_model=16, d_kv=4, d_ff=24, num_layers=1, num_heads=4
        )
        return transformers.T5ForConditionalGeneration(config)
    stem = name.removesuffix("ForCausalLM").removesuffix("Model")
    extra = {"num_key_value_heads": 2} if name.endswith("ForCausalLM") else {}
    return getattr(transformers, name)(getattr(transformers, f"{stem}Config")(**SIZES, **extra))


LANGUAGE = [
    "GPT2LMHeadModel",
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "BertModel",
    "T5ForConditionalGeneration",
]


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_models_on_cpu_and_meta(name: str) -> None:
    kwargs = {"input_ids": torch.arange(6)[None]}
    if name.startswith("T5"):
        kwargs["decoder_input_ids"] = torch.arange(4)[None]
    model = build(name)
    with torch.device("meta"):
        hollow = build(name)
    cached = getattr(hollow.config, "use_cache", None)
    other = trace(hollow, (), kwargs)
    assert getattr(hollow.config, "use_cache", None) == cached
    assert all(p.device.type == "meta" for p in hollow.parameters())
    # the models themselves compute norms and rotations in float32
    model.config.use_cache = False
    graph = check(model, (), kwargs, tolerance=1e-5)
    assert targets(other) == targets(graph)
    assert not any("past" in op.key for op in graph.outputs)
    # every constant of a model without storage is known nevertheless, and the same
    for mine, theirs in zip(graph.ops, other.ops, strict=True):
        if mine.constant and not mine.outputs:
            torch.testing.assert_close(mine.value(), theirs.value(), rtol=1e-6, atol=1e-6)


def test_gpt2_ties_its_head_on_meta() -> None:
    with torch.device("meta"):
        model = build("GPT2LMHeadModel")
    graph = trace(model, (), {"input_ids": torch.zeros(1, 4, dtype=torch.long)})
    assert "lm_head.weight" not in graph.parameters
    assert len(graph.parameters["transformer.wte.weight"].users) == 2


def test_resnet_on_meta() -> None:
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        hollow = torchvision.models.resnet18()
    image = torch.randn(1, 3, 64, 64)
    graph = trace(hollow, (image,), {})
    torch.manual_seed(0)
    model = torchvision.models.resnet18().double().eval()
    assert list(graph.parameters) == [name for name, _ in model.named_parameters()]
    theta = {name: p.detach() for name, p in model.named_parameters()}
    (found,) = execute(graph, theta, [image], constants=dict(model.named_buffers()))
    torch.testing.assert_close(found, model(image.double()), rtol=1e-10, atol=1e-10)


def test_computed_buffers_on_meta_are_recovered() -> None:
    timm = pytest.importorskip("timm")
    sizes = {"embed_dim": 16, "depths": (2,), "num_heads": (2,), "img_size": 56, "window_size": 7}
    model = timm.models.swin_transformer.SwinTransformer(**sizes)
    with torch.device("meta"):
        hollow = timm.models.swin_transformer.SwinTransformer(**sizes)
    graph = trace(hollow, (torch.zeros(1, 3, 56, 56),), {})
    buffers = dict(model.named_buffers())
    constants = [op for op in graph.ops if op.target == "constant"]
    assert constants
    for op in constants:
        torch.testing.assert_close(op.value(), buffers[op.key].to(op.value().dtype))
