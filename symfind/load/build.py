"""From the attribute that a spec names to a module."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from symfind.budget import OutOfTime
from symfind.errors import LoadError, UnknownSetting
from symfind.load.files import explain, near
from symfind.load.operators import with_operators


def build(
    value: Any, where: str, settings: Mapping[str, Any], path: Path | None = None
) -> tuple[nn.Module, Any]:
    """Make a module of an attribute.

    Args:
        value: A module, a class, a function, or a pair of a module and its example inputs.
        where: How messages name it, e.g. ``model.py:build``.
        settings: Keyword arguments for a class or a function.
        path: The file it comes from, whose lines messages prefer to show.

    Returns:
        The module, and the example inputs that came with it (or ``None``).

    Raises:
        LoadError: It is none of these, raises, or does not take the settings.
    """
    if isinstance(value, nn.Module) or not callable(value):
        if settings:
            raise LoadError(
                f"{where} is a {type(value).__name__} that is already built, so --set "
                f"{next(iter(settings))}=… cannot reach it; name a class or a function instead"
            )
        return _unpack(value, where)
    from symfind.load.configs import with_configs  # which speaks of settings as this module does

    settings = with_configs(value, where, settings)
    _check_settings(value, where, settings)
    try:
        built = with_operators(lambda: value(**settings))
    except (KeyboardInterrupt, OutOfTime):
        raise
    except BaseException as error:  # of a user's own making too
        raise LoadError(explain(error, f"{where} failed when it was called", path)) from error
    return _unpack(built, where)


def bare(model: nn.Module) -> nn.Module:
    """The module inside of what compiles or distributes it, which computes the same function."""
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = getattr(model, "_orig_mod", None)  # where torch.compile keeps it
        if isinstance(model, parallel):
            inner = model.module
        if inner is None:
            return model
        model = inner


def check_model(model: nn.Module, where: str, frozen: bool = False) -> None:
    """Make sure that there is something to analyse.

    Args:
        model: the module.
        where: how messages name it.
        frozen: whether it may be without trainable parameters.

    Raises:
        LoadError: The model has no (trainable) parameters, or lazy ones that have no shape yet, or
            is compiled to TorchScript, or a constructor did not finish.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise LoadError(
            f"{where} is compiled to TorchScript, which cannot be traced again; hand over the "
            "module that it was made from"
        )
    bare_path = _unfinished(model)
    if bare_path is not None:
        raise LoadError(
            f"{where}: the constructor of {bare_path} did not call super().__init__(), so that it "
            "is no torch module yet; call it first"
        )
    parameters = list(model.named_parameters())
    lazy = [name for name, p in parameters if isinstance(p, UninitializedParameter)]
    if lazy:
        raise LoadError(
            f"{where}: {lazy[0]} has no shape yet (a lazy module); call the model once on an "
            "example before handing it over"
        )
    if frozen:
        return
    if not parameters:
        raise LoadError(f"{where}: {type(model).__name__} has no parameters, so no symmetries")
    if not any(p.requires_grad and p.numel() for _, p in parameters):
        raise LoadError(
            f"{where}: every parameter of {type(model).__name__} is frozen (requires_grad=False) "
            "or empty; unfreeze those whose symmetries are asked for"
        )


def _unfinished(model: nn.Module, path: str = "") -> str | None:
    """The first module that torch has not been told of."""
    children = model.__dict__.get("_modules")
    if children is None:
        return (
            f"{type(model).__name__} ({path.removeprefix('.')})" if path else type(model).__name__
        )
    found = (_unfinished(m, f"{path}.{n}") for n, m in children.items() if m is not None)
    return next((name for name in found if name is not None), None)


def unknown_setting(
    where: str, name: str, known: list[str], setting: str | None = None
) -> UnknownSetting:
    """The error for a ``--set`` that nobody would read; `name` is the part at fault of it."""
    close = near(name, known)
    shown = ", ".join(known[:12]) + (", …" if known[12:] else "")
    hint = f"did you mean {' or '.join(close)}?" if close else f"it takes {shown or 'none'}"
    message = f"{where} does not take the setting {name!r}; {hint}"
    return UnknownSetting(message, name if setting is None else setting)


def _check_settings(function: Any, where: str, settings: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    known = [name for name, p in signature.parameters.items() if p.kind in kinds]
    for name in settings:
        if name not in known and not open_ended:
            raise unknown_setting(where, name, known)
    required = [
        p.name
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    missing = [name for name in required if name not in settings]
    if missing:
        raise LoadError(
            f"{where} needs {', '.join(missing)}; give "
            f"{' '.join(f'--set {name}=VALUE' for name in missing)}, or name a function without "
            "arguments that builds the model"
        )


def _unpack(value: Any, where: str) -> tuple[nn.Module, Any]:
    if isinstance(value, nn.Module):
        return value, None
    match value:
        case (nn.Module() as model, example):
            return model, example
    raise LoadError(
        f"{where} gives a {type(value).__name__}, not a torch.nn.Module; it must be a module, a "
        "class or a function that returns one, or one that returns (model, example_inputs)"
    )
