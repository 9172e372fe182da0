"""Arguments of a constructor that are config objects: filled from settings."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from symfind.errors import LoadError
from symfind.load.build import unknown_setting
from symfind.load.config_classes import arguments, config_class, fields, required
from symfind.load.files import explain


def with_configs(
    function: Callable[..., Any], where: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings with config objects made for the arguments that are one.

    An argument is one where its default or its annotation says so, or where its module has one
    class only that it can be. `config.n_layer` reaches into it; `n_layer` does where only one of
    them has it and no argument has that name.

    Raises:
        LoadError: a config has no such field, or does not accept the value; or several classes may
            be meant.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return dict(settings)
    more = any(key not in parameters for key in settings)  # what a config may be meant with
    asked = {
        n: p for n, p in parameters.items()
        if n not in settings and (more or p.default is p.empty)
    }  # fmt: skip
    kinds = {n: k for n, p in asked.items() if (k := config_class(function, p)) is not None}
    plain: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in settings.items():
        head, dot, rest = key.partition(".")
        owners = [n for n, kind in kinds.items() if key in fields(kind)]
        if dot and head in kinds:
            inside.setdefault(head, {})[rest] = value
        elif key not in parameters and not open_ended and len(owners) == 1:
            inside.setdefault(owners[0], {})[key] = value
        elif kinds and key not in parameters and not open_ended:
            known = [f for kind in kinds.values() for f in fields(kind)]
            raise unknown_setting(where, key, [*parameters, *known])
        else:
            plain[key] = value
    for name, kind in kinds.items():
        needed = parameters[name].default is inspect.Parameter.empty
        if name in inside or needed:
            default = None if needed else parameters[name].default
            plain[name] = _made(kind, default, inside.get(name, {}), f"{where}: {name}")
    return plain


def _made(kind: type, default: Any, given: Mapping[str, Any], where: str) -> Any:
    """A config of some fields, the others as they are by default."""
    known = fields(kind)
    for name in given:
        if name not in known:
            raise unknown_setting(where, name, known)
    try:
        return _filled(kind, None if isinstance(default, type) else default, given)
    except TypeError as error:
        missing = [n for n in required(kind) if n not in given]
        if missing:
            options = " ".join(f"--set {where.rpartition(': ')[2]}.{n}=VALUE" for n in missing)
            raise LoadError(f"{where} needs {', '.join(missing)}; give {options}") from error
        raise LoadError(explain(error, f"{where} could not be made")) from error
    except Exception as error:
        raise LoadError(explain(error, f"{where} could not be made")) from error


def _filled(kind: type, default: Any, given: Mapping[str, Any]) -> Any:
    """By the constructor where it takes a setting, by its attribute where it does not."""
    if dataclasses.is_dataclass(kind):
        return kind(**given) if default is None else dataclasses.replace(default, **given)
    before = {n: getattr(default, n) for n in fields(kind) if hasattr(default, n)}
    values = {**({} if default is None else before), **given}
    taken = {name: value for name, value in values.items() if name in arguments(kind)}
    made = kind(**taken)
    for name in values.keys() - taken.keys():
        setattr(made, name, values[name])
    return made
