"""The builder that rules receive: primitives, and memory of what was built."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from symfind.algebra.axes import Axis, merge
from symfind.graph import primitives as p
from symfind.graph.apart import apart
from symfind.graph.build import Construction
from symfind.graph.primitives import Node
from symfind.graph.single import single
from symfind.graph.uniform import is_uniform, number
from symfind.graph.wires import ancestors

GUARD = 1e-5  # a norm is kept above a bound this small only to divide by it


@dataclass
class Builder(Construction):
    """Adds to the primitives what spans several operations of the traced graph."""

    means: dict[int, tuple[Node, tuple[int, ...], bool]] = field(default_factory=dict)
    squares: dict[int, Node] = field(default_factory=dict)
    partitions: dict[int, tuple[Node, tuple[int, ...], bool]] = field(default_factory=dict)
    peaks: dict[int, tuple[Node, tuple[int, ...], bool]] = field(default_factory=dict)
    totals: dict[int, tuple[Node, tuple[int, ...], bool]] = field(default_factory=dict)
    exponents: dict[int, Node] = field(default_factory=dict)
    chosen: dict[tuple[int, int, int | None], p.Source] = field(default_factory=dict)
    triangles: list[Node] = field(default_factory=list)  # of running sums, one for each dimension

    # constants ---------------------------------------------------------------------------
    def constant(self, value: Any) -> Node:
        """A constant that the rule itself makes."""
        node = self.source("constant", tuple(value.shape))
        node.compute = lambda: value
        return node

    def number(self, value: float) -> Node:
        """A constant of no dimension."""
        return self.constant(torch.tensor(float(value), dtype=torch.float64))

    def inverse_root(self, var: p.Source, eps: float) -> Node:
        """1 / sqrt(var + eps) of a constant."""
        node = self.source("constant", var.shape)
        read: Callable[[], Any] = var.value

        def compute() -> Any:
            value = read()
            return None if value is None else (value + eps).rsqrt()

        node.compute = compute

        def make(env: Any) -> Any:  # other statistics than the traced ones have other roots
            if env.sizes is not None:  # the statistics have axes of their own, of full size
                return env.generic(node)
            return (env.value(var) + eps).rsqrt()

        node.make = make
        return node

    def free_shift(self, bias: Node | None, drift: Node) -> Node:
        """bias - drift, as free as the bias where nothing else reads that."""
        if bias is None:
            return self.scale(drift, -1.0)
        alone = isinstance(bias, p.Source) and bias.op is not None and len(bias.op.users) == 1
        if not alone or not isinstance(bias, p.Source) or bias.role != "parameter":
            return self.add(bias, drift, signs=[1.0, -1.0])
        wire = p.Source(
            (), list(bias.axes), op=bias.op, role="parameter", key=bias.key, offset=drift
        )
        for node in ancestors([drift]):
            if isinstance(node, p.Source) and node.role == "parameter":
                node.followers.append(wire)
        return self._put(wire)

    def one_hot(self, index: Node, rows: Axis, column: int | None = None) -> p.Source:
        """Rows of the identity, chosen by the input: the same wire for tables of equal length.

        `column`: the one along the last dimension of the places that says which.
        """
        key = id(index), rows.size, column
        if key in self.chosen:
            merge(self.chosen[key].axes[-1], rows)
            return self.chosen[key]
        lead = index.axes if column is None else [*index.axes[:-1], Axis(1)]
        node = self.chosen[key] = p.Source(
            (), [*lead, Axis(rows.root.size)],
            role="input", key="one-hot", picks=index.op if column is None else None,
        )  # fmt: skip
        merge(node.axes[-1], rows)
        return self._put(node)

    def confine(self, node: p.Source, allowed: Any) -> None:
        """Note which coordinates of the last dimension of some data are always zero."""
        node.compute = lambda: allowed.expand(node.shape)

    def about(self, x: Node, point: float, run: Callable[[Node], Node]) -> Node:
        """point + run(x - point): a function that is at home at another point than zero."""
        if point == 0:
            return run(x)
        c = self.number(point)
        return self.add(run(self.add(x, c, signs=[1.0, -1.0])), c)

    def bent(self, x: Node, point: float) -> Node:
        """The larger or the smaller of a wire and a number."""
        return self.about(x, point, lambda y: self.pointwise(y, degree=1.0))

    def bend(self, x: Node, above: float, below: float) -> Node:
        """Linear on either side of zero: homogeneous, and one linear map where both are alike."""
        if above == below:
            return self.scale(x, above)
        y: Any = self.pointwise(x, degree=1.0, parity=1 if above == -below else None)
        y.rays = above, below
        return y

    def reciprocal(self, x: Node) -> Node:
        """1 / x."""
        if isinstance(x, p.Pointwise) and x.apply is torch.reciprocal:
            return x.inputs[0]
        y: Any = self.pointwise(x, degree=-1.0, parity=-1)
        y.apply = torch.reciprocal
        return y

    def norm_of_rows(self, x: Node, dims: Sequence[int], centred: bool, eps: float) -> Node | None:
        """The norm of rows that the data picks from a table: rows of the norm of the table."""
        known = isinstance(x, p.Contract) and len(x.inputs) == 2 and not x.silent
        rows = x.inputs[0] if known else None
        if not isinstance(x, p.Contract) or not isinstance(rows, p.Source):
            return None
        table, own = x.inputs[1], x.labels[1]
        names = [x.out[d] for d in dims]
        if rows.key != "one-hot" or table.varies or any(n not in own for n in names):
            return None
        places = [own.index(n) for n in names]
        made = self.exact_norm(table, places, centred, eps)
        return self.contract([rows, made], x.labels, x.out)

    def exact_norm(self, x: Node, dims: Sequence[int], centred: bool, eps: float) -> Node:
        """A norm that leaves out nothing, neither a factor nor where the small number stands."""
        made: Any = self.normalise(x, dims, centred, eps)
        made.exact = True
        return made  # type: ignore[no-any-return]

    # memory ------------------------------------------------------------------------------
    def remember_mean(self, y: Node, x: Node, dims: Sequence[int], keep: bool) -> None:
        """Note that y is the mean of x."""
        self.means[id(y)] = (x, tuple(dims), keep)

    def mean_of(self, y: Node, x: Node) -> tuple[int, ...] | None:
        """Dimensions over which y is the mean of x with those dimensions kept."""
        return _reduced(self.means, y, x)

    def remember_partition(self, y: Node, x: Node, dims: Sequence[int], keep: bool) -> None:
        """Note that y is the logarithm of the sum of the exponentials of x."""
        self.partitions[id(y)] = (x, tuple(dims), keep)

    def partition_of(self, y: Node, x: Node) -> tuple[int, ...] | None:
        """Dimensions over which y is that of x with those dimensions kept."""
        return _reduced(self.partitions, y, x)

    def remember_peak(self, y: Node, x: Node, dims: Sequence[int], keep: bool) -> None:
        """Note that y is the maximum or the minimum of x."""
        self.peaks[id(y)] = (x, tuple(dims), keep)

    def peak_of(self, y: Node, x: Node) -> tuple[int, ...] | None:
        """Dimensions over which y is that of x with those dimensions kept."""
        return _reduced(self.peaks, y, x)

    def exp(self, x: Node, growth: float = 1.0) -> Node:
        """An exponential, remembered for a softmax that may be spelled with it."""
        y: Any = self.pointwise(x)
        y.growth = growth
        if growth == 1:
            self.exponents[id(y)] = x
        return y

    def remember_total(self, y: Node, x: Node, dims: Sequence[int], keep: bool) -> None:
        """Note that y is the sum of x."""
        self.totals[id(y)] = (x, tuple(dims), keep)

    def share(self, x: Node, y: Node) -> Node | None:
        """x / y as a softmax, where x = exp z and y is its sum."""
        dims = _reduced(self.totals, y, x)
        return None if dims is None or id(x) not in self.exponents else self.softmax(
            self.exponents[id(x)], dims)  # fmt: skip

    def total_of(self, y: Node) -> tuple[Node, tuple[int, ...], bool] | None:
        """z and dimensions where y is the sum of exp z over them."""
        x, dims, keep = self.totals.get(id(y), (None, (), False))
        return (self.exponents[id(x)], dims, keep) if id(x) in self.exponents else None

    def square(self, x: Node) -> Node:
        """x², remembered for a sum that may follow."""
        y = self.pointwise(x, degree=2.0, parity=1)
        self.squares[id(y)] = x
        return y

    def positive(self, x: Node) -> float:
        """What a sum of even powers, or a power of one, is of `GUARD` where what is squared is.

        Where all squares are GUARD the wire is GUARD times this: one, for a sum of squares; far
        less for a sum of higher powers, which sooner meets a bound. Zero for anything else.
        """
        if id(x) in self.squares:
            return self._raised(self.positive(self.squares[id(x)]), 2.0) or 1.0
        if isinstance(x, p.View | p.Expand):
            return self.positive(x.inputs[0])
        if isinstance(x, p.Pointwise) and x.slope is not None:
            return self.positive(x.inputs[0]) * x.slope if x.slope > 0 else 0.0
        if isinstance(x, p.Mix) and x.drop and not isinstance(x, p.Order):
            return self.positive(x.inputs[0])
        if isinstance(x, p.Pointwise) and x.parity == 1 and (x.degree or 0) > 0:
            power, known = x.degree or 0.0, self.positive(x.inputs[0])
            return self._raised(known, power) if known else self._raised(1.0, power / 2)
        if isinstance(x, p.Pointwise):  # of degree one are rectifiers too
            power = x.degree or 0.0
            known = self.positive(x.inputs[0]) if power > 0 and power != 1 else 0.0
            return self._raised(known, power)
        if isinstance(x, p.Contract) and len(x.inputs) == 2 and x.inputs[0] is x.inputs[1]:
            same = x.labels[0] == x.labels[1]
            return math.prod(x.inputs[0].shape) / math.prod(x.shape) if same else 0.0
        return 0.0

    @staticmethod
    def _raised(known: float, power: float) -> float:
        return float(GUARD ** (power - 1) * known**power) if known else 0.0

    def root_of_square(self, y: Node) -> Node | None:
        """x where y = x²."""
        if id(y) in self.squares:
            return self.squares[id(y)]
        if isinstance(y, p.Contract) and len(y.inputs) == 2 and y.inputs[0] is y.inputs[1]:
            elementwise = y.out == tuple(range(len(y.axes))) and y.labels[0] == y.labels[1]
            return y.inputs[0] if elementwise and y.inputs[0].shape == y.shape else None
        return None

    def factors_of(self, y: Node) -> tuple[list[Node], list[list[Any]], int] | None:
        """Factors and labels where y is an entrywise product of two wires of its own shape."""
        if not isinstance(y, p.Contract) or y.out != tuple(range(len(y.axes))) or y.windows:
            return None
        if any(x.varies is False and not x.inputs and x.fixed for x in y.inputs):
            return None
        used = {name for names in y.labels for name in names}
        if not used >= {d for d, a in enumerate(y.axes) if a.size > 1}:
            return None
        return list(y.inputs), [list(names) for names in y.labels], len(y.axes)

    def softmax(self, x: Node, dims: Sequence[int], partial: bool = False) -> Node:
        """Softmax over some dimensions; what all have in common is left out."""
        dims = tuple(d % len(x.axes) for d in dims)
        if not partial and single(x, dims):
            return self.constant(torch.ones(x.shape, dtype=torch.float64))
        while (bare := apart(self, x, dims)) is not None:
            x = bare
        return self._put(p.Softmax((x,), list(x.axes), dims=dims, partial=partial))

    def reading(self, y: Node, *values: Node) -> Node:
        """Note that a wire depends on other values, each of which has to stay as it is.

        Places in a table decide what is looked up, and no derivative tells: all that parameters
        may do about them is leave them alone.
        """
        y.varies |= any(x.varies for x in values)
        y.fixed &= all(x.fixed for x in values)
        y.silent.extend(self.output(x) for x in values if self.learned(x))
        return y

    # data-dependent movement -------------------------------------------------------------
    def learned(self, x: Node) -> bool:
        """Whether any parameter reaches a wire."""
        return x.op is not None and bool(x.op.trainable)

    def gathered(self, x: Node, dims: Sequence[int], places: Sequence[Node] = ()) -> Node:
        """Entries picked along some dimensions by the data: linear along all the others."""
        shape = self.op.shape
        rest = [a.size for d, a in enumerate(x.axes) if d not in dims]
        first = dims[0] if dims else 0
        tail = [x.axes[d] for d in range(first, len(x.axes)) if d not in dims]
        contiguous = list(dims) == list(range(first, first + len(dims)))
        new = len(shape) - len(rest)
        if not contiguous or new < 0 or list(shape[first + new :]) != [a.size for a in tail]:
            return self.opaque([x, *places], shape, "indexing by data")
        y = x
        if len(dims) > 1:
            merged = 1
            for d in dims:
                merged *= x.axes[d].size
            y = self.view(x, [*x.shape[:first], merged, *[a.size for a in tail]])
        flat = 1
        for n in shape[first : first + new]:
            flat *= n
        y = self.reading(self.mix(y, [first], [flat], unit=1.0), *places)
        return self.view(y, shape)

    def choose(self, mask: Node, values: Sequence[Node]) -> Node:
        """One of two values by a mask that no parameter reaches."""
        known = mask.value() if isinstance(mask, p.Source) and mask.fixed else None
        x, y = values
        if is_uniform(y) and not is_uniform(x):
            x, y = y, x
        if known is not None and (split := self._split(known, values)) is not None:
            return split
        if is_uniform(x, 0.0):
            shape = [a.size for a in self._broadcast([mask, y])]
            if list(y.shape) == shape:
                return self.multiply(y, self.selector(mask, y is not values[0]))
        if known is None and x is not y:
            return self.choice(mask, *values)
        picks = (self.selector(mask, flip) for flip in (False, True))
        return self.add(*(self.multiply(v, m) for v, m in zip(values, picks, strict=True)))

    def masked(self, x: Node, mask: Node) -> Node | None:
        """A wire times a constant that is zero at some coordinates of one dimension."""
        value = mask.value() if isinstance(mask, p.Source) and mask.role == "constant" else None
        if value is None or not x.varies or not 1 < value.numel() == max(value.shape):
            return None
        kept = value != 0
        if bool(kept.all()) or tuple(torch.broadcast_shapes(value.shape, x.shape)) != x.shape:
            return None
        inner = self.multiply(x, self.constant(torch.where(kept, value, 1).to(torch.float64)))
        return self._split(kept, [inner, self.zeros(x.shape)])

    def _split(self, mask: Any, values: Sequence[Node]) -> Node | None:
        """Where a constant mask differs along one dimension only: parts of two wires, joined."""
        shape = list(torch.broadcast_shapes(*(v.shape for v in values)))
        lead = len(shape) - mask.dim()
        wide = [d for d, n in enumerate(mask.shape) if n > 1]
        if lead < 0 or len(wide) != 1 or shape[wide[0] + lead] != mask.shape[wide[0]]:
            return None
        places = [torch.nonzero(part).reshape(-1).tolist() for part in
                  (mask.reshape(-1) != 0, mask.reshape(-1) == 0)]  # fmt: skip
        if not all(places):
            return None
        dim = wide[0] + lead
        parts = [self._part(v, shape, dim, at) for v, at in zip(values, places, strict=True)]
        order = sorted(range(shape[dim]), key=[*places[0], *places[1]].__getitem__)
        return self.take(self.join(parts, dim), dim, self.constant(torch.tensor(order)))

    def _part(self, x: Node, shape: list[int], dim: int, places: list[int]) -> Node:
        """Some entries along a dimension of a wire that is broadcast to a shape."""
        if not is_uniform(x):
            return self._select(self.expand(x, shape), dim, places)
        part = [len(places) if d == dim else n for d, n in enumerate(shape)]
        if is_uniform(x, 0.0):
            return self.zeros(part)
        return self.constant(torch.full(part, number(x), dtype=torch.float64))

    def selector(self, mask: Node, flip: bool) -> Node:
        """One where a mask holds and zero elsewhere, or the reverse."""
        value = mask.value() if isinstance(mask, p.Source) and mask.fixed else None
        if value is None:
            return self.source("input", mask.shape)
        chosen = (value == 0) if flip else (value != 0)
        return self.factor(self.constant(chosen.to(torch.float64)))

    def factor(self, x: Node) -> Node:
        """A constant factor; one with zeros undoes no change of basis, and is like data."""
        if not (isinstance(x, p.Source) and x.role == "constant") or is_uniform(x):
            return x
        value = x.value()
        if value is None:
            return self.source("input", x.shape)
        return self.masking(value) if bool((value == 0).any()) else x

    def masking(self, value: Any) -> Node:
        """A constant with zeros: like data, but where it is zero is known."""
        node = self.source("input", tuple(value.shape))
        node.compute = lambda: value
        return node


def _reduced(
    known: dict[int, tuple[Node, tuple[int, ...], bool]], y: Node, x: Node
) -> tuple[int, ...] | None:
    """Dimensions over which y reduces x with those dimensions kept, as far as it is known."""
    base, dims, keep = known.get(id(y), (None, (), False))
    if base is None and isinstance(y, p.View):
        # A reduction that was given its dimensions back by a view.
        base, dims, keep = known.get(id(y.inputs[0]), (None, (), False))
        shape = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
        keep = y.shape == shape
    return dims if base is x and keep else None
