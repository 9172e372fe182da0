"""Dataclasses to and from plain JSON values, driven by their type hints.

Every record of the report is a frozen dataclass whose fields stand in the order of the JSON, so
one pair of functions serves them all and a new field is one line.
"""

import dataclasses
import functools
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from symfind.errors import SymfindError

T = TypeVar("T")

IN_MEMORY = {"json": False}
"""Field metadata: the field is not serialised and not compared."""

OMIT_NONE = {"omit_none": True}
"""Field metadata: the key is left out while the value is None."""


class ReportFormatError(SymfindError):
    """A JSON value that is not a symfind report; the message names the key at fault."""


def encode(value: Any) -> Any:
    """Turn a dataclass, container or scalar into plain JSON values.

    Floats that are not finite become None, because JSON has no word for them.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if not field.metadata.get("json", True):
                continue
            if item is None and field.metadata.get("omit_none", False):
                continue
            out[field.name] = encode(item)
        return out
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def decode(kind: type[T], data: Any, path: str = "report") -> T:
    """Build the dataclass `kind` from the plain JSON value `data`.

    Keys that `kind` does not know are ignored, because reports may grow; those without a default
    must be there.

    Raises:
        ReportFormatError: a key is missing or holds a value of the wrong type; `path` leads to it.
    """
    if not isinstance(data, Mapping):
        raise ReportFormatError(f"{path}: expected an object, found {_name(data)}")
    hints = _hints(kind)  # type: ignore[arg-type]
    values = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if not field.metadata.get("json", True):
            continue
        if field.name in data:
            values[field.name] = _value(hints[field.name], data[field.name], f"{path}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ReportFormatError(f"{path}: the key {field.name!r} is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise ReportFormatError(f"{path}: {error}") from error


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    # In-memory fields may name types of layers that pull in torch; their hints are never looked up.
    serialised = {f.name for f in dataclasses.fields(kind) if f.metadata.get("json", True)}
    own = {name: hint for name, hint in kind.__annotations__.items() if name in serialised}
    probe = type(kind.__name__, (), {"__annotations__": own, "__module__": kind.__module__})
    return get_type_hints(probe)


def _value(hint: Any, data: Any, path: str) -> Any:
    if hint is Any:
        return data
    if dataclasses.is_dataclass(hint):
        return decode(hint, data, path)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _value(inner, data, path)
    if origin is Literal:
        if data not in arguments:
            raise ReportFormatError(f"{path}: {data!r} is none of {', '.join(arguments)}")
        return data
    if origin is tuple:
        return _tuple(arguments, data, path)
    if origin in (dict, Mapping):
        if not isinstance(data, Mapping):
            raise ReportFormatError(f"{path}: expected an object, found {_name(data)}")
        return {key: _value(arguments[1], item, f"{path}.{key}") for key, item in data.items()}
    if hint is float and type(data) is int:
        return float(data)
    if type(data) is not hint:
        raise ReportFormatError(f"{path}: expected {hint.__name__}, found {_name(data)}")
    return data


def _tuple(arguments: tuple[Any, ...], data: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise ReportFormatError(f"{path}: expected a list, found {_name(data)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        hints = [arguments[0]] * len(data)
    elif len(arguments) != len(data):
        raise ReportFormatError(f"{path}: expected {len(arguments)} items, found {len(data)}")
    else:
        hints = list(arguments)
    return tuple(
        _value(h, item, f"{path}[{i}]") for i, (h, item) in enumerate(zip(hints, data, strict=True))
    )


def _name(data: Any) -> str:
    return "null" if data is None else type(data).__name__
