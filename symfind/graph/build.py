"""Building primitives: each function merges the axes that its operation makes equal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from symfind.algebra.axes import Axis, check_blocks, concatenation, merge
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.settled import settled
from symfind.graph.single import inside, repeated, single
from symfind.graph.slim import entry_by_entry, slim
from symfind.graph.tangled import entangled, mixed
from symfind.graph.terms import once
from symfind.graph.transposed import as_they_are
from symfind.graph.uniform import is_uniform, number

Axes = Sequence[Axis]
Made = TypeVar("Made", bound=Node)


@dataclass
class Construction:
    """Collects the nodes of one lowered graph."""

    nodes: list[Node] = field(default_factory=list)
    op: Any = None
    rigid: list[tuple[Any, str]] = field(default_factory=list)
    parts: dict[tuple[int, int, int, int], Node] = field(default_factory=dict)
    slim: dict[int, Node] = field(default_factory=dict)

    def _put(self, node: Made) -> Made:
        node.index = len(self.nodes)
        node.op = self.op if node.op is None else node.op
        self.nodes.append(node)
        return node

    # sources -----------------------------------------------------------------------------
    def source(self, role: str, shape: Sequence[int], op: Any = None, key: str = "") -> p.Source:
        """A wire that nothing writes."""
        node = p.Source((), [Axis(n) for n in shape], op=op, role=role, key=key)
        if op is None and role == "constant":
            node.compute = lambda: None
        return self._put(node)

    def opaque(self, inputs: Sequence[Any], shape: Sequence[int], why: str = "") -> Node:
        """A wire about whose making nothing is known; `why` names a gap, nothing a known fact."""
        nodes = tuple(x for x in inputs if isinstance(x, Node))
        if why:
            self.rigid.append((self.op, why))
        return self._put(p.Rigid(nodes, [Axis(n) for n in shape], known=not why))

    def zeros(self, shape: Sequence[int]) -> Node:
        """Zeros."""
        return self._nothing([Axis(n) for n in shape])

    def _nothing(self, axes: list[Axis]) -> Node:
        return self._put(p.Source((), axes, role="constant", zero=True))

    def _slimmed(self, x: Node) -> Node:
        """A wire with one entry along the dimensions along which it repeats."""
        if isinstance(x, p.Expand) and len(x.inputs[0].axes) == len(x.axes):
            return self._slimmed(x.inputs[0])
        if id(x) not in self.slim:
            made, below = x, self._slimmed(x.inputs[0]) if isinstance(x, p.Pointwise) else x
            if isinstance(x, p.Source) and x.repeats:
                made = self._put(slim(x))
            elif isinstance(x, p.Pointwise) and below is not x.inputs[0]:
                made = self._put(replace(x, inputs=(below,), axes=list(below.axes), users=[]))
            self.slim[id(x)] = made
        return self.slim[id(x)]

    # arithmetic --------------------------------------------------------------------------
    def _broadcast(self, nodes: Sequence[Node]) -> list[Axis]:
        rank = max(len(x.axes) for x in nodes)
        axes: list[Axis] = [Axis(1) for _ in range(rank)]
        for x in nodes:
            for d, axis in enumerate(x.axes, rank - len(x.axes)):
                if axis.size != 1:
                    if axes[d].size == 1:
                        axes[d] = axis
                    else:
                        merge(axes[d], axis)
        return axes

    @entry_by_entry
    def add(self, *terms: Node, signs: Sequence[float] | None = None) -> Node:
        """A signed sum under broadcasting. Constants that are zero everywhere are left out."""
        axes = self._broadcast(terms)
        terms, sign = once(terms, signs or [1.0] * len(terms))
        terms = tuple(t if s else self.zeros(t.shape) for t, s in zip(terms, sign, strict=True))
        kept = [(t, s) for t, s in zip(terms, sign, strict=True) if not is_uniform(t, 0.0)]
        shape = [a.size for a in axes]
        if len(kept) == 1 and list(kept[0][0].shape) == shape:
            return kept[0][0] if kept[0][1] == 1 else self.scale(kept[0][0], kept[0][1])
        if (
            0 < len(kept) < len(terms)
            and [a.size for a in self._broadcast([t for t, _ in kept])] == shape
        ):
            terms, sign = tuple(t for t, _ in kept), [s for _, s in kept]
        elif 0 < len(kept) < len(terms) and not any(t.varies for t, _ in kept):
            one = self.add(*(t for t, _ in kept), signs=[s for _, s in kept])
            return self._put(p.Expand((one,), axes))
        return self._put(p.Add(tuple(terms), axes, signs=tuple(sign)))

    def scale(self, x: Node, factor: float = 1.0) -> Node:
        """Multiplication by one number."""
        return self.pointwise(x, slope=factor) if factor else self._nothing(list(x.axes))

    def pointwise(
        self,
        x: Node,
        degree: float | None = None,
        slope: float | None = None,
        parity: int | None = None,
    ) -> Any:
        """A function of one wire."""
        degree = 1.0 if slope is not None else degree
        parity = -1 if slope is not None else parity
        axes = list(x.axes)
        return self._put(p.Pointwise((x,), axes, degree=degree, slope=slope, parity=parity))

    @entry_by_entry
    def entrywise(self, *xs: Node, degree: float | None = None, level: bool = False) -> Node:
        """A nonlinear function of several wires, entry by entry."""
        return self._put(p.Entrywise(tuple(xs), self._broadcast(xs), degree=degree, level=level))

    @entry_by_entry
    def choice(self, mask: Node, x: Node, y: Node) -> Node:
        """Entries of x where a mask holds, of y elsewhere."""
        axes = self._broadcast([mask, x, y])
        lead = len(axes) - len(mask.axes)
        stiff = tuple(d + lead for d, a in enumerate(mask.axes) if a.size > 1)
        made = self._put(p.Choice((x, y), axes, stiff=stiff))
        made.varies, made.fixed = made.varies or mask.varies, made.fixed and mask.fixed
        return made

    def multiply(self, *factors: Node) -> Node:
        """An entrywise product; a factor that is one number is a scale."""
        if any(is_uniform(f, 0.0) for f in factors):
            return self._nothing(self._broadcast(factors))
        return self.product(*factors)

    @entry_by_entry
    def product(self, *factors: Node) -> Node:
        """The same, also where a factor happens to be zero."""
        axes = self._broadcast(factors)
        scalars = [f for f in factors if f.fixed and is_uniform(f) and not is_uniform(f, 0.0)]
        rest = [f for f in factors if f not in scalars]
        shape = tuple(a.size for a in axes)
        if scalars and len(rest) == 1 and rest[0].shape == shape:
            return self.scale(rest[0], math.prod(number(f) for f in scalars))
        rank = len(axes)
        labels = tuple(
            tuple(
                d if a.size == axes[d].size else ("one", i, d)
                for d, a in enumerate(f.axes, rank - len(f.axes))
            )
            for i, f in enumerate(factors)
        )
        out = tuple(range(rank))
        return self._put(p.Contract(tuple(factors), axes, labels=labels, out=out))

    def contract(
        self,
        factors: Sequence[Node],
        labels: Sequence[Sequence[Any]],
        out: Sequence[Any],
        *,
        new: dict[Any, int] | None = None,
        windows: Sequence[Any] = (),
        seals: bool = True,
    ) -> Node:
        """A multilinear product given by labels; `new` sizes labels that only the output has."""
        factors, labels = as_they_are(factors, labels)
        axis_of: dict[Any, Axis] = {k: Axis(n) for k, n in (new or {}).items()}
        wide = {
            name
            for factor, names in zip(factors, labels, strict=True)
            for name, axis in zip(names, factor.axes, strict=True)
            if axis.size != 1
        }
        named = []
        for i, (factor, names) in enumerate(zip(factors, labels, strict=True)):
            own = []
            for name, axis in zip(names, factor.axes, strict=True):
                if axis.size == 1 and name in wide:
                    name = ("one", i, name)
                elif axis.size == 1:
                    axis_of.setdefault(name, axis)
                elif name in axis_of:
                    merge(axis_of[name], axis)
                else:
                    axis_of[name] = axis
                own.append(name)
            named.append(tuple(own))
        axes = [axis_of[name] if name in axis_of else Axis(1) for name in out]
        if any(is_uniform(f, 0.0) for f in factors):
            return self._nothing(axes)
        copies = None if windows else repeated(self, factors, named, out)
        return copies or self._put(
            p.Contract(
                tuple(factors), axes, labels=tuple(named), out=tuple(out), windows=tuple(windows),
                seals=seals,
            )
        )  # fmt: skip

    # data movement -----------------------------------------------------------------------
    def view(self, x: Node, shape: Sequence[int]) -> Node:
        """The same entries under another shape."""
        shape = tuple(shape)
        if shape == x.shape:
            return x
        axes = [Axis(n) for n in shape]
        tangled, why = entangled(x, axes)
        if tangled:
            self.rigid.append((self.op, f"index structure: {why}"))
            return mixed(self, x, shape, tangled)
        return self._put(p.View((x,), axes))

    def permute(self, x: Node, order: Sequence[int]) -> Node:
        """Dimensions in another order."""
        rank = len(x.axes)
        order = tuple(d % rank for d in order)
        if order == tuple(range(rank)):
            return x
        return self._put(p.Permute((x,), [x.axes[d] for d in order], order=order))

    def transpose(self, x: Node, a: int, b: int) -> Node:
        """Two dimensions exchanged."""
        order = list(range(len(x.axes)))
        order[a], order[b] = order[b], order[a]
        return self.permute(x, order)

    def expand(self, x: Node, shape: Sequence[int]) -> Node:
        """Repetition along new dimensions and those of size one."""
        shape = list(shape)
        offset = len(shape) - len(x.axes)
        axes = []
        for d, n in enumerate(shape):
            old = x.axes[d - offset] if d >= offset else None
            keep = old is not None and (n in (-1, old.size))
            axes.append(old if keep and old is not None else Axis(n))
        if tuple(a.size for a in axes) == x.shape:
            return x
        return self._put(p.Expand((x,), axes))

    def narrow(self, x: Node, dim: int, start: int, length: int) -> Node:
        """A contiguous range of one dimension."""
        dim %= len(x.axes)
        axis = x.axes[dim]
        if length == axis.size:
            return x
        if isinstance(x, p.Join) and (piece := inside(x, dim, start, length)) is not None:
            return self.narrow(x.inputs[piece], dim, start - x.begin(piece), length)
        if x.varies and (still := settled(self, x, dim, start, length)) is not None:
            return still
        place = (id(x), dim, start, length)
        if place in self.parts:
            return self.parts[place]
        inner = Axis(length)
        rest = axis.size - start - length
        merge(axis, concatenation([Axis(start), inner, Axis(rest)]))
        check_blocks(x.axes)
        axes = [inner if d == dim else a for d, a in enumerate(x.axes)]
        node: Node = self._put(p.Narrow((x,), axes, dim=dim, start=start))
        if isinstance(x, p.Source):
            self.parts[place] = node  # the same part of a parameter is one wire, however often read
        return node

    def join(self, xs: Sequence[Node], dim: int) -> Node:
        """Concatenation along one dimension."""
        xs = [x for x in xs if math.prod(x.shape) != 0 or len(x.shape) > 1]
        xs = [x for x in xs if x.shape[dim] != 0] or xs
        if len(xs) == 1:
            return xs[0]
        dim %= len(xs[0].axes)
        for x in xs[1:]:
            for d, (a, b) in enumerate(zip(xs[0].axes, x.axes, strict=True)):
                if d != dim:
                    merge(a, b)
        axes = list(xs[0].axes)
        axes[dim] = concatenation([x.axes[dim] for x in xs])
        check_blocks(axes)
        return self._put(p.Join(tuple(xs), axes, dim=dim))

    def take(self, x: Node, dim: int, picks: Node) -> Node:
        """Entries of one dimension picked by constant integers of any shape."""
        dim %= len(x.axes)
        value = picks.value() if isinstance(picks, p.Source) else None
        if value is not None and value.numel():
            flat = value.reshape(-1).tolist()
            first, n = flat[0], len(flat)
            shape = [*x.shape[:dim], *picks.shape, *x.shape[dim + 1 :]]
            if flat == list(range(first, first + n)) and first >= 0:
                return self.view(self.narrow(x, dim, first, n), shape)
            if all(i == first for i in flat):
                row = self.narrow(x, dim, first % x.axes[dim].size, 1)
                ones = [1] * len(picks.shape)
                row = self.view(row, [*x.shape[:dim], *ones, *x.shape[dim + 1 :]])
                return self.expand(row, shape)
            n = x.axes[dim].size
            flat = [i % n for i in flat]
            if len(set(flat)) == len(flat):
                return self.view(self._select(x, dim, flat), shape)
        return self._take(x, dim, picks)

    def _take(self, x: Node, dim: int, picks: Node) -> Node:
        axes = [*x.axes[:dim], *picks.axes, *x.axes[dim + 1 :]]
        return self._put(p.Take((x,), axes, dim=dim, picks=picks))

    def _select(self, x: Node, dim: int, places: list[int]) -> Node:
        """Different entries of one dimension: a permutation, and the beginning of that."""
        rest = sorted(set(range(x.axes[dim].size)) - set(places))
        order, value = self.source("constant", [x.axes[dim].size]), torch.tensor([*places, *rest])
        order.compute = lambda: value
        return self.narrow(self._take(x, dim, order), dim, 0, len(places))

    # maps along dimensions ---------------------------------------------------------------
    def mix(
        self,
        x: Node,
        dims: Sequence[int],
        sizes: Sequence[int] | None = None,
        *,
        unit: float | None = None,
        peak: bool = False,
        uneven: bool = False,
    ) -> Node:
        """A map along some dimensions: new sizes, or None where they disappear.

        They disappear in a sum, or in what treats their entries alike, if not `uneven`.
        """
        dims = tuple(d % len(x.axes) for d in dims)
        if unit == 1 and sizes is None and single(x, dims):
            return self.view(x, [n for d, n in enumerate(x.shape) if d not in dims])
        if sizes is None:
            axes = [a for d, a in enumerate(x.axes) if d not in dims]
        else:
            new = dict(zip(dims, sizes, strict=True))
            axes = [Axis(new[d]) if d in new else a for d, a in enumerate(x.axes)]
        make = p.Peak if peak else p.Mix
        drop = sizes is None
        return self._put(make((x,), axes, dims=dims, drop=drop, unit=unit, uneven=uneven))

    def order(self, x: Node, dim: int, shape: Sequence[int]) -> p.Order:
        """Places of the largest entries along one dimension, in a given shape."""
        dim %= len(x.axes)
        drop = len(shape) < len(x.axes)
        axes = [a for d, a in enumerate(x.axes) if d != dim]
        if not drop:
            axes.insert(dim, Axis(shape[dim]))
        return self._put(p.Order((x,), axes, dims=(dim,), drop=drop))

    def reduce(self, x: Node, dims: Sequence[int], keep: bool, **how: Any) -> Node:
        """A reduction over dimensions, kept with size one or dropped."""
        rank = len(x.axes)
        dims = [d % rank for d in dims] if len(dims) else list(range(rank))
        if keep and how.get("unit") == 1 and single(x, dims):
            return x
        y = self.mix(x, dims, **how)
        shape = [1 if d in dims else a.size for d, a in enumerate(x.axes)]
        return self.view(y, shape) if keep else y

    def square_sum(self, x: Node, dims: Sequence[int], keep: bool) -> Node:
        """The sum of squares over some dimensions: a contraction of x with itself."""
        rank = len(x.axes)
        dims = [d % rank for d in dims] if len(dims) else list(range(rank))
        out = [d for d in range(rank) if d not in dims]
        y = self.contract([x, x], [range(rank), range(rank)], out)
        shape = [1 if d in dims else a.size for d, a in enumerate(x.axes)]
        return self.view(y, shape) if keep else y

    def centre(self, x: Node, dims: Sequence[int]) -> Node:
        """x minus its mean."""
        dims = tuple(d % len(x.axes) for d in dims)
        if single(x, dims):
            return self._nothing(list(x.axes))
        return self._put(p.Centre((x,), list(x.axes), dims=dims))

    def normalise(self, x: Node, dims: Sequence[int], centred: bool, eps: float) -> Node:
        """Division by the root mean square, after centring."""
        dims = tuple(d % len(x.axes) for d in dims)
        if centred and single(x, dims):
            return self._nothing(list(x.axes))
        return self._put(p.Normalise((x,), list(x.axes), dims=dims, centred=centred, eps=eps))

    def commute(
        self, x: Node, dim: int, pairs: Sequence[tuple[int, int]], even: Sequence[int] = ()
    ) -> Node:
        """A rotation of coordinate pairs."""
        axes = list(x.axes)
        return self._put(p.Commute((x,), axes, dim=dim, pairs=tuple(pairs), even=tuple(even)))

    def output(self, x: Node, softened: Sequence[int] = ()) -> p.Output:
        """A returned wire."""
        return self._put(p.Output((x,), list(x.axes), softened=tuple(softened)))
