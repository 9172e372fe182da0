"""The integers inside the arguments of a recipe: where they stand, and arguments with others."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str | int, ...]
"""A name of an argument, then items, keys and (with a dot in front) attributes inside it."""

_DEEP = 4  # containers inside each other
_MOST = 400  # integers of one argument: more are data and no sizes


def integers(arguments: Mapping[str, Any]) -> dict[Place, int]:
    """Every positive integer that the arguments hold, by its place."""
    found: dict[Place, int] = {}
    for name, value in arguments.items():
        inside = list(_inside(value, (name,), _DEEP))
        if len(inside) <= _MOST:
            found.update(inside)
    return found


def _inside(value: Any, place: Place, deep: int) -> Iterator[tuple[Place, int]]:
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return
    if isinstance(value, int):
        if value > 0:
            yield place, value
    elif deep:
        for key, item in _items(value):
            yield from _inside(item, (*place, key), deep - 1)


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if isinstance(key, str))
    elif _plain(value):
        yield from ((f".{name}", item) for name, item in vars(value).items() if name[:1] != "_")


def _plain(value: Any) -> bool:
    """Whether it is an object that holds settings: of a class of its own, without behaviour."""
    kind = type(value)
    return hasattr(value, "__dict__") and not (
        isinstance(value, type) or callable(value) or kind.__module__.startswith("torch.nn")
    )


def changed(arguments: Mapping[str, Any], values: Mapping[Place, int]) -> dict[str, Any]:
    """The arguments that hold some integers, with others in their places.

    Args:
        arguments: all of them; they are not changed.
        values: new integers by their places.
    """
    found: dict[str, Any] = {}
    for (name, *rest), n in values.items():
        key = str(name)
        found[key] = _put(found.get(key, arguments[key]), tuple(rest), n)
    return found


def _put(value: Any, place: Place, n: int) -> Any:
    if not place:
        return n
    key, *rest = place
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        items = list(value)
        items[int(key)] = _put(items[int(key)], tuple(rest), n)
        return tuple(items)
    if isinstance(value, tuple):
        items = [_put(x, tuple(rest), n) if i == key else x for i, x in enumerate(value)]
        return type(value)(*items)
    if isinstance(key, str) and key.startswith(".") and not isinstance(value, Mapping):
        name = key[1:]
        inner = _put(getattr(value, name), tuple(rest), n)
        fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        if any(f.name == name and f.init for f in fields):
            return dataclasses.replace(value, **{name: inner})  # type: ignore[type-var]
        other = copy.copy(value)
        object.__setattr__(other, name, inner)
        return other
    other = copy.copy(value)
    other[key] = _put(other[key], tuple(rest), n)
    return other


def spelled(place: Place) -> str:
    """`depths[0]`, `config.n_layer`."""
    first, *rest = place
    text = str(first)
    for key in rest:
        attribute = isinstance(key, str) and key.startswith(".")
        text += str(key) if attribute else f"[{key}]" if isinstance(key, int) else f".{key}"
    return text
