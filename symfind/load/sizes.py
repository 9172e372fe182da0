"""A model's own names for its sizes, so that formulas can speak its language."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

_CONFIGS = ("config", "cfg", "args", "hparams")
# integers of a config that are no sizes of anything
_NO_SIZE = ("token", "seed", "index", "idx", "chunk_size_feed_forward", "version", "pad", "stride")

_SIDES = ("_", "in_", "out_")


def sizes_of(model: nn.Module, settings: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Named sizes of a model: of its config, and of the arguments of its constructor.

    Args:
        model: Any module.
        settings: Arguments that it was built with, when that is known.

    Returns:
        Name to positive integer; ``head_dim`` is derived where the config leaves it open.
    """
    sizes = _constructor_sizes(model, settings or {})
    for name in _CONFIGS:
        config = getattr(model, name, None)
        if config is not None:
            sizes |= _config_sizes(config)
    return sizes


def module_sizes(model: nn.Module) -> dict[str, dict[str, int]]:
    """Named sizes that modules inside a model keep for themselves.

    Args:
        model: Any module.

    Returns:
        By the path of a module: attribute to positive integer. What a module says of its own two
        sides (``out_channels``) is left out.
    """
    return {
        path: {
            name: value for name, value in vars(module).items()
            if _positive(value) and not name.startswith(_SIDES) and not _no_size(name)
        }
        for path, module in model.named_modules()
        if path and any(True for _ in module.children())
    }  # fmt: skip


def _no_size(name: str) -> bool:
    return any(word in name for word in _NO_SIZE)


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _constructor_sizes(model: nn.Module, settings: Mapping[str, Any]) -> dict[str, int]:
    try:
        names = list(inspect.signature(type(model).__init__).parameters)[1:]
    except (TypeError, ValueError):
        names = []
    sizes = {name: value for name, value in settings.items() if _positive(value)}
    for name in names:
        value = getattr(model, name, None)
        if _positive(value):
            sizes[name] = value
    # timm keeps its depth as the length of a list
    blocks = getattr(model, "blocks", None)
    timm = hasattr(model, "pretrained_cfg")
    if timm and isinstance(blocks, nn.ModuleList | nn.Sequential) and len(blocks):
        sizes.setdefault("depth", len(blocks))
    return sizes


def _config_sizes(config: Any, prefix: str = "") -> dict[str, int]:
    sizes = {}
    for name, value in _fields(config).items():
        if _positive(value) and not _no_size(name):
            sizes[prefix + name] = value
        elif _is_config(value):
            sizes |= _config_sizes(value, prefix + name.removesuffix("_config") + "_")
    width = _first(config, "hidden_size", "n_embd", "d_model")
    heads = _first(config, "num_attention_heads", "n_head", "num_heads", "n_heads")
    named = any(_positive(_field(config, name)) for name in ("head_dim", "d_kv", "d_head"))
    if width and heads and not named and width % heads == 0:
        sizes[prefix + "head_dim"] = width // heads
    # GPT-2 spells "four times the width" as an absent n_inner
    if width and "n_inner" in _fields(config) and _field(config, "n_inner") is None:
        sizes[prefix + "n_inner"] = 4 * width
    return sizes


def _is_config(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "model_type")


def _fields(config: Any) -> Mapping[str, Any]:
    if isinstance(config, Mapping):
        return {str(key): value for key, value in config.items()}
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: _field(config, f.name) for f in dataclasses.fields(config)}
        return {**fields, **getattr(config, "__dict__", {})}
    own = getattr(config, "__dict__", {})
    return {name: value for name, value in own.items() if not name.startswith("_")}


def _field(config: Any, name: str) -> Any:
    if isinstance(config, Mapping):
        return config.get(name)
    try:
        return getattr(config, name, None)
    except Exception:  # as where layers differ, so that the model as a whole has no such size
        return None


def _first(config: Any, *names: str) -> int | None:
    return next((_field(config, name) for name in names if _positive(_field(config, name))), None)
