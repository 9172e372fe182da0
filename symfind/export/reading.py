"""Files that people write by hand: JSON, YAML, Python source with literals."""

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from symfind.errors import InputError


def read(path: str) -> Any:
    """What a file says: JSON, YAML, or Python source with literals.

    Raises:
        InputError: it is none of these.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if path.endswith(".py"):
        return _source(text, path)
    try:
        return json.loads(text)
    except ValueError:
        pass
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply") from error
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(f"{path} is no JSON; YAML needs PyYAML (pip install pyyaml)") from error
    try:
        found = yaml.safe_load(text)
        if _holds_itself(found, set(), set()):
            raise InputError(f"{path} holds an anchor that stands inside itself")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is neither JSON nor YAML: {error}") from error
    return found


def nested(
    content: Any, wanted: Callable[[Mapping[str, Any]], bool]
) -> Iterator[Mapping[str, Any]]:
    """The mappings of a kind, wherever they are nested; not what is nested in these.

    Args:
        content: of a file.
        wanted: whether a mapping is of the kind.
    """
    if isinstance(content, Mapping):
        if wanted(content):
            yield content
            return
        content = tuple(content.values())
    if isinstance(content, list | tuple):
        for value in content:
            yield from nested(value, wanted)


def _holds_itself(value: Any, above: set[int], seen: set[int]) -> bool:
    """Whether a collection is part of itself, as by an anchor of YAML.

    Args:
        value: what was read.
        above: identities of the collections that it stands in.
        seen: of those that are known not to.
    """
    if not isinstance(value, dict | list | tuple | set) or id(value) in seen:
        return False
    if id(value) in above:
        return True
    inside = [*value, *value.values()] if isinstance(value, dict) else value
    if any(_holds_itself(one, above | {id(value)}, seen) for one in inside):
        return True
    seen.add(id(value))
    return False


def _source(text: str, path: str) -> dict[str, Any]:
    """The names that a source gives literal values; nothing of it is executed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} is no Python source: {error}") from error
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except (ValueError, TypeError, RecursionError, MemoryError):
                continue
    return found
