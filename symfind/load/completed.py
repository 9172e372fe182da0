"""Default configs of transformers that leave open what their models need.

A class is often shipped with the config of one checkpoint, of which some sizes are nobody's
default. What follows from other fields is derived; a number of experts or of tokens is assumed,
small, and said.
"""

import warnings
from collections.abc import Callable
from typing import Any

_EXPERTS, _CHOSEN, _SHARED, _TOKENS = 8, 2, 1, 64


def complete(config: Any) -> list[str]:
    """Fill what is open in a config and in its parts; what was filled, as settings."""
    filled = []
    for name, value in list(vars(config).items()):
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            filled += [f"{name}.{one}" for one in complete(value)]
        elif value is None and (rule := _rule(name)) is not None:
            found = rule(config)
            if found is not None:
                setattr(config, name, found)
                shown = found if isinstance(found, int) else f"[{found[0]!r}, …]"
                filled.append(f"{name}={shown}")
    return filled


def needed_to_run(config: Any) -> dict[str, Any]:
    """Settings for what a config leaves open and a forward pass may ask for.

    The token of padding, from which positions are counted, and the default of several.
    """
    found: dict[str, Any] = {}
    for name, value in vars(config).items():
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            found |= {f"{name}.{one}": what for one, what in needed_to_run(value).items()}
        elif value is None and name == "pad_token_id":
            found[name] = 0
        elif value is None and name.startswith("default_"):
            several = getattr(config, f"{name.removeprefix('default_')}s", None)
            if isinstance(several, (list, tuple)) and several:
                found[name] = several[0]
    return found


def warn_assumed(where: str, filled: list[str]) -> None:
    """Say what was assumed."""
    warnings.warn(
        f"{where}: its default config leaves sizes open; assumed {', '.join(filled)} (change them "
        "with --set)",
        stacklevel=4,
    )


def _rule(name: str) -> Callable[[Any], Any] | None:
    if name in ("head_dim", "attention_head_dim"):
        return _head
    if name == "layer_types":
        return _layers
    if name == "vocab_size":
        return lambda config: _TOKENS
    if "expert" in name:
        if "per_tok" in name or "topk" in name:
            return lambda config: _CHOSEN
        return lambda config: _SHARED if "shared" in name else _EXPERTS
    return None


def _head(config: Any) -> int | None:
    width, heads = (getattr(config, n, None) for n in ("hidden_size", "num_attention_heads"))
    whole = isinstance(width, int) and isinstance(heads, int) and heads > 0 and width % heads == 0
    return width // heads if whole else None  # type: ignore[operator]


def _layers(config: Any) -> list[str] | None:
    count = getattr(config, "num_hidden_layers", None)
    return ["full_attention"] * count if isinstance(count, int) and count > 0 else None
