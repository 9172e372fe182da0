"""The entrance to this layer."""

from typing import Any

from torch import nn

from symfind.errors import TraceError
from symfind.trace.build import build
from symfind.trace.graph import Graph
from symfind.trace.recover import recover_buffers
from symfind.trace.ways import functional


def trace(model: nn.Module, args: tuple, kwargs: dict[str, Any], train: bool = False) -> Graph:
    """The graph of ``model(*args, **kwargs)``; ``model`` is left as it was.

    Models are traced in evaluation mode, or, with ``train``, in training mode but without
    dropout. ``model`` may be on the meta device, or on any other; inputs follow it. Raises
    TraceError for a model that cannot be traced, has no trainable parameters, or no floating
    outputs.
    """
    if not any(p.requires_grad for p in model.parameters()):
        raise TraceError(
            f"{type(model).__name__} has no trainable parameters, so it has no symmetries to find; "
            "pass a module with parameters that have requires_grad=True"
        )
    recovered = recover_buffers(model)
    exported = functional(model, args, kwargs, train, recovered)
    if not exported.results:
        raise TraceError(
            f"{type(model).__name__} returns no floating-point tensors, so its outputs are "
            "constant in its parameters; return scores or logits in the place of integers"
        )
    return build(model, exported, recovered)
