"""Which class the config object of an argument is made of, and which settings that takes."""

import contextlib
import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from symfind.errors import LoadError

_NAMES = ("config", "configuration", "cfg", "conf", "args", "hparams")


def config_class(function: Callable[..., Any], parameter: inspect.Parameter) -> type | None:
    """The class of the config that an argument takes: said by default or annotation, or found.

    Raises:
        LoadError: several classes of the module may be meant.
    """
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return None
    given = parameter.default
    kind = given if isinstance(given, type) else type(given)
    if given is not parameter.empty and _configures(kind):
        return kind
    annotation = _annotation(function, parameter)
    if annotation is not None:
        return annotation if _configures(annotation) else None
    named_only = given is None and _says_config(parameter.name)
    if given is not parameter.empty and not named_only:
        return None
    found = _candidates(function, parameter)
    if len(found) > 1 and _says_config(parameter.name):
        raise LoadError(_ambiguous(function, parameter.name, found))
    return found[0] if len(found) == 1 else None


def fields(kind: type) -> list[str]:
    """Names of the settings that a config takes."""
    if dataclasses.is_dataclass(kind):
        return [f.name for f in dataclasses.fields(kind) if f.init]
    return list(dict.fromkeys([*arguments(kind), *attributes(kind)]))


def required(kind: type) -> list[str]:
    """Those without a value by default."""
    return [n for n, p in arguments(kind).items() if p.default is p.empty]


def arguments(kind: type) -> Mapping[str, inspect.Parameter]:
    """Named arguments of the constructor; of a plain class, its attributes are others."""
    try:
        found = inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return {}
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in found.items() if p.kind not in rest}


def attributes(kind: type) -> list[str]:
    """Values in the body of a plain class, and those set by a constructor without arguments."""
    bodies = [vars(base) for base in reversed(kind.__mro__[:-1])]
    found = {name: value for body in bodies for name, value in body.items()}
    if "__init__" in found and not arguments(kind):
        with contextlib.suppress(Exception):  # which is told once the config is made
            found |= vars(kind())
    return [name for name, value in found.items() if not name.startswith("_") and _is_value(value)]


def _is_value(value: Any) -> bool:
    """Whether an attribute holds a setting: no method, property or class inside."""
    return not callable(value) and not hasattr(type(value), "__get__")


def _says_config(name: str) -> bool:
    return name.lower().endswith(_NAMES)


def _configures(kind: Any) -> bool:
    """Whether a class holds settings: a dataclass, or one whose name says so."""
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind)
        or (_says_config(kind.__name__) and not issubclass(kind, nn.Module))
    )


def _candidates(function: Callable[..., Any], parameter: inspect.Parameter) -> list[type]:
    """Classes of the module that an argument may take where nothing else tells.

    Of dataclasses and plain classes named like a config the only dataclass is taken.
    """
    module = sys.modules.get(getattr(function, "__module__", "") or "")
    found = [
        value for value in dict.fromkeys(v for v in vars(module).values() if isinstance(v, type))
        if value is not function and value.__module__ == getattr(module, "__name__", "")
        and _configures(value)
    ] if module else []  # fmt: skip
    known = [kind for kind in found if dataclasses.is_dataclass(kind)]
    if not _says_config(parameter.name):
        return known
    named = [kind for kind in found if _says_config(kind.__name__)]
    among = named or known
    typed = [kind for kind in among if dataclasses.is_dataclass(kind)]
    return typed if len(typed) == 1 else among


def _ambiguous(function: Callable[..., Any], name: str, found: list[type]) -> str:
    *most, last = (kind.__name__ for kind in found)
    where = getattr(function, "__qualname__", getattr(function, "__name__", "the model"))
    return (
        f"{where}: the argument {name} may be a {', '.join(most)} or a {last}; annotate it "
        f"({name}: {found[0].__name__}), or name a function without arguments that builds the model"
    )


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    if parameter.annotation is parameter.empty:
        return None
    target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    try:
        found = typing.get_type_hints(target).get(parameter.name, parameter.annotation)
    except Exception:  # names that are only there for type checkers
        found = parameter.annotation
    options = [a for a in typing.get_args(found) if a is not type(None)]
    return options[0] if len(options) == 1 and typing.get_origin(found) is not list else found
