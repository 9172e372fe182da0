"""What each operation means, in three readings: one table from operation to rule for each.

`lower` writes an operation in primitives, on a `Builder`; `sizes` says what relates the extents of
its operands, results and arguments, on `Relations`; `exact` computes it modulo a prime beside the
real point, on a `Tape`. The rules of one operation stand together in the file of its family.
"""

import functools
import importlib
import pkgutil
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

Rule = Callable[..., Any]
GROUP = "symfind.rules"  # of entry points
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
            for target in map(full_name, targets):
                known = self.rules.get(target)
                if known is not None and _home(known) != _home(function):
                    raise ValueError(f"{target} has a rule for {self.name} already")
                self.rules[target] = function  # a file may be read twice
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


def full_name(name: str) -> str:
    """How an operation is spelled in the tables: `aten.add`, `mylib.gate`."""
    if "::" in name:
        return name.replace("::", ".")
    return name if name in LEAVES else f"aten.{name}"


def _home(function: Rule) -> tuple[Any, ...]:
    code = getattr(function, "__code__", None)
    return (code.co_filename, function.__qualname__) if code else (function,)


lower, sizes, exact = Reading("lowering"), Reading("sizes"), Reading("exact arithmetic")


@functools.cache
def load_rules() -> None:
    """Import every family of operations once, so that its rules register, then those of others.

    Other packages name a module of rules as an entry point of the group `symfind.rules`. One that
    cannot be imported is left out with a warning: its operations are rigid then.
    """
    package = importlib.import_module("symfind.ops")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"symfind.ops.{module.name}")
    for point in metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            warnings.warn(f"the rules of {point.value} are left out ({what})", stacklevel=2)
