"""What counts as the output of a model that returns its insides as well."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

_CACHES = ("past_key_values", "past_key_value", "cache_params", "presents", "mems", "state")

# caches, traces and the state between encoder and decoder: a change of basis may move these
_INSIDE = re.compile(
    r"past_key_values|cache_params|state|rnn_state|.*hidden_states?|.*attentions|.*router.*"
    r"|encoder_.*|.*_model_output|mems|attention_mask"
)
_FEATURES = re.compile(r"last_hidden_state|.*pooler_output|.*_embeds|.*_embeddings")


def result_names(names: list[str]) -> list[str]:
    """The fields of a structured output that are its results.

    Logits (and boxes, scores, …) where there are some, else the last features. The encoder's final
    state that a sequence-to-sequence model returns beside its logits is not a result: a rotation
    of it that the decoder undoes is a symmetry.
    """
    results = [name for name in names if name == "last_hidden_state" or not _INSIDE.fullmatch(name)]
    heads = [name for name in results if not _FEATURES.fullmatch(name)]
    if any("logits" in name for name in heads):
        results = heads
    return results or names


def results(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """The floating tensors of what a model returned, with their names.

    Looks into tuples, lists, mappings and dataclasses, past caches. Of a transformers output only
    its results count (see `result_names`).
    """
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex():
            yield path or "output", value
        return
    items: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        names = list(value)
        if any(cls.__name__ == "ModelOutput" for cls in type(value).__mro__):
            # Recognised by name, so that transformers need not be imported (or installed).
            names = result_names([name for name in names if value[name] is not None])
        items = [(str(name), value[name]) for name in names]
    elif isinstance(value, tuple | list):
        named = getattr(value, "_fields", None) or range(len(value))
        items = [(str(key), item) for key, item in zip(named, value, strict=True)]
    elif is_dataclass(value) and not isinstance(value, type):
        items = [(f.name, getattr(value, f.name)) for f in fields(value)]
    for key, item in items:
        if key not in _CACHES:
            yield from results(item, f"{path}.{key}" if path else key)
