"""What each operation means, in three readings: one table from operation to rule for each.

`lower` writes an operation in primitives, on a `Builder`; `sizes` says what relates the extents of
its operands, results and arguments, on `Relations`; `exact` computes it modulo a prime beside the
real point, on a `Tape`. The rules of one operation stand together in the file of its family.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
LEAVES = ("input", "parameter", "constant", "getitem", "output")  # of a trace, and no operators


class Reading:
    """A table of rules, which is also the decorator that enters a function into it.

    Attributes:
        rules: by `aten.name` or `aten.name.overload`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rules: dict[str, Rule] = {}

    def __call__(self, *targets: str) -> Callable[[Rule], Rule]:
        """Register a function as the rule of some operations.

        `aten.` is implied, unless a name is `space::name`; the overload is optional.

        Raises:
            ValueError: where an operation has a rule already.
        """

        def register(function: Rule) -> Rule:
            for target in map(_full, targets):
                if target in self.rules:
                    raise ValueError(f"{target} has a rule for {self.name} already")
                self.rules[target] = function
            return function

        return register

    def find(self, target: str) -> Rule | None:
        """The rule for `aten.add.Tensor`: of this overload, else of the operation."""
        load_rules()
        return self.rules.get(target) or self.rules.get(".".join(target.split(".")[:2]))

    def names(self) -> list[str]:
        """Operations that have a rule."""
        load_rules()
        return sorted(self.rules)


def _full(name: str) -> str:
    if "::" in name:
        return name.replace("::", ".")
    return name if name in LEAVES else f"aten.{name}"


lower, sizes, exact = Reading("lowering"), Reading("sizes"), Reading("exact arithmetic")


@functools.cache
def load_rules() -> None:
    """Import every family of operations once, so that its rules register."""
    package = importlib.import_module("symfind.ops")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"symfind.ops.{module.name}")
