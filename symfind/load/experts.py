"""Mixtures of experts of transformers, as a function that can be traced and differentiated.

transformers sends every token to its few experts, by loops and sorts that depend on the data, or by
kernels for half precision. The same function without choices: every expert sees every token, and
the weights of those that were not chosen are zero.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_NAME = "symfind_dense"
_FIELD = "_experts_implementation_internal"  # of a config, without its parts


@contextmanager
def dense_experts(model: nn.Module) -> Iterator[None]:
    """Let the experts in ``model`` see all tokens while inside; without experts, do nothing."""
    configs = {id(c): c for m in model.modules() if (c := _config(m)) is not None}
    before = [(config, getattr(config, _FIELD)) for config in configs.values()]
    if before:
        _register()
    try:
        for config, _ in before:
            setattr(config, _FIELD, _NAME)
        yield
    finally:
        for config, value in before:
            setattr(config, _FIELD, value)


def _config(module: nn.Module) -> Any:
    """The config by which a module of experts chooses how it is evaluated."""
    config = module.__dict__.get("config")
    experts = "_is_expert_parallel" in module.__dict__
    return config if experts and hasattr(config, _FIELD) else None


def _register() -> None:
    moe: Any = sys.modules["transformers.integrations.moe"]
    if _NAME not in moe.ALL_EXPERTS_FUNCTIONS:
        moe.ALL_EXPERTS_FUNCTIONS.register(_NAME, _dense)


def _dense(module: Any, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """The sum over experts of routing weight times expert.

    Args:
        module: the experts, as transformers describes them to its own implementations.
        x: [tokens, width].
        chosen: indices of experts, [tokens, k].
        weights: of the chosen experts, [tokens, k].
    """
    first = "gate_up_proj" if module.has_gate else "up_proj"
    y = _linear(module, x.unsqueeze(0), first)
    y = module._apply_gate(y) if module.has_gate else module.act_fn(y)
    y = _linear(module, y, "down_proj")
    if module.has_post_expert_norm:
        y = module.post_expert_norm(y)
    every = torch.arange(y.shape[0], device=chosen.device)
    mine = (chosen.unsqueeze(-1) == every).to(weights.dtype)
    routed = torch.einsum("tk,tke->te", weights, mine)
    return torch.einsum("te,etd->td", routed, y).to(x.dtype)


def _linear(module: Any, x: Tensor, name: str) -> Tensor:
    """The layer of every expert: [experts or 1, tokens, inputs] to [experts, tokens, outputs]."""
    weight = getattr(module, name)
    y = torch.matmul(x.to(weight.dtype), weight if module.is_transposed else weight.mT)
    return y + getattr(module, f"{name}_bias").unsqueeze(1) if module.has_bias else y
