"""Call a module without leaving a trace on it or on the random state."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn

from symfind.budget import sheltered
from symfind.load.experts import dense_experts
from symfind.load.recomputation import without_recomputation

_DROPOUT_NAMES = ("dropout", "droppath", "drop_path", "stochasticdepth")
_NOTHING: Mapping[Any, Any] = {}


def _refresh_flat_weights(module: nn.Module, args: tuple[Any, ...]) -> None:
    # Recurrent modules read a private list of weights that `functional_call` does not replace.
    names: Any = module._flat_weights_names
    module.__dict__["_flat_weights"] = [getattr(module, n, None) for n in names]


@lru_cache(maxsize=1000)
def _drops(name: str) -> bool:
    """Whether modules of a class of this name leave out some of what they are given."""
    return any(word in name.lower() for word in _DROPOUT_NAMES)


def _set_modes(modules: list[nn.Module], train: bool) -> None:
    for module in modules:
        mode = train and not _drops(type(module).__name__)
        if "training" in module.__dict__:  # what `__setattr__` of a module comes to, far sooner
            module.__dict__["training"] = mode
        else:  # a compiled one keeps it elsewhere
            module.training = mode
        if train and getattr(module, "track_running_stats", False):
            module.__dict__["track_running_stats"] = (
                False  # the batch's own statistics, and no update of them
            )
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
            module.register_forward_pre_hook(_refresh_flat_weights)


def _configs(modules: list[nn.Module]) -> list[Any]:
    found = {}
    for module in modules:
        config = module.__dict__.get("config")
        if config is None and hasattr(type(module), "config"):
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


class _Kept(NamedTuple):
    """The attributes of a module, and those that are dictionaries with what they hold."""

    module: nn.Module
    attributes: dict[str, Any]
    tables: list[tuple[dict[Any, Any], Mapping[Any, Any]]]

    @classmethod
    def of(cls, module: nn.Module) -> "_Kept":
        """As they are now."""
        own = module.__dict__
        tables = [(v, v.copy() if v else _NOTHING) for v in own.values() if isinstance(v, dict)]
        return cls(module, own.copy(), tables)

    def restore(self) -> None:
        """The same attributes in the same order, the same dictionaries with their old contents."""
        for table, contents in self.tables:
            if table or contents:
                table.clear()
                table.update(contents)
        self.module.__dict__.clear()
        self.module.__dict__.update(self.attributes)


@contextmanager
def isolated(model: nn.Module, *, train: bool, seed: int = 0) -> Iterator[None]:
    """Put `model` in the asked mode, seed the random state; put everything back afterwards.

    Attributes that the forward pass sets on any module (caches, mode flags, hooks, counters) are
    restored too. Tensors that it changes in place are not: pass copies of those.
    """
    modules = list(model.modules())
    kept = [_Kept.of(module) for module in modules]
    configs = _configs(modules)
    try:
        with torch.random.fork_rng(), dense_experts(model), without_recomputation():
            _seed(seed)
            for config in configs:
                config.use_cache = False
            _set_modes(modules, train)
            yield
    finally:
        with sheltered():
            for config in configs:
                config.use_cache = True
            for one in kept:
                one.restore()
