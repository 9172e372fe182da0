"""The small vocabulary that every operation is lowered to.

A primitive says how a value depends on its inputs, index by index.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Sizes, begins, branches, extent
from symfind.graph.einsum import einsum
from symfind.graph.index_map import IndexMap, Run, Way
from symfind.graph.movements import Expand, Join, Movement, Narrow, Permute, Take, View
from symfind.graph.wires import Cell, Instance, Label, Node, Port, Source, alongside

__all__ = [
    "Add", "Cell", "Centre", "Choice", "Commute", "Contract", "Entrywise", "Expand", "Instance",
    "Join", "Label", "Mix", "Moved", "Movement", "Narrow", "Node", "Normalise", "Order", "Output",
    "Peak", "Permute", "Pointwise", "Port", "Rigid", "Softmax", "Source", "Take", "View",
    "alongside", "begins",
]  # fmt: skip


@dataclass(eq=False)
class Add(Node):
    """A sum with signs, under broadcasting."""

    signs: tuple[float, ...] = ()

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Add."""
        total = functools.reduce(add, (s * v for s, v in zip(self.signs, values, strict=True)))
        return total.expand([extent(a, sizes) for a in self.axes])


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
    shares: tuple[int, ...] = ()  # dimensions over which it sums to one

    def index_map(self, at: int = 0) -> IndexMap:
        """Labels that the product keeps; what slides or is summed over is mixed."""
        mine, place = self.labels[at], {n: i for i, n in enumerate(self.out) if not self.slides(n)}
        gone = tuple(d for d, n in enumerate(mine) if n not in place)
        new = tuple(i for i, n in enumerate(self.out) if n not in mine or n not in place)
        kept = [Run((d,), (place[n],)) for d, n in enumerate(mine) if n in place]
        return (*kept, Run(gone, new, Way.MIXED))

    def slides(self, label: object) -> bool:
        """Whether a label belongs to the windows of a convolution."""
        return bool(self.windows) and isinstance(label, tuple)

    @staticmethod
    def slid(label: object) -> bool:
        """Whether a window slides over the index with a label."""
        return isinstance(label, tuple) and label[0] == "in"

    def labelled(self) -> tuple[list[Sequence[Any]], Sequence[Any]]:
        """As given."""
        return list(self.labels), list(self.out)

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Multiply and sum."""
        return einsum(values, self.labels, self.out)


@dataclass(eq=False)
class Pointwise(Node):
    """A function of one wire, entry by entry. `degree`: f(cz) = c^degree f(z) for c > 0, or None.

    `slope` is the constant derivative of a linear function. `parity`: -1 where f(-z) = -f(z),
    1 where f(-z) = f(z). `growth`: f(z + t) = e^(growth t) f(z), an exponential; `decades`:
    f(cz) = f(z) + decades log c, a logarithm.
    """

    degree: float | None = None
    slope: float | None = None
    parity: int | None = None
    growth: float | None = None
    decades: float | None = None
    rays: tuple[float, float] | None = None  # slopes above zero and below, where they are constant
    apply: Any = None  # the function itself, where a rule and no traced operation made it

    @property
    def rate(self) -> float:
        """Of an exponential or a logarithm: shift for scale, or scale for shift.

        Raises:
            TypeError: where it is neither.
        """
        rate = self.growth or self.decades
        if rate is None:
            raise TypeError(f"{self.op} is no exponential and no logarithm")
        return rate

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor | None:
        """The function, where it is known."""
        if self.slope is not None and not math.isnan(self.slope):
            return self.slope * values[0]
        if self.rays is not None:
            above, below = self.rays
            return above * values[0].clamp(min=0) + below * values[0].clamp(max=0)
        return None if self.apply is None else self.apply(values[0])


@dataclass(eq=False)
class Softmax(Node):
    """exp and division by its sum, over the given dimensions.

    `partial`: where nothing is allowed, all is zero, so that not every sum is one.
    """

    dims: tuple[int, ...] = ()
    partial: bool = False

    @property
    def blind(self) -> tuple[int, ...]:
        """A shift of all exponents is divided out."""
        return self.dims

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor | None:
        """The shares, where each row has some."""
        return None if self.partial else (values[0] - values[0].logsumexp(self.dims, True)).exp()


@dataclass(eq=False)
class Normalise(Node):
    """Division by the root mean square over some dimensions, after centring if `centred`."""

    dims: tuple[int, ...] = ()
    centred: bool = False
    eps: float = 0.0
    exact: bool = False  # nothing is left out: not a factor, nor where the small number stands

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor | None:
        """The value, where nothing is left out."""
        if not self.exact:
            return None
        (x,) = values
        x = x - x.mean(self.dims, keepdim=True) if self.centred else x
        return x * (x.square().mean(self.dims, keepdim=True) + self.eps).rsqrt()

    @property
    def blind(self) -> tuple[int, ...]:
        """The mean is taken off."""
        return self.dims if self.centred else ()


@dataclass(eq=False)
class Centre(Node):
    """x minus its mean over some dimensions."""

    dims: tuple[int, ...] = ()

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor:
        """Take the mean off."""
        (x,) = values
        return x - x.mean(self.dims, keepdim=True)

    @property
    def blind(self) -> tuple[int, ...]:
        """The mean is taken off."""
        return self.dims


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
    mean: bool = False  # the mean, of dimensions that disappear
    uneven: bool = False  # entries of dimensions that disappear do not count alike

    def evaluate(self, values: Sequence[Tensor], sizes: Sizes | None) -> Tensor | None:
        """The mean, where it is one."""
        return values[0].mean(self.dims) if self.mean else None

    def index_map(self, at: int = 0) -> IndexMap:
        """Mixed dimensions are different indices on the two sides, or have no other."""
        kept = [d for d in range(len(self.inputs[0].axes)) if not (self.drop and d in self.dims)]
        gone = [Run((d,), (), Way.MIXED) for d in self.dims if self.drop]
        ways = {d: Way.MIXED if d in self.dims else Way.SAME for d in kept}
        return (*(Run((d,), (i,), ways[d]) for i, d in enumerate(kept)), *gone)


@dataclass(eq=False)
class Peak(Mix):
    """A maximum over windows of some dimensions."""


@dataclass(eq=False)
class Order(Mix):
    """Which entries of one dimension are the largest, in which order.

    Equal shifts along the dimension and equal positive scalings change nothing. No entry is named
    twice, where they are `distinct`.
    """

    distinct: bool = True

    @property
    def blind(self) -> tuple[int, ...]:
        """Order is that of differences."""
        return self.dims


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
    """An operation of which nothing is known but what it reads; `known` if that is no gap.

    `rows`: a dimension, and two numbers: along it stands the first at as many places as the last
    operand is long, the second at all others, whichever places these are.
    """

    known: bool = False
    rows: tuple[int, float, float] | None = None

    def index_map(self, at: int = 0) -> IndexMap:
        """Nothing is known of any index."""
        mine, own = range(len(self.inputs[at].axes)), range(len(self.axes))
        return (Run(tuple(mine), tuple(own), Way.MIXED),)

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
    """A function of several wires, entry by entry. `degree` as for `Pointwise`, all scaled alike.

    `level`: what is added to all operands alike is added to the result.
    """

    degree: float | None = None
    level: bool = False


@dataclass(eq=False)
class Choice(Node):
    """Entries of one of two wires, by a mask that no parameter reaches; linear in both together.

    Along the dimensions `stiff` the mask has entries of its own.
    """

    stiff: tuple[int, ...] = ()
    level: bool = True


@dataclass(eq=False)
class Output(Node):
    """A value that the model returns."""

    softened: tuple[int, ...] = ()  # dimensions whose constants are invisible

    @property
    def blind(self) -> tuple[int, ...]:
        """What a softmax would not see."""
        return self.softened


@dataclass(eq=False)
class Moved(Node):
    """A constant seen through weights, which a parameter behind them takes up."""

    make: Any = None  # (environment) -> value
    reads: tuple[str, ...] = ()  # names of the parameters that it depends on

    def instances(self) -> Iterator[Instance]:
        """It is part of no sum: parameters are counted from it."""
        return iter(())
