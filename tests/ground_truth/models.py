"""Every model of the ground-truth tables, with the numbers that the program must reproduce."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from tests.ground_truth.layers import (
    GCN,
    Attention,
    CrossMultihead,
    GatedMLP,
    LatentAttention,
    LoRA,
    ParallelConvs,
    ResidualLinear,
    RMSNorm,
    SelfMultihead,
    SharedTrunk,
    SqueezeExcite,
    TwoTrunks,
)
from tests.ground_truth.vision import torchvision_schema

Built = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One row: `build()` gives (model, args, kwargs); `bounds` the vocabularies of integer inputs.

    `redundant` differs from `nullity` only where null directions belong to no group action.
    """

    name: str
    build: Callable[[], Built]
    parameters: int
    nullity: int
    redundant: int = -1
    output: Literal["raw", "softmax"] = "raw"
    train: bool = False
    bounds: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.redundant < 0:
            object.__setattr__(self, "redundant", self.nullity)


def build(model: Callable[[], nn.Module], *shapes: tuple[int, ...]) -> Callable[[], Built]:
    """Delay the construction of a model with positional normal inputs of the given shapes."""

    def delayed() -> Built:
        torch.manual_seed(0)
        return model(), tuple(torch.randn(shape) for shape in shapes), {}

    return delayed


def mlp(*widths: int, bias: bool = False, activation: nn.Module | None = None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        layers.append(nn.Linear(a, b, bias=bias))
        if activation is not None and i < len(widths) - 2:
            layers.append(activation)
    return nn.Sequential(*layers)


def chain(*layers: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*(layer() for layer in layers))


def linear(a: int, b: int, bias: bool = True) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(a, b, bias=bias)


def activated(name: str, activation: type[nn.Module], nullity: int) -> Case:
    model = lambda: mlp(6, 5, 4, 6, bias=True, activation=activation())  # noqa: E731
    return Case(name, build(model, (16, 6)), 89, nullity)


def attention(name: str, parameters: int, nullity: int, *args: int, **options: bool) -> Case:
    model = lambda: Attention(4, *args, **options)  # noqa: E731
    return Case(name, build(model, (3, 5, 4)), parameters, nullity)


MODULES = [
    Case("linear-5-4-3-6", build(lambda: mlp(5, 4, 3, 6), (8, 5)), 50, 26),
    Case("linear-2-3-4", build(lambda: mlp(2, 3, 4), (8, 2)), 18, 10),
    Case("linear-5-4-4-5-bias", build(lambda: mlp(5, 4, 4, 5, bias=True), (8, 5)), 69, 40),
    Case("linear-3-5-4-2-bias", build(lambda: mlp(3, 5, 4, 2, bias=True), (8, 3)), 54, 46),
    activated("relu-6-5-4-6", nn.ReLU, 9),
    activated("leaky-relu-6-5-4-6", nn.LeakyReLU, 9),
    activated("tanh-6-5-4-6", nn.Tanh, 0),
    activated("gelu-6-5-4-6", nn.GELU, 0),
    Case("softmax", build(chain(linear(4, 3), lambda: nn.Softmax(dim=-1)), (8, 4)), 15, 5),
    Case("rmsnorm", build(chain(linear(6, 5), lambda: RMSNorm(5), linear(5, 4)), (8, 6)), 64, 16),
    Case(
        "layernorm",
        build(chain(linear(6, 5), lambda: nn.LayerNorm(5, eps=0.0), linear(5, 4)), (8, 6)),
        69,
        28,
    ),
    Case(
        "layernorm-eps",
        build(chain(linear(6, 5), lambda: nn.LayerNorm(5, eps=1e-2), linear(5, 4)), (8, 6)),
        69,
        27,
    ),
    Case(
        "groupnorm",
        build(chain(linear(6, 6), lambda: nn.GroupNorm(2, 6, eps=0.0), linear(6, 4)), (8, 6)),
        82,
        38,
    ),
    Case(
        "batchnorm-train",
        build(
            chain(linear(3, 5), lambda: nn.BatchNorm1d(5, eps=1e-2), nn.Tanh, linear(5, 2)),
            (16, 3),
        ),
        42,
        5,
        train=True,
    ),
    attention("attention", 64, 16, 2, 2),
    attention("attention-bias", 80, 24, 2, 2, bias=True),
    attention("attention-rope", 128, 40, 2, 4, rope=True),
    attention("attention-rope-bias", 156, 48, 2, 4, rope=True, bias=True),
    attention("attention-gqa", 48, 8, 2, 2, 1),
    attention("attention-gqa-rope", 48, 6, 2, 2, 1, rope=True),
    attention("attention-qk-norm", 68, 14, 2, 2, qk_norm=True),
    attention("attention-qk-norm-rope", 136, 38, 2, 4, qk_norm=True, rope=True),
    Case("multihead-self", build(lambda: SelfMultihead(8, 2), (3, 5, 8)), 288, 80),
    Case("multihead-cross", build(lambda: CrossMultihead(4, 2, 5), (3, 4, 4), (3, 6, 4)), 105, 24),
    Case("swiglu", build(lambda: GatedMLP(4, 6, nn.SiLU()), (16, 4)), 72, 6),
    Case("reglu", build(lambda: GatedMLP(4, 6, nn.ReLU()), (16, 4)), 72, 12),
    Case("lora", build(lambda: LoRA(5, 4, 2, 3, frozen=False), (8, 5)), 53, 18),
    Case("lora-frozen", build(lambda: LoRA(5, 4, 2, 3, frozen=True), (8, 5)), 18, 4),
    Case(
        "weight-norm",
        build(
            chain(
                lambda: weight_norm(nn.Linear(4, 6)), nn.Tanh, lambda: weight_norm(nn.Linear(6, 3))
            ),
            (8, 4),
        ),
        60,
        9,
    ),
    Case("residual-linear", build(lambda: ResidualLinear(4, 2, 2), (8, 4)), 32, 16, redundant=8),
    Case("shared-trunk", build(SharedTrunk, (16, 4), (16, 4)), 43, 3),
    Case("two-trunks", build(TwoTrunks, (16, 4), (16, 3)), 81, 6),
    Case(
        "latent-attention",
        lambda: (LatentAttention(), (torch.arange(15).view(3, 5) % 11,), {}),
        198,
        25,
        bounds={"0": 11},
    ),
    Case("squeeze-excite", build(SqueezeExcite, (8, 3, 5, 5)), 204, 4),
    Case("parallel-convs", build(ParallelConvs, (8, 3, 5, 5)), 209, 20),
    Case("gcn", build(GCN, (2, 6, 3)), 39, 5),
]

VOCAB, LENGTH = 11, 5
_NO_TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


def ids(batch: int = 3) -> Tensor:
    return torch.arange(batch * LENGTH).view(batch, LENGTH) % VOCAB


def huggingface(
    name: str, model: str, parameters: int, nullity: int, *, decoder: bool = False, **options: Any
) -> Case:
    """A transformers class on token ids; its configuration class has the same stem."""

    def delayed() -> Built:
        torchvision_schema()
        import transformers

        torch.manual_seed(0)
        cls = getattr(transformers, model)
        config = cls.config_class(vocab_size=VOCAB, **_NO_TOKENS, **options)
        config._attn_implementation = "eager"
        inputs = {"input_ids": ids()}
        if decoder:
            inputs["decoder_input_ids"] = ids().flip(0)
        return cls(config).eval(), (), inputs

    bounds = {"input_ids": VOCAB, "decoder_input_ids": VOCAB}
    return Case(name, delayed, parameters, nullity, bounds=bounds)


def gpt2(name: str, parameters: int, nullity: int, layers: int, tied: bool, eps: float) -> Case:
    return huggingface(
        name, "GPT2LMHeadModel", parameters, nullity, n_embd=6, n_head=2, n_inner=7,
        n_layer=layers, n_positions=LENGTH, layer_norm_epsilon=eps, tie_word_embeddings=tied,
    )  # fmt: skip


def llama(
    name: str, parameters: int, nullity: int, layers: int = 1, tied: bool = False,
    eps: float = 1e-3, model: str = "LlamaForCausalLM", head_dim: int = 2,
) -> Case:  # fmt: skip
    return huggingface(
        name, model, parameters, nullity, hidden_size=8, intermediate_size=7,
        num_attention_heads=4, num_key_value_heads=2, head_dim=head_dim,
        num_hidden_layers=layers, rms_norm_eps=eps, max_position_embeddings=LENGTH,
        tie_word_embeddings=tied,
    )  # fmt: skip


def vit() -> Built:
    torchvision_schema()
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=6, intermediate_size=7, num_attention_heads=2, num_hidden_layers=2,
        image_size=4, patch_size=2, num_labels=12, layer_norm_eps=1e-2,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return ViTForImageClassification(config).eval(), (), {"pixel_values": torch.randn(4, 3, 4, 4)}


def mixer() -> Built:
    torchvision_schema()
    from timm.models.mlp_mixer import MlpMixer

    torch.manual_seed(0)
    model = MlpMixer(
        num_classes=6, img_size=4, patch_size=2, num_blocks=1, embed_dim=5, mlp_ratio=(0.8, 1.2)
    )
    return model.eval(), (torch.randn(4, 3, 4, 4),), {}


WHOLE = [
    gpt2("gpt2-1-tied", 397, 117, 1, True, 1e-3),
    gpt2("gpt2-1-untied", 463, 155, 1, False, 1e-3),
    gpt2("gpt2-2-tied", 686, 229, 2, True, 1e-3),
    gpt2("gpt2-2-untied", 752, 267, 2, False, 1e-3),
    gpt2("gpt2-1-tied-eps0", 397, 118, 1, True, 0.0),
    llama("llama-1-tied", 472, 35, tied=True),
    llama("llama-1-untied", 560, 71),
    llama("llama-2-tied", 848, 70, layers=2, tied=True),
    llama("llama-2-untied", 936, 106, layers=2),
    llama("llama-1-untied-eps0", 560, 72, eps=0.0),
    llama("llama-1-untied-head4", 752, 99, head_dim=4),
    llama("mistral-1-untied", 560, 71, model="MistralForCausalLM"),
    llama("qwen2-1-untied", 576, 71, model="Qwen2ForCausalLM"),
    huggingface(
        "bert-1-tied", "BertForMaskedLM", 474, 142, hidden_size=6, intermediate_size=7,
        num_attention_heads=2, num_hidden_layers=1, max_position_embeddings=LENGTH,
        layer_norm_eps=1e-3,
    ),
    huggingface(
        "t5-1-untied", "T5ForConditionalGeneration", 580, 104, decoder=True, d_model=6, d_kv=2,
        d_ff=7, num_layers=1, num_decoder_layers=1, num_heads=2,
        relative_attention_num_buckets=4, relative_attention_max_distance=6,
        layer_norm_epsilon=1e-3, tie_word_embeddings=False, decoder_start_token_id=None,
    ),
    Case("vit-2", vit, 788, 287),
    Case("mixer-1", mixer, 242, 58),
]  # fmt: skip

CASES = MODULES + WHOLE
