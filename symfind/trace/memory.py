"""Tensors that look at the same memory, and what each of them holds after one was written to.

The tensors of a model alias each other: views look at parts of what they are views of, and writing
through one changes what all others show. A `Cell` stands for one piece of memory and knows the node
that computes its present content; a `Wire` is one tensor's way to look at it, a chain of views.
Whoever reads a wire after the cell was written replays the chain on the new content.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from torch import fx

from symfind.trace.exported import Shaped


class State(IntEnum):
    """What is known of values: all of them; none, but that they are constants; or they vary."""

    KNOWN = 0
    UNKNOWN = 1
    VARYING = 2


@dataclass(frozen=True, slots=True)
class View:
    """One step of a chain: ``func(parent, *args, **kwargs)``, of several results the one ``index``.

    ``before`` and ``after`` are shapes of the parent and of the view. ``func`` is None where it is
    only known that the memory is the same.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    index: int | None
    before: Shaped
    after: Shaped
    siblings: tuple[Any, ...] = ()


class Cell:
    """A piece of memory: the node of its content, and how often it was written."""

    __slots__ = ("__weakref__", "base", "node", "saved", "state", "version")

    def __init__(self, node: fx.Node, state: State, base: Any = None) -> None:
        self.node = node
        self.state = state
        self.version = 0
        self.base = base  # a tensor of the model's own, which must be found as it was
        self.saved: Any = None


class Wire:
    """How one tensor looks at a cell; ``node`` is its value when the cell had ``version``."""

    __slots__ = ("cell", "chain", "hollow", "node", "version")

    def __init__(self, cell: Cell, chain: tuple[View, ...], node: fx.Node) -> None:
        self.cell = cell
        self.chain = chain
        self.node = node
        self.version = cell.version
        self.hollow: Any = None  # the same tensor without values, where it has some


Emit = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], fx.Node]
Undo = Callable[[View, fx.Node, fx.Node], fx.Node]


def content(wire: Wire, look: Callable[[View, fx.Node], fx.Node]) -> fx.Node:
    """The node of what the tensor of ``wire`` shows now."""
    if wire.version != wire.cell.version:
        node = wire.cell.node
        for view in wire.chain:
            node = look(view, node)
        wire.node, wire.version = node, wire.cell.version
    return wire.node


def store(wire: Wire, node: fx.Node, look: Callable[[View, fx.Node], fx.Node], undo: Undo) -> None:
    """Let the tensor of ``wire`` show ``node``, and every other tensor on its cell accordingly."""
    parents = [wire.cell.node]
    for view in wire.chain[:-1]:
        parents.append(look(view, parents[-1]))
    value = node
    for view, parent in zip(reversed(wire.chain), reversed(parents), strict=False):
        value = undo(view, parent, value)
    cell = wire.cell
    cell.node, cell.version = value, cell.version + 1
    wire.node, wire.version = node, cell.version
