"""What counts as the output of a model that returns its insides as well."""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

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


def only_results(model: nn.Module) -> nn.Module:
    """Make a model that symfind has built return only its results, under the same names.

    The class is replaced by a subclass of the same name, not the method on the instance, so that
    copies of the model run their own parameters.
    """
    kind = type(model)
    forward = kind.forward

    def forward_results(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        output = forward(self, *args, **kwargs)
        if not isinstance(output, Mapping):
            return output
        return {name: output[name] for name in result_names(list(output))}

    # signatures are inspected for the names of inputs
    forward_results.__wrapped__ = forward  # type: ignore[attr-defined]
    body = {
        "forward": forward_results,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    model.__class__ = type(kind.__name__, (kind,), body)
    return model
