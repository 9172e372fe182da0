"""Wires: nodes with indexed dimensions, their blocks, and where blocks meet.

Each node knows its `instances`: one per choice of blocks (parts of concatenated dimensions), naming
the atomic indices of every participant with shared labels, so that one label means one index. The
solver reads nothing else.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, branches
from symfind.graph.index_map import IndexMap, Way, broadcast

Label = tuple[Any, int]


@dataclass(frozen=True)
class Cell:
    """One block of a wire: a choice in every concatenated dimension, and the atoms that remain."""

    choice: tuple[tuple[int, ...], ...]
    atoms: tuple[Axis, ...]
    places: tuple[tuple[int, int], ...]  # (dimension, position within it) of every atom


@dataclass(frozen=True)
class Port:
    """A participant of an instance: a block of a node, with a label for each of its atoms."""

    node: "Node"
    cell: int
    labels: tuple[Label, ...]

    @cached_property
    def atoms(self) -> dict[Label, Axis]:
        """The atoms by their labels."""
        return dict(zip(self.labels, self.node.cells[self.cell].atoms, strict=True))


@dataclass(frozen=True)
class Instance:
    """One block of a primitive: the inputs that meet in it, and its output."""

    inputs: tuple[Port, ...]
    output: Port


@dataclass(eq=False)
class Node:
    """A wire and the primitive that writes it; `axes` are the indices of its dimensions."""

    inputs: tuple["Node", ...]
    axes: list[Axis]
    op: Any = None
    users: list["Node"] = field(default_factory=list)
    silent: list["Node"] = field(default_factory=list)  # what it depends on without a derivative
    index: int = -1
    result_of: Any = None  # the traced operation whose whole result this is
    # by dimension: coordinate i of the wire is coordinate orders[d][i] of the traced tensor
    orders: dict[int, tuple[int, ...]] = field(default_factory=dict)
    fixed: bool = field(init=False)  # neither parameters nor inputs reach it
    varies: bool = field(init=False)  # it depends on the model's input

    def __post_init__(self) -> None:
        for x in dict.fromkeys(self.inputs):
            x.users.append(self)
        self.fixed = bool(self.inputs) and all(x.fixed for x in self.inputs)
        self.varies = any(x.varies for x in self.inputs)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return tuple(a.size for a in self.axes)

    @cached_property
    def cells(self) -> list[Cell]:
        """Blocks in row-major order of their choices. Valid once all axes are merged."""
        return [
            Cell(
                tuple(b[0] for b in combo),
                tuple(a for b in combo for a in b[1]),
                tuple((dim, i) for dim, b in enumerate(combo) for i in range(len(b[1]))),
            )
            for combo in itertools.product(*(branches(a) for a in self.axes))
        ]

    @cached_property
    def cell_of(self) -> dict[tuple[tuple[int, ...], ...], int]:
        """Index of the block with a given choice per dimension."""
        return {cell.choice: i for i, cell in enumerate(self.cells)}

    def port(self, cell: int, labels: Sequence[Any]) -> Port:
        """A port whose atoms are named after the labels of their dimensions."""
        return Port(self, cell, tuple((labels[d], i) for d, i in self.cells[cell].places))

    @property
    def blind(self) -> tuple[int, ...]:
        """Dimensions of an operand along all of which constants change nothing of the result."""
        return ()

    def index_map(self, at: int = 0) -> IndexMap:
        """How the indices of an operand become those of the result: by default aligned right."""
        return broadcast(self.inputs[at].shape, self.shape)

    def begin(self, at: int, sizes: Sizes | None = None) -> int:
        """Where a range begins, of the operand or of the result: along the run that is one."""
        return 0

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """Labels of the dimensions of every input, and of the output: the same for one index."""
        inputs: list[Sequence[Any]] = []
        for at, x in enumerate(self.inputs):
            names: list[Any] = [("in", at, d) for d in range(len(x.axes))]
            for run in self.index_map(at):
                if run.way is Way.SAME:
                    names[run.ins[0]] = run.outs[0]
            inputs.append(names)
        return inputs, list(range(len(self.axes)))

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor | None:
        """The value of the wire at given values of its operands, None where it is not known.

        Args:
            values: of all inputs, in order.
            sizes: of the atomic indices, where they are not the model's own.
        """
        return None

    def instances(self) -> Iterator[Instance]:
        """Blocks of this primitive; labels decide which blocks of the inputs meet."""
        labels_in, labels_out = self.labelled()
        axis_of: dict[Any, Axis] = {}
        for node, labels in [*zip(self.inputs, labels_in, strict=True), (self, labels_out)]:
            for label, axis in zip(labels, node.axes, strict=True):
                if axis.size != 1 or label not in axis_of:
                    axis_of[label] = axis
        names = list(axis_of)
        options = [[b[0] for b in branches(axis_of[name])] for name in names]
        for combo in itertools.product(*options):
            chosen = dict(zip(names, combo, strict=True))
            ports = []
            for node, labels in [*zip(self.inputs, labels_in, strict=True), (self, labels_out)]:
                choice = tuple(
                    chosen[name] if axis.size != 1 else ()
                    for name, axis in zip(labels, node.axes, strict=True)
                )
                ports.append(node.port(node.cell_of[choice], labels))
            yield Instance(tuple(ports[:-1]), ports[-1])


def ancestors(nodes: Iterable[Node]) -> list[Node]:
    """Wires and all that they are made of, each once, as a depth-first search meets them."""
    found: dict[Node, None] = {}
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(node.inputs)
    return list(found)


def alongside(node: Node, dims: Collection[int]) -> list[list[int]]:
    """Blocks of a wire, those together that differ along some dimensions only."""
    found: dict[tuple, list[int]] = {}
    for i, cell in enumerate(node.cells):
        rest = tuple(c for d, c in enumerate(cell.choice) if d not in dims)
        found.setdefault(rest, []).append(i)
    return list(found.values())


@dataclass(eq=False)
class Source(Node):
    """A wire that nothing writes: an input, a trainable parameter or a constant."""

    role: str = "constant"
    key: str = ""
    offset: Node | None = None  # wire = parameter - offset, the parameter being free to follow
    followers: list["Source"] = field(default_factory=list)  # wires whose offset this moves
    origin: Node | None = None  # a constant that is taken off as well
    compute: Any = None  # value of a constant that a rule made
    make: Any = None  # (environment) -> value of a constant that was moved here
    zero: bool = False
    chart: Any = None  # of a weight that is treated as a parameter: what makes it up
    balanced: tuple[int, ...] = ()  # dimensions over which data sums to zero
    shares: tuple[int, ...] = ()  # dimensions over which data sums to one
    repeats: frozenset[int] = frozenset()  # dimensions along which all entries are equal
    picks: Any = None  # the traced integers that choose among rows, of one-hot rows

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fixed = self.role == "constant"
        self.varies = self.role == "input"

    def instances(self) -> Iterator[Instance]:
        """Nothing meets in a source."""
        return iter(())

    def value(self) -> Any:
        """The tensor of a constant, or None where it cannot be known."""
        if self.compute is not None:
            return self.compute()
        if self.zero:
            import torch

            return torch.zeros(self.shape, dtype=torch.float64)
        return self.op.value() if self.role == "constant" and self.op is not None else None
