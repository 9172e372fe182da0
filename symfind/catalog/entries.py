"""What the catalog holds: architectures at their published sizes, and building blocks."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

_BLOCKS = "symfind.catalog.blocks"


@dataclass(frozen=True)
class Entry:
    """One model of the catalog.

    Attributes:
        slug: file name of its page, without the ending.
        title: how people call it.
        spec: what `symfind analyze` takes.
        family: the table of the index in which it stands; a heading, or `architecture`, `block`.
        settings: keyword arguments, as `--set` takes them.
        inputs: example inputs, as `--input` takes them; empty leaves them to the spec.
        large: too many parameters to run: not verified on itself.
        text: Markdown for the top of its page.
        depends: files that its result depends on, beside the one that the spec names.
    """

    slug: str
    title: str
    spec: str
    family: str
    settings: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    large: bool = False
    text: str = ""
    depends: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What analyses it from a shell."""
        words = ["symfind", "analyze", self.spec]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        for given in self.inputs:
            words += ["--input", given]
        if self.large:
            words.append("--no-verify")
        return shlex.join(words)


def entries() -> tuple[Entry, ...]:
    """Return every entry, architectures first, in the order of the index."""
    return _ARCHITECTURES + _BUILDING_BLOCKS


def _llama(**sizes: int | bool) -> dict[str, str]:
    return {name: str(size) for name, size in sizes.items()}


def _block(name: str, title: str) -> Entry:
    return Entry("block-" + name.replace("_", "-"), title, f"{_BLOCKS}:{name}", "block")


_IMAGE = ("f32[1,3,224,224]",)

_ARCHITECTURES = (
    Entry(
        "gpt2",
        "GPT-2 small",
        "transformers:GPT2LMHeadModel",
        "architecture",
        inputs=("input_ids=i64<50257>[1,1024]",),
    ),
    Entry(
        "llama-2-7b",
        "Llama-2-7B",
        "transformers:LlamaForCausalLM",
        "architecture",
        settings=_llama(
            vocab_size=32000,
            hidden_size=4096,
            intermediate_size=11008,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=32,
            max_position_embeddings=4096,
            tie_word_embeddings=False,
        ),
        inputs=("input_ids=i64<32000>[1,16]",),
        large=True,
    ),
    Entry(
        "llama-3-8b",
        "Llama-3-8B",
        "transformers:LlamaForCausalLM",
        "architecture",
        settings=_llama(
            vocab_size=128256,
            hidden_size=4096,
            intermediate_size=14336,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
            max_position_embeddings=8192,
            tie_word_embeddings=False,
        ),
        inputs=("input_ids=i64<128256>[1,16]",),
        large=True,
    ),
    Entry(
        "mistral-7b",
        "Mistral-7B",
        "transformers:MistralForCausalLM",
        "architecture",
        settings=_llama(
            vocab_size=32000,
            hidden_size=4096,
            intermediate_size=14336,
            num_hidden_layers=32,
            num_attention_heads=32,
            num_key_value_heads=8,
            max_position_embeddings=32768,
            tie_word_embeddings=False,
        ),
        inputs=("input_ids=i64<32000>[1,16]",),
        large=True,
    ),
    Entry(
        "qwen2-0.5b",
        "Qwen2-0.5B",
        "transformers:Qwen2ForCausalLM",
        "architecture",
        settings=_llama(
            vocab_size=151936,
            hidden_size=896,
            intermediate_size=4864,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
            max_position_embeddings=32768,
            tie_word_embeddings=True,
        ),
        inputs=("input_ids=i64<151936>[1,16]",),
        large=True,
    ),
    Entry(
        "bert-base",
        "BERT base",
        "transformers:BertForMaskedLM",
        "architecture",
        inputs=("input_ids=i64<30522>[1,512]", "token_type_ids=i64<2>[1,512]"),
    ),
    Entry(
        "t5-small",
        "T5 small",
        "transformers:T5ForConditionalGeneration",
        "architecture",
        inputs=("input_ids=i64<32128>[1,512]", "decoder_input_ids=i64<32128>[1,512]"),
    ),
    Entry("vit-b-16", "ViT-B/16", "torchvision:vit_b_16", "architecture", inputs=_IMAGE),
    Entry("resnet18", "ResNet-18", "torchvision:resnet18", "architecture", inputs=_IMAGE),
    Entry("resnet50", "ResNet-50", "torchvision:resnet50", "architecture", inputs=_IMAGE),
    Entry("vgg16", "VGG-16", "torchvision:vgg16", "architecture", inputs=_IMAGE),
    Entry(
        "densenet121",
        "DenseNet-121",
        "torchvision:densenet121",
        "architecture",
        inputs=_IMAGE,
    ),
    Entry(
        "mobilenet-v2",
        "MobileNetV2",
        "torchvision:mobilenet_v2",
        "architecture",
        inputs=_IMAGE,
    ),
    Entry(
        "convnext-tiny",
        "ConvNeXt-T",
        "timm:convnext_tiny",
        "architecture",
        inputs=_IMAGE,
    ),
    Entry(
        "mixer-b-16",
        "MLP-Mixer-B/16",
        "timm:mixer_b16_224",
        "architecture",
        inputs=_IMAGE,
    ),
)

_BUILDING_BLOCKS = (
    _block("linear_chain", "Linear chain"),
    _block("relu_mlp", "ReLU MLP"),
    _block("gelu_mlp", "GELU MLP"),
    _block("softmax_head", "Softmax head"),
    _block("rms_norm", "RMSNorm"),
    _block("layer_norm", "LayerNorm"),
    _block("group_norm", "GroupNorm"),
    _block("conv_bn_relu", "Conv-BN-ReLU"),
    _block("self_attention", "Self-attention"),
    _block("attention_with_biases", "Attention with biases"),
    _block("rope_attention", "RoPE attention"),
    _block("grouped_query_attention", "Grouped-query attention"),
    _block("swiglu", "SwiGLU"),
    _block("reglu", "ReGLU"),
    _block("lora", "LoRA"),
    _block("lora_frozen", "LoRA, base frozen"),
    _block("weight_norm", "Weight normalisation"),
    _block("squeeze_excite", "Squeeze-excite"),
    _block("residual_stream", "Residual stream"),
    _block("siamese", "Siamese trunk"),
)
