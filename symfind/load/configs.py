"""Arguments of a constructor that are config objects: found, and filled from settings."""

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from symfind.errors import LoadError
from symfind.load.build import unknown_setting
from symfind.load.files import explain


def with_configs(
    function: Callable[..., Any], where: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings with config objects made for the arguments that are one.

    An argument is one where its default, its annotation, or the only dataclass of its module says
    so. `config.n_layer` reaches into it; `n_layer` does where only one of them has it and no
    argument has that name.

    Raises:
        LoadError: a config has no such field, or does not accept the value.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return dict(settings)
    kinds = {n: k for n, p in parameters.items() if (k := _kind(function, p)) is not None}
    plain: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in settings.items():
        head, dot, rest = key.partition(".")
        owners = [n for n, kind in kinds.items() if key in _fields(kind)]
        if dot and head in kinds:
            inside.setdefault(head, {})[rest] = value
        elif key not in parameters and not open_ended and len(owners) == 1:
            inside.setdefault(owners[0], {})[key] = value
        elif kinds and key not in parameters and not open_ended:
            fields = [f for kind in kinds.values() for f in _fields(kind)]
            raise unknown_setting(where, key, [*parameters, *fields])
        else:
            plain[key] = value
    for name, kind in kinds.items():
        required = parameters[name].default is inspect.Parameter.empty
        if name not in plain and (name in inside or required):
            default = None if required else parameters[name].default
            made = _made(kind, default, inside.get(name, {}), f"{where}: {name}")
            if made is not None:
                plain[name] = made
    return plain


def _kind(function: Callable[..., Any], parameter: inspect.Parameter) -> type | None:
    """The class of the config that an argument takes."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return None
    if dataclasses.is_dataclass(parameter.default) and not isinstance(parameter.default, type):
        return type(parameter.default)
    annotation = _annotation(function, parameter)
    if annotation is not None:
        return annotation if _configures(annotation) else None
    if parameter.default is not parameter.empty:
        return None
    module = sys.modules.get(getattr(function, "__module__", "") or "")
    found = {
        value for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
        and value is not function and value.__module__ == getattr(module, "__name__", "")
    } if module else set()  # fmt: skip
    return found.pop() if len(found) == 1 else None


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


def _configures(kind: Any) -> bool:
    """Whether a class holds settings: a dataclass, or one whose name says so."""
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or kind.__name__.lower().endswith("config")
    )


def _fields(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [f.name for f in dataclasses.fields(kind) if f.init]
    try:
        return [n for n in inspect.signature(kind).parameters if n != "kwargs"]
    except (TypeError, ValueError):
        return []


def _made(kind: type, default: Any, given: Mapping[str, Any], where: str) -> Any:
    """A config of some fields, the others as they are by default."""
    known = _fields(kind)
    for name in given:
        if name not in known:
            raise unknown_setting(where, name, known)
    try:
        if default is not None and dataclasses.is_dataclass(default):
            return dataclasses.replace(default, **given)  # type: ignore[type-var]
        return kind(**given)
    except TypeError as error:
        missing = [n for n in _required(kind) if n not in given]
        if missing:
            options = " ".join(f"--set {where.rpartition(': ')[2]}.{n}=VALUE" for n in missing)
            raise LoadError(f"{where} needs {', '.join(missing)}; give {options}") from error
        raise LoadError(explain(error, f"{where} could not be made")) from error
    except Exception as error:
        raise LoadError(explain(error, f"{where} could not be made")) from error


def _required(kind: type) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [
            f.name for f in dataclasses.fields(kind)
            if f.init and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]  # fmt: skip
    return []
