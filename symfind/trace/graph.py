"""The traced network: operations joined by wires."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import networkx as nx


@dataclass(eq=False, slots=True)
class Op:
    """One operation of a traced network; see :class:`Graph` for how they are joined.

    ``target`` is the full name of an ATen operator (``"aten.linear.default"``) or one of
    ``"input"``, ``"parameter"``, ``"constant"``, ``"getitem"``, ``"output"``. Operands appear in
    ``args`` and ``kwargs`` as :class:`Op` objects, nested as the operator's schema has them. An
    operation with several results has ``shape`` and ``dtype`` None and lists them in ``outputs``;
    they are read by ``getitem`` operations with args ``(op, index)``.
    """

    name: str
    target: str
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    dtype: torch.dtype | None = None
    outputs: list[tuple[tuple[int, ...] | None, torch.dtype | None]] = field(default_factory=list)
    users: list["Op"] = field(default_factory=list)
    where: str = ""
    module: str = ""
    key: str = ""
    varies: bool = False
    trainable: bool = False
    data: Tensor | None = None
    stored: bool = False  # a buffer of which a checkpoint may have another value
    columns: tuple[tuple[int, int], ...] = ()  # of a look-up: rows that each column of places reads
    _known: bool = False
    _value: Any = None

    @property
    def base(self) -> str:
        """The operator's name alone: "linear" of "aten.linear.default"."""
        return self.target.removeprefix("aten.").partition(".")[0]

    @property
    def operands(self) -> list["Op"]:
        """The operations that this one reads, in order, one entry per use."""
        return [*walk(self.args), *walk(self.kwargs)]

    @property
    def constant(self) -> bool:
        """Whether the result depends on neither inputs nor trainable parameters."""
        return not (self.varies or self.trainable)

    def value(self) -> Tensor | None:
        """The concrete result (float64 where floating, on the cpu), None where it is unknowable.

        Only operations that neither vary nor are trainable have one. It is computed on the
        first call, from the constants that it rests on, and kept.
        """
        from symfind.trace.constants import evaluate

        result = evaluate(self)
        return result if isinstance(result, Tensor) else None

    def __repr__(self) -> str:
        shown = ", ".join(str(replace(a, lambda op: _Name(op.name))) for a in self.args)
        shape = list(self.shape) if self.shape is not None else len(self.outputs)
        return f"{self.name}: {self.target}({self.key or shown}) {shape}"


class _Name(str):
    __slots__ = ()
    __repr__ = str.__str__


def walk(tree: Any) -> Iterator[Op]:
    """Yield every Op inside nested tuples, lists and dicts, in order."""
    if isinstance(tree, Op):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from walk(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from walk(item)


def replace(tree: Any, change: Any) -> Any:
    """Rebuild nested tuples, lists and dicts with ``change(op)`` in the place of every Op."""
    if isinstance(tree, Op):
        return change(tree)
    if isinstance(tree, (tuple, list)):
        return type(tree)(replace(item, change) for item in tree)
    if isinstance(tree, dict):
        return {key: replace(item, change) for key, item in tree.items()}
    return tree


@dataclass(eq=False)
class Graph:
    """A traced network.

    ``ops`` are in topological order, without those that no output needs. ``parameters`` holds
    every trainable parameter under its first name, shared ones once; those that no output
    depends on are in ``unread`` as well and not in ``ops``. Each of ``outputs`` is an operation
    with target ``"output"`` and args ``(op,)``. ``notes`` say what was taken for granted.
    """

    ops: list[Op]
    inputs: list[Op]
    parameters: dict[str, Op]
    outputs: list[Op]
    unread: list[str]
    notes: tuple[str, ...] = ()

    @cached_property
    def network(self) -> "nx.MultiDiGraph":
        """Operations as nodes (attribute ``op``), wires as edges (``shape``, ``position``)."""
        import networkx as nx  # slow to import, and rarely asked for

        network: nx.MultiDiGraph = nx.MultiDiGraph()
        for op in self.ops:
            network.add_node(op.name, op=op)
        for op in self.ops:
            for position, operand in enumerate(op.operands):
                network.add_edge(operand.name, op.name, shape=operand.shape, position=position)
        return network
