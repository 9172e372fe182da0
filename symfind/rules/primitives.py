"""The small vocabulary that every operation is lowered to.

A primitive says how a value depends on its inputs, index by index. Each knows its `instances`:
one per choice of blocks (parts of concatenated dimensions), naming the atomic indices of every
participant with shared labels, so that one label means one index. The solver reads nothing else.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from symfind.algebra.axes import Axis, Sizes, branches, extent

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

    @property
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

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """Labels of the dimensions of every input, and of the output: by default aligned right."""
        rank = len(self.axes)
        inputs: list[Sequence[Any]] = []
        for x in self.inputs:
            offset = rank - len(x.axes)
            inputs.append(
                [
                    d + offset if a.size == self.axes[d + offset].size else ("one", d + offset)
                    for d, a in enumerate(x.axes)
                ]
            )
        return inputs, list(range(rank))

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


@dataclass(eq=False)
class Source(Node):
    """A wire that nothing writes: an input, a trainable parameter or a constant."""

    role: str = "constant"
    key: str = ""
    offset: Node | None = None  # wire = parameter - offset, the parameter being free to follow
    followers: list["Source"] = field(default_factory=list)  # wires whose offset this moves
    compute: Any = None  # value of a constant that a rule made
    zero: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fixed = self.role == "constant"
        self.varies = self.role == "input"

    def instances(self) -> Iterator[Instance]:
        """Nothing meets in a source."""
        return iter(())

    def value(self) -> Any:
        """The tensor of a constant, or None where it cannot be known."""
        if self.zero:
            import torch

            return torch.zeros(self.shape, dtype=torch.float64)
        if self.compute is not None:
            return self.compute()
        return self.op.value() if self.role == "constant" and self.op is not None else None


@dataclass(eq=False)
class View(Node):
    """The same entries in the same row-major order under another shape."""

    def instances(self) -> Iterator[Instance]:
        """Blocks correspond in order, and so do the atoms inside them."""
        x = self.inputs[0]
        for i in range(len(self.cells)):
            names = [("atom", k) for k in range(len(self.cells[i].atoms))]
            yield Instance((Port(x, i, tuple(names)),), Port(self, i, tuple(names)))


@dataclass(eq=False)
class Permute(Node):
    """Dimensions in another order; `order[d]` is the input dimension of output dimension d."""

    order: tuple[int, ...] = ()

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """Output dimensions carry the names of the input's."""
        return [list(range(len(self.order)))], list(self.order)


@dataclass(eq=False)
class Expand(Node):
    """Repetition along new dimensions, or along dimensions of size one."""


def begins(axis: Axis, sizes: Sizes | None = None) -> dict[tuple[int, ...], int]:
    """First flat position of every branch of an axis, by its choices."""
    return dict(zip([b[0] for b in branches(axis)], _offsets(axis, sizes), strict=True))


def _offsets(axis: Axis, sizes: Sizes | None) -> list[int]:
    axis = axis.root
    if axis.kind == "atom":
        return [0]
    if axis.kind == "sum":
        start = 0
        result: list[int] = []
        for part in axis.parts:
            result.extend(start + o for o in _offsets(part, sizes))
            start += extent(part, sizes)
        return result
    result = [0]
    for part in axis.parts:
        inner = _offsets(part, sizes)
        result = [o * extent(part, sizes) + i for o in result for i in inner]
    return result


@dataclass(eq=False)
class Narrow(Node):
    """A contiguous range of one dimension."""

    dim: int = 0
    start: int = 0

    def instances(self) -> Iterator[Instance]:
        """Blocks are found by where they begin."""
        yield from _windows(self, self, self.inputs[0], self.dim, self.start)


@dataclass(eq=False)
class Join(Node):
    """Concatenation along one dimension."""

    dim: int = 0

    def instances(self) -> Iterator[Instance]:
        """Blocks are found by where they begin."""
        start = 0
        for x in self.inputs:
            yield from _windows(self, x, self, self.dim, start)
            start += x.axes[self.dim].size


def _windows(owner: Node, small: Node, large: Node, dim: int, start: int) -> Iterator[Instance]:
    where = {offset: choice for choice, offset in begins(large.axes[dim]).items()}
    first = begins(small.axes[dim])
    labels = list(range(len(small.axes)))
    for i, cell in enumerate(small.cells):
        choice = list(cell.choice)
        choice[dim] = where[first[cell.choice[dim]] + start]
        ports = small.port(i, labels), large.port(large.cell_of[tuple(choice)], labels)
        if owner is small:
            yield Instance((ports[1],), ports[0])
        else:
            yield Instance((ports[0],), ports[1])


@dataclass(eq=False)
class Take(Node):
    """Entries of one dimension picked by a constant integer tensor (a table look-up)."""

    dim: int = 0
    picks: Any = None  # constant Source of any shape, replacing the dimension

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """The picked dimension and the new ones are different indices."""
        rank, new = len(self.inputs[0].axes), len(self.axes) - len(self.inputs[0].axes) + 1
        source = [("table" if d == self.dim else d) for d in range(rank)]
        out = source[: self.dim] + [("pick", i) for i in range(new)] + source[self.dim + 1 :]
        return [source], out


@dataclass(eq=False)
class Add(Node):
    """A sum with signs, under broadcasting."""

    signs: tuple[float, ...] = ()


@dataclass(eq=False)
class Contract(Node):
    """A multilinear product: factors multiplied where labels agree, summed over what is left out.

    `windows` maps a label of the kernel to the label of the input dimension that it slides over:
    a convolution is a contraction whose window labels belong to one participant each.
    """

    labels: tuple[tuple[Any, ...], ...] = ()
    out: tuple[Any, ...] = ()
    windows: tuple[Any, ...] = ()
    seals: bool = True  # False where a window may leave the input (padding): edges differ

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """As given."""
        return list(self.labels), list(self.out)


@dataclass(eq=False)
class Pointwise(Node):
    """A function of one wire, entry by entry. `degree`: f(cz) = c^degree f(z) for c > 0, or None.

    `slope` is the constant derivative of a linear function. `parity`: -1 where f(-z) = -f(z),
    1 where f(-z) = f(z).
    """

    degree: float | None = None
    slope: float | None = None
    parity: int | None = None
    apply: Any = None  # the function itself, where a rule and no traced operation made it


@dataclass(eq=False)
class Softmax(Node):
    """exp and division by its sum, over the given dimensions."""

    dims: tuple[int, ...] = ()


@dataclass(eq=False)
class Normalise(Node):
    """Division by the root mean square over some dimensions, after centring if `centred`."""

    dims: tuple[int, ...] = ()
    centred: bool = False
    eps: float = 0.0


@dataclass(eq=False)
class Centre(Node):
    """x minus its mean over some dimensions."""

    dims: tuple[int, ...] = ()


@dataclass(eq=False)
class Mix(Node):
    """A constant linear map along some dimensions, the same for all other indices.

    `unit`: constants stay constants (rows sum to one). A dimension whose output size is 0 in
    `kept` disappears.
    """

    dims: tuple[int, ...] = ()
    drop: bool = False
    unit: float | None = None  # the sum of each row, where it is the same for all
    stiff: tuple[int, ...] = ()  # output dimensions along which the map is not the same

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """Mixed dimensions are different indices on the two sides."""
        rank = len(self.inputs[0].axes)
        source = [("in", d) if d in self.dims else d for d in range(rank)]
        out = [
            ("out", d) if d in self.dims else d
            for d in range(rank)
            if not (self.drop and d in self.dims)
        ]
        return [source], out


@dataclass(eq=False)
class Peak(Mix):
    """A maximum over windows of some dimensions."""


@dataclass(eq=False)
class Order(Mix):
    """Which entries of one dimension are the largest, in which order.

    Equal shifts along the dimension and equal positive scalings change nothing.
    """


@dataclass(eq=False)
class Commute(Node):
    """A constant linear map along one dimension that commutes with a known block algebra.

    `pairs` lists coordinates (i, j) that rotate into each other, at its own angle each; the
    remaining coordinates are left alone. Along the dimensions `even` all slices are mapped alike.
    (Rotary position embedding.)
    """

    dim: int = 0
    pairs: tuple[tuple[int, int], ...] = ()
    even: tuple[int, ...] = ()

    def inside(self, cell: int) -> tuple[tuple[int, int], ...] | None:
        """The pairs within one block, counted from its start; None where one leaves the block.

        None as well where several atoms share the dimension, for pairs name flat positions.
        """
        axis, choice = self.axes[self.dim], self.cells[cell].choice[self.dim]
        atoms = dict(branches(axis))[choice]
        first = begins(axis)[choice]
        places = range(first, first + (atoms[0].size if atoms else 1))
        found = [pair for pair in self.pairs if pair[0] in places or pair[1] in places]
        if not found:
            return ()
        if len(atoms) != 1 or any(i not in places for pair in found for i in pair):
            return None
        return tuple((i - first, j - first) for i, j in found)


@dataclass(eq=False)
class Rigid(Node):
    """An operation of which nothing is known but what it reads; `known` if that is no gap."""

    known: bool = False

    def instances(self) -> Iterator[Instance]:
        """Every block of every participant, apart."""
        for x in self.inputs:
            for i in range(len(x.cells)):
                yield Instance((x.port(i, [("free", d) for d in range(len(x.axes))]),), self._own())
        for i in range(len(self.cells)):
            yield Instance((), self.port(i, list(range(len(self.axes)))))

    def _own(self) -> Port:
        return self.port(0, list(range(len(self.axes))))


@dataclass(eq=False)
class Entrywise(Node):
    """A nonlinear function of several wires, entry by entry. `degree` as for `Pointwise`."""

    degree: float | None = None


@dataclass(eq=False)
class Output(Node):
    """A value that the model returns."""

    softened: tuple[int, ...] = ()  # dimensions whose constants are invisible
