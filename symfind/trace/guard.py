"""Trace a model without leaving a mark on it."""

import io
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

_NOISE = ("Dropout", "DropPath", "DropBlock", "StochasticDepth", "DropConnect")


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Put back modes, attributes, hooks, gradients flags, config and random states on leaving."""
    modules = list(model.modules())
    attributes = [(module, dict(module.__dict__), _containers(module)) for module in modules]
    flags = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    configs = {id(c): (c, dict(c.__dict__)) for m in modules if (c := _config(m)) is not None}
    python, numpy = random.getstate(), sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy else None
    torch_state = torch.get_rng_state()
    grad = torch.is_grad_enabled()
    fastpath = torch.backends.mha.get_fastpath_enabled()
    try:
        yield
    finally:
        for module, values, containers in attributes:
            module.__dict__.clear()
            module.__dict__.update(values)
            for container, content in containers:
                container.clear()
                container.extend(content) if isinstance(container, list) else container.update(
                    content
                )
        for parameter, flag, gradient in flags:
            if parameter.requires_grad != flag:
                parameter.requires_grad_(flag)
            parameter.grad = gradient
        for config, values in configs.values():
            config.__dict__.clear()
            config.__dict__.update(values)
        random.setstate(python)
        if numpy:
            numpy.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        torch.set_grad_enabled(grad)
        torch.backends.mha.set_fastpath_enabled(fastpath)


def _containers(module: nn.Module) -> list[tuple[Any, Any]]:
    return [(v, v.copy()) for v in module.__dict__.values() if isinstance(v, (list, dict))]


def _config(module: nn.Module) -> Any:
    config = module.__dict__.get("config")
    return config if hasattr(config, "__dict__") else None


def set_mode(model: nn.Module, train: bool) -> None:
    """Evaluation mode; or training mode except for what is random."""
    for module in model.modules():
        noise = any(word in type(module).__name__ for word in _NOISE)
        # not module.train(): models override it, and it recurses
        module.training = train and not noise


def plain_config(model: nn.Module, attention: str | None = None) -> None:
    """Ask every config in ``model`` for no caches and, optionally, for a kind of attention."""
    configs = {id(c): c for m in model.modules() if (c := _config(m)) is not None}
    for config in configs.values():
        if hasattr(config, "use_cache"):
            config.use_cache = False
        if attention and hasattr(config, "_attn_implementation"):
            config._attn_implementation = attention


@contextmanager
def unguarded() -> Iterator[None]:
    """Leave out checks of values that torch's own modules make, and that change no result.

    Distributions look at their parameters; the encoder of a transformer looks whether its mask is
    the causal one, as a hint for kernels that would not have to read it.
    """
    transformer: Any = torch.nn.modules.transformer
    detect = transformer._detect_is_causal_mask
    validate = torch.distributions.Distribution._validate_args
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: bool(is_causal)
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        transformer._detect_is_causal_mask = detect
        torch.distributions.Distribution.set_default_validate_args(validate)


def convert_tensors(model: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """Put ``change(t)`` in the place of every tensor ``t`` that ``model`` holds."""
    for module in model.modules():
        for name, value in list(module.__dict__.items()):
            if name in ("_parameters", "_buffers"):
                for key, tensor in value.items():
                    if isinstance(tensor, Tensor):
                        value[key] = change(tensor)
            elif isinstance(value, Tensor):
                module.__dict__[name] = change(value)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, Tensor):
                        value[index] = change(item)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep away the exporter's warnings and logs, and what forward prints about fake tensors."""
    before = logging.root.manager.disable
    sink = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(sink), redirect_stderr(sink):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
