"""Example inputs from what a model says about itself."""

import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from symfind.load.grammar import parse_inputs
from symfind.load.inputs import Inputs
from symfind.load.tokens import token_input

LONGEST = 1024
"""Positions of a derived text input are capped here."""
_STEPS = 16  # of a recurrence: few, for each is by itself in the graph
FRAMES = 50
"""Frames of a derived sound."""


def derive(
    model: nn.Module,
    settings: Mapping[str, Any] | None = None,
    generator: torch.Generator | None = None,
) -> Inputs | None:
    """Inputs of one sample for a model of torchvision, timm or transformers, or one of tokens.

    Args:
        model: The model.
        settings: What it was built with (``img_size``, ``in_chans``).
        generator: Draws the values; integers over their whole vocabulary.

    Returns:
        The inputs with their bounds, or ``None`` for a model that does not say what it takes.
    """
    generator = generator or torch.Generator().manual_seed(0)
    texts = None
    if hasattr(model, "main_input_name") and hasattr(model, "config"):
        texts = _spelled(model, _wanted(model))
    elif isinstance(getattr(model, "pretrained_cfg", None), Mapping):
        texts = _timm(model, settings or {})
    elif type(model).__module__.startswith("torchvision.models"):
        if ".detection." in type(model).__module__:
            return Inputs(([torch.randn(3, 320, 320, generator=generator)],))
        texts = _torchvision(model)
    else:
        tokens = token_input(model)
        texts = [tokens] if tokens else None
    return _shaped(model, parse_inputs(texts, generator)) if texts else None


def _shaped(model: nn.Module, inputs: Inputs) -> Inputs:
    """The same with the shape of the picture in numbers, where the model reads it so."""
    if "spatial_shapes" in inputs.kwargs:
        side, _, _ = _patches(getattr(model, "config", None)) or (1, 1, 1)
        inputs.kwargs["spatial_shapes"] = torch.full((1, 2), side)
        inputs.bounds.pop("spatial_shapes", None)
    return inputs


def _torchvision(model: nn.Module) -> list[str]:
    module = type(model).__module__
    if ".video." in module:
        frames, side = _VIDEO.get(type(model).__name__, (16, 224))
        return [f"f32[1,3,{frames},{side},{side}]"]
    if ".optical_flow." in module:
        # the correlation pyramid needs 16 cells at an eighth of the size
        return ["f32[1,3,128,128]", "f32[1,3,128,128]"]
    size: Any = getattr(model, "image_size", None)
    if not isinstance(size, int):
        size = 299 if type(model).__name__.endswith("Inception3") else 224
    return [f"f32[1,3,{size},{size}]"]


_VIDEO = {"VideoResNet": (16, 112), "SwinTransformer3d": (16, 224)}


def _timm(model: nn.Module, settings: Mapping[str, Any]) -> list[str]:
    channels, *size = getattr(model, "pretrained_cfg")["input_size"]  # noqa: B009
    channels = getattr(model, "in_chans", None) or settings.get("in_chans", channels)
    chosen = settings.get("img_size") or getattr(
        getattr(model, "patch_embed", None), "img_size", None
    )
    if chosen is not None:
        size = [chosen, chosen] if isinstance(chosen, int) else list(chosen)
    return [f"f32[1,{channels},{size[0]},{size[1]}]"]


def alternatives(model: nn.Module) -> Iterator[Inputs]:
    """Other inputs of a model of transformers, for one that does not run on what is derived.

    Without the pictures that it may be given; with tokens beside what it is named for; with vectors
    in the place of tokens.
    """
    if not (hasattr(model, "main_input_name") and hasattr(model, "config")):
        return
    accepted = inspect.signature(model.forward).parameters
    first, main = _wanted(model), str(model.main_input_name)
    others = (
        {main, *_required(accepted)},
        {*first, "input_ids"},
        {"inputs_embeds" if name == "input_ids" else name for name in first},
    )
    tried = [first]
    for some in others:
        names = [name for name in accepted if name in some]
        texts = None if names in tried else _spelled(model, names)
        tried.append(names)
        for spelled in [texts, _shorter(texts)] if texts else []:
            yield _shaped(model, parse_inputs(spelled, torch.Generator().manual_seed(0)))


def _shorter(texts: Sequence[str]) -> list[str]:
    """The same with few vectors, where these are in the place of tokens."""
    return [re.sub(r"^(inputs_embeds=f32\[1),\d+", rf"\1,{_STEPS}", text) for text in texts]


def _wanted(model: Any) -> list[str]:
    """Arguments that a model of transformers is given, in the order of its signature."""
    config = model.config
    accepted = inspect.signature(model.forward).parameters
    main = model.main_input_name
    wanted = [main]
    if "decoder_input_ids" in accepted and getattr(config, "is_encoder_decoder", False):
        wanted.append("decoder_input_ids")
    # contrastive models read a picture (or a sound) and a text
    if hasattr(model, "logit_scale") or hasattr(model, "logit_scale_t"):
        wanted += [n for n in ("input_ids", "pixel_values") if n in accepted and n not in wanted]
        wanted += [n for n in ("input_features",) if n in accepted and n not in wanted]
    required = _required(accepted)
    wanted = [name for name in accepted if name in wanted or name in required]
    if "spatial_shapes" in accepted:  # pictures of any shape, as rows of patches
        patches = ("pixel_values", "pixel_attention_mask", "spatial_shapes")
        wanted = [n for n in accepted if n in wanted or n in patches]
    return wanted


def _required(accepted: Mapping[str, inspect.Parameter]) -> list[str]:
    return [n for n, p in accepted.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


def _spelled(model: Any, names: Sequence[str]) -> list[str] | None:
    main = model.main_input_name
    texts = [_spell_input(model, name, name != main) for name in names]
    return None if None in texts or not texts else [text for text in texts if text is not None]


def _spell_input(model: Any, name: str, second: bool) -> str | None:
    config = model.config
    match name:
        case "input_ids" | "decoder_input_ids":
            part = _part(config, ("decoder", "text_config") if second else ("text_config",))
            if _integer(part, "vocab_size") is None:
                part = _part(config, ("text_config", "text_encoder", "decoder", "encoder"))
            vocabulary = _integer(part, "vocab_size")
            if vocabulary is None:
                return None
            length = _positions(model, part, name)
            return f"{name}=i64<{vocabulary}>[1,{length}]"
        case "inputs_embeds":
            part = _part(config, ("text_config",))
            width = _integer(part, "hidden_size", "d_model", "n_embd")
            return f"{name}=f32[1,{_positions(model, part, name)},{width}]" if width else None
        case "inputs":
            return _spell_latent(model, config)
        case "pixel_values" | "pixel_attention_mask" if _patches(config):
            side, patch, channels = _patches(config) or (0, 0, 0)
            if name == "pixel_attention_mask":
                return f"{name}=bool[1,{side * side}]"
            return f"{name}=f32[1,{side * side},{channels * patch * patch}]"
        case "spatial_shapes":
            side, _, _ = _patches(config) or (0, 0, 0)
            return f"{name}=i64<{side + 1}>[1,2]" if side else None
        case "pixel_values":
            part = _part(config, ("vision_config", "encoder", "backbone_config"))
            channels = _integer(part, "num_channels", "in_channels", "num_input_channels") or 3
            size = getattr(part, "image_size", None) or getattr(config, "image_size", None) or 224
            if isinstance(size, Mapping):
                size = (size.get("height", 224), size.get("width", 224))
            height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
            frames = _integer(part, "num_frames")
            lead = f"1,{frames}" if frames else "1"
            return f"pixel_values=f32[{lead},{channels},{height},{width}]"
        case "input_values":
            bins = _integer(config, "num_mel_bins")
            frames = _integer(config, "max_length")
            if bins and frames:
                return f"input_values=f32[1,{frames},{bins}]"
            return f"input_values=f32[1,{_samples(config)}]"
        case "input_features":
            bins = _integer(config, "num_mel_bins")
            frames = _integer(config, "max_source_positions")
            if bins and frames:
                return f"input_features=f32[1,{bins},{2 * frames}]"
            part = _part(config, ("encoder_config", "audio_config"))
            width = _integer(
                part, "input_feat_per_channel", "feature_projection_input_dim", "num_mel_bins"
            )
            return f"input_features=f32[1,128,{width}]" if width else None
    return None


def _patches(config: Any) -> tuple[int, int, int] | None:
    """Patches along a side, their own side, and channels, where pictures come as patches."""
    part = _part(config, ("vision_config",))
    count = _integer(part, "num_patches")
    patch, channels = _integer(part, "patch_size"), _integer(part, "num_channels")
    side = math.isqrt(count or 0)
    return (side, patch, channels) if patch and channels and side * side == count else None


def _spell_latent(model: Any, config: Any) -> str | None:
    """What a reader of any modality takes, by what it puts in front: tokens, pictures, vectors."""
    found = [m for path, m in model.named_modules() if path.endswith("input_preprocessor")]
    tables = [m for m in found[0].modules() if isinstance(m, nn.Embedding)] if found else []
    if tables:
        length = _integer(config, "max_position_embeddings") or 128
        return f"inputs=i64<{tables[0].num_embeddings}>[1,{min(length, LONGEST)}]"
    if found:
        channels = _integer(config, "num_channels") or 3
        side = _integer(config, "image_size") or 224
        return f"inputs=f32[1,{channels},{side},{side}]"
    width = _integer(config, "d_model")
    return f"inputs=f32[1,128,{width}]" if width else None


def _samples(config: Any) -> int:
    """Of a sound: as many frames of what the convolutions in front leave of it as a second has."""
    strides = getattr(config, "conv_stride", None)
    if isinstance(strides, Sequence) and all(isinstance(n, int) for n in strides):
        return FRAMES * math.prod(strides)
    return 16000


def _positions(model: Any, config: Any, name: str) -> int:
    """How many positions: all that a table holds, up to the cap."""
    decoding = name.startswith("decoder") or not _has_encoder(model)
    names = ("max_target_positions",) if decoding else ("max_source_positions",)
    table = _integer(config, *names, "n_positions", "max_position_embeddings", "max_seq_len")
    learned = [
        module
        for path, module in model.named_modules()
        if path.endswith("position_embeddings")
        and isinstance(module, nn.Embedding)
        and module.num_embeddings == table
    ]
    relative = _integer(config, "relative_attention_num_buckets") and not learned
    if _recurrent(config) and not learned:
        return _STEPS
    if relative or table is None:
        return 128
    padding = next((m.padding_idx for m in learned if m.padding_idx is not None), None)
    if padding is not None:
        table -= padding + 1  # RoBERTa counts its positions from behind the padding index
    return min(table, LONGEST)


def _recurrent(config: Any) -> bool:
    """Whether positions meet in recurrences, in some layers at least: they are unrolled."""
    kinds = getattr(config, "layer_types", None) or ()
    names = [kind for kind in kinds if isinstance(kind, str)]
    mixed = any("linear" in kind or "attention" not in kind for kind in names)
    heads = ("num_attention_heads", "decoder_attention_heads", "encoder_attention_heads",
             "num_heads", "n_head", "n_heads")  # fmt: skip
    headless = _integer(config, *heads) is None and _part(config, tuple(vars(config))) is config
    return mixed or hasattr(config, "state_size") or headless


def _has_encoder(model: Any) -> bool:
    """Whether it has one; else the decoder of a pair, alone, is asked about."""
    return any("encoder" in path.split(".") for path, _ in model.named_modules())


def _part(config: Any, names: tuple[str, ...]) -> Any:
    """The nested config of one modality, or the config itself."""
    for name in names:
        part = getattr(config, name, None)
        if hasattr(part, "model_type"):
            return part
    return config


def _integer(config: Any, *names: str) -> int | None:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
