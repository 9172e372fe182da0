"""Rules by operation: a rule lowers one traced operation to primitives."""

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
_rules: dict[str, Rule] = {}


def rule(*targets: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of some operations.

    `aten.` is implied, unless a name is `space::name`; the overload is optional.

    The function receives the builder, then the operation's own arguments with every wire already
    lowered to a `Node`, and returns a node, or a tuple of nodes for several outputs.

    Raises:
        ValueError: where an operation has a rule already.
    """

    def register(function: Rule) -> Rule:
        for target in targets:
            name = target.replace("::", ".") if "::" in target else f"aten.{target}"
            if name in _rules:
                raise ValueError(f"{name} has a rule already")
            _rules[name] = function
        return function

    return register


def find(target: str) -> Rule | None:
    """The rule for `aten.add.Tensor`: of this overload, else of the operation."""
    return _rules.get(target) or _rules.get(".".join(target.split(".")[:2]))


def supported() -> list[str]:
    """Operations that have a rule."""
    return sorted(_rules)
