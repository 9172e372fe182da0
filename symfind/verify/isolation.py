"""Call a module without leaving a trace on it or on the random state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from symfind.budget import sheltered
from symfind.load.experts import dense_experts
from symfind.load.recomputation import without_recomputation

_DROPOUT_NAMES = ("dropout", "droppath", "drop_path", "stochasticdepth")


def _refresh_flat_weights(module: nn.Module, args: tuple[Any, ...]) -> None:
    # Recurrent modules read a private list of weights that `functional_call` does not replace.
    names: Any = module._flat_weights_names
    module.__dict__["_flat_weights"] = [getattr(module, n, None) for n in names]


def _set_modes(model: nn.Module, train: bool) -> None:
    for module in model.modules():
        dropout = any(word in type(module).__name__.lower() for word in _DROPOUT_NAMES)
        module.training = train and not dropout
        if train and getattr(module, "track_running_stats", False):
            module.__dict__["track_running_stats"] = (
                False  # the batch's own statistics, and no update of them
            )
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
            module.register_forward_pre_hook(_refresh_flat_weights)


def _configs(model: nn.Module) -> list[Any]:
    found = {}
    for module in model.modules():
        config = getattr(module, "config", None)
        if config is not None and getattr(config, "use_cache", None):
            found[id(config)] = config
    return list(found.values())


def _seed(seed: int) -> None:
    """Seed what a model may draw from.

    `torch.manual_seed` keeps a call, with the stack that led to it, for every kind of device that
    is not in use yet: longer than a small model takes.
    """
    if torch.cuda.is_initialized() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@contextmanager
def isolated(model: nn.Module, *, train: bool, seed: int = 0) -> Iterator[None]:
    """Put `model` in the asked mode, seed the random state; put everything back afterwards.

    Attributes that the forward pass sets on any module (caches, mode flags, hooks, counters) are
    restored too. Tensors that it changes in place are not: pass copies of those.
    """
    modules = list(model.modules())
    kept = [{k: v.copy() if isinstance(v, dict) else v for k, v in m.__dict__.items()}
            for m in modules]  # fmt: skip
    tables = [{k: v for k, v in m.__dict__.items() if isinstance(v, dict)} for m in modules]
    configs = _configs(model)
    try:
        with torch.random.fork_rng(), dense_experts(model), without_recomputation():
            _seed(seed)
            for config in configs:
                config.use_cache = False
            _set_modes(model, train)
            yield
    finally:
        with sheltered():
            for config in configs:
                config.use_cache = True
            for module, attributes, dicts in zip(modules, kept, tables, strict=True):
                module.__dict__.clear()
                for key, value in attributes.items():
                    if key in dicts:  # the same dictionary object, with its old contents
                        dicts[key].clear()
                        dicts[key].update(value)
                        value = dicts[key]
                    module.__dict__[key] = value
