"""Rules from other packages: `symfind.rule`, and the example on which each is tried."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from symfind.ops import registry

Rule = Callable[..., Any]

_FILE = "symfind_file_"  # how files are named that are imported by their path


@dataclass(frozen=True)
class Example:
    """How an operation is called, so that its rule can be held against a measurement.

    Attributes:
        call: a function of one or more tensors [batch, *shape] that gives one tensor whose last
            dimension is features. Each operand is what a trained linear layer writes.
        shape: of each operand behind the batch.
    """

    call: Callable[..., Any]
    shape: tuple[int, ...] = (4,)


@dataclass(frozen=True)
class Own:
    """A rule that came from elsewhere.

    Attributes:
        target: the operation, `mylib.gate`.
        function: the rule.
        example: on which it is tried, None where none was given.
    """

    target: str
    function: Rule
    example: Example | None

    @property
    def origin(self) -> str:
        """The module or the file that holds it."""
        module = self.function.__module__
        return f"{module.removeprefix(_FILE)}.py" if module.startswith(_FILE) else module


OWN: dict[str, Own] = {}


class _Rule:
    """Enter a function as the rule of some operations; used as a decorator, `symfind.rule`.

        @symfind.rule("mylib::gate", example=torch.ops.mylib.gate)
        def gate(b, x):
            return b.mix(x, [1], [x.shape[1]])

    The function writes the operation in primitives: it is called with a `Builder` and what the
    operation is called with, wires in place of tensors. It says nothing about algebras.

    `symfind.rule.sizes` and `symfind.rule.exact` enter the other two readings: how sizes are
    related (on `Relations`), and arithmetic modulo a prime (on a `Tape`).

    A false rule is found out: generators are verified on every model that is analysed, and
    `symfind rules` holds each rule against the measured solutions of its local equation.
    """

    def __call__(
        self,
        *targets: str,
        example: Callable[..., Any] | None = None,
        shape: tuple[int, ...] = (4,),
    ) -> Callable[[Rule], Rule]:
        """Register.

        Args:
            targets: names of operations, `mylib::gate`, or of ATen without `aten.`.
            example: a call of the operation on tensors [batch, *shape].
            shape: of each operand behind the batch; small sizes will do.

        Raises:
            ValueError: one of them has a rule already, from elsewhere.
        """
        tried = Example(example, tuple(shape)) if example is not None else None

        def register(function: Rule) -> Rule:
            registry.lower(*targets)(function)
            for target in map(registry.full_name, targets):
                OWN[target] = Own(target, function, tried)
            return function

        return register

    sizes = registry.sizes
    exact = registry.exact


rule = _Rule()
