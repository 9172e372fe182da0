"""Affine spans of wires: of what a wire can be along one dimension, whatever the other indices.

Linear maps carry a span on, sums add spans, concatenations unite them; a division by a norm keeps
what goes through the origin. A span is only ever too large, so that its relations hold.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, least, positive
from symfind.graph import primitives as p
from symfind.graph.index_map import Way, carried
from symfind.graph.indices import Still, indices
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment
from symfind.solve.spans.linear import complement, linears, orthonormal
from symfind.solve.spans.relation import Relation
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.spans.together import Image, together

Vector = Callable[[Environment], Tensor]


@dataclass(frozen=True)
class Reached:
    """The affine span of a wire along one dimension of size n.

    Attributes:
        rank: its dimension, by the sizes; never too small.
        basis: columns [n, rank or less].
        offset: [n], None for zero.
        plain: whether all that is known of it is a relation of the wire itself.
    """

    rank: Callable[[Sizes | None], int]
    basis: Vector
    offset: Vector | None = None
    plain: bool = False


def through_origin(span: Reached) -> Reached:
    """The smallest linear span that holds an affine one."""
    if span.offset is None:
        return span
    rank, basis, offset = span.rank, span.basis, span.offset

    def wider(env: Environment) -> Tensor:
        return torch.cat([basis(env), offset(env)[:, None]], 1)

    return Reached(lambda sizes: rank(sizes) + 1, wider)


class Spans:
    """Spans of the wires of a lowered graph, each derived once."""

    def __init__(self, relations: AffineRelations) -> None:
        """Nothing is computed until asked."""
        self.relations = relations
        self.still = Still()
        self._known: dict[tuple[int, int], Reached | None] = {}

    def reached(self, node: Node, dim: int) -> Reached | None:
        """The span of a wire along one dimension, None where it is everything."""
        key = (node.index, dim)
        if key not in self._known:
            span = self._derive(node, dim)
            if span is None or span.rank(None) >= node.axes[dim].size:
                span = self._related(node, dim)
            self._known[key] = span
        return self._known[key]

    def missed(self, node: Node, dim: int) -> Iterator[Relation]:
        """AffineRelations of all that a wire can be, unless one in closed form says as much.

        Those of the affine span come first, then those of the smallest linear span that holds it.
        """
        span = self.reached(node, dim)
        if span is not None and not span.plain:
            yield _normal(span, node, dim)
            if span.offset is not None:
                yield _normal(through_origin(span), node, dim)

    def _related(self, node: Node, dim: int) -> Reached | None:
        """What satisfies a relation κ·w = c: the complement of κ, from the point κᵀ (κ κᵀ)⁻¹ c."""
        found = [r for r in self.relations.of(node) if r.dims == (dim,)]
        if not found or node.axes[dim].size == 1:
            return None
        relation, axis = found[0], node.axes[dim]

        def rank(sizes: Sizes | None) -> int:
            return positive(extent(axis, sizes) - relation.count(sizes))

        def basis(env: Environment) -> Tensor:
            return complement(relation.vector(env).T, rank(env.sizes))

        def offset(env: Environment) -> Tensor:
            kappa = relation.vector(env)
            return kappa.T @ torch.linalg.solve(kappa @ kappa.T, relation.constant(env))

        return Reached(rank, basis, None if relation.zero else offset, plain=True)

    def _derive(self, node: Node, dim: int) -> Reached | None:
        if node.axes[dim].size == 1:
            return None
        mapped = [
            self._image(Image(layer.wire, layer.read, layer.matrix), node, dim)
            for layer in linears(node)
            if layer.names == (node.out[dim],)  # type: ignore[attr-defined]
        ]
        if not node.varies:
            mapped.append(self._table(node, dim))
        if mapped:
            return min(mapped, key=lambda span: span.rank(None))
        match node:
            case p.Contract() if len(node.inputs) == 2 and not node.windows:
                return self._product(node, dim)
            case p.Add():
                apart, one = self._sum(node, dim), self._together(node, dim)
                known = [span for span in (one, apart) if span is not None]
                return min(known, key=lambda span: span.rank(None), default=None)
            case p.Join():
                return self._side_by_side(node) if node.dim == dim else self._union(node, dim)
            case p.Choice() if dim not in node.stiff:
                return self._union(node, dim)
            case p.Movement():
                return self._carried(node, 0, dim) or self._flattened(node, dim)
            case p.Pointwise() if node.slope is not None:
                return self._stretched(node, dim, node.slope)
            case p.Normalise() if dim in node.dims and (not node.centred or node.dims == (dim,)):
                return self._normed(node, dim)
            case p.Mix() if not isinstance(node, p.Peak | p.Order) and dim not in node.stiff:
                span = self._carried(node, 0, dim)
                return span if span is None or node.unit == 1.0 else through_origin(span)
        return None

    def _carried(self, node: Node, at: int, dim: int) -> Reached | None:
        """The span of an operand along the one of its dimensions that becomes a given one."""
        own = carried(node.index_map(at), dim)
        return None if own is None else self.reached(node.inputs[at], own)

    def _flattened(self, node: Node, dim: int) -> Reached | None:
        """Of several dimensions written as one, the span along one of them for all others apart."""
        x = node.inputs[0]
        runs = [r.ins for r in node.index_map() if r.outs == (dim,) and r.way is Way.RESHAPED]
        known = [(run, i, span) for run in runs for i, d in enumerate(run)
                 if (span := self.reached(x, d)) is not None]  # fmt: skip
        tiled = [_tiled(span, [x.axes[d] for d in run], i) for run, i, span in known]
        return min(tiled, key=lambda span: span.rank(None), default=None)

    def _union(self, node: Node, dim: int) -> Reached | None:
        """The span of what is one or another of the operands."""
        spans = [self._carried(node, at, dim) for at in range(len(node.inputs))]
        known = [through_origin(s) for s in spans if s is not None]
        return _united(node, dim, known) if len(known) == len(spans) else None

    def _side_by_side(self, node: p.Join) -> Reached | None:
        """The spans of pieces in their own coordinates; a piece of which nothing is known is all.

        Copies of one wire reach less together than this says.
        """
        axes = [x.axes[node.dim] for x in node.inputs]
        spans = [self.reached(x, node.dim) for x in node.inputs]
        if all(span is None for span in spans):
            return None

        def rank(sizes: Sizes | None) -> int:
            return sum(
                extent(axis, sizes) if span is None else span.rank(sizes)
                for axis, span in zip(axes, spans, strict=True)
            )

        def basis(env: Environment) -> Tensor:
            return torch.block_diag(*(
                torch.eye(extent(axis, env.sizes), **env.like) if span is None else span.basis(env)
                for axis, span in zip(axes, spans, strict=True)
            ))  # fmt: skip

        def offset(env: Environment) -> Tensor:
            return torch.cat([
                torch.zeros(extent(axis, env.sizes), **env.like)
                if span is None or span.offset is None else span.offset(env)
                for axis, span in zip(axes, spans, strict=True)
            ])  # fmt: skip

        shifted = any(span is not None and span.offset is not None for span in spans)
        return Reached(rank, basis, offset if shifted else None)

    def _table(self, node: Node, dim: int) -> Reached:
        """The rows of a wire that no input reaches: as many as its other indices have values."""
        still = self.still.along(node)
        rows = [a for s, a in indices(node).items() if s[0] != dim and s not in still]
        axis = node.axes[dim]

        def rank(sizes: Sizes | None) -> int:
            return least(extent(axis, sizes), math.prod(extent(a, sizes) for a in rows) - 1)

        def values(env: Environment) -> Tensor:
            value = env.value(node).movedim(dim, 0)
            return value.reshape(value.shape[0], -1)

        def basis(env: Environment) -> Tensor:
            value = values(env)
            return orthonormal(value - value[:, :1], rank(env.sizes))

        return Reached(rank, basis, lambda env: values(env)[:, 0])

    def _product(self, node: p.Contract, dim: int) -> Reached | None:
        """Combinations of rows, or a gain along the dimension."""
        name = node.out[dim]
        for x, own, other, theirs in (
            (node.inputs[i], node.labels[i], node.inputs[1 - i], node.labels[1 - i]) for i in (0, 1)
        ):
            if name not in own or x.axes[own.index(name)].size == 1 or x is other:
                continue
            below = self.reached(x, own.index(name))
            if below is None:
                continue
            wide = [n for n, a in zip(theirs, other.axes, strict=True) if a.size > 1]
            if name not in wide:
                mean = self.relations.averaged(node, node.inputs.index(x), set(own))
                return below if mean else through_origin(below)
            if other.varies or wide != [name]:
                continue
            return _gained(below, other)
        return None

    def _sum(self, node: p.Add, dim: int) -> Reached | None:
        spans = []
        for at, (x, sign) in enumerate(zip(node.inputs, node.signs, strict=True)):
            wide = [d + len(node.axes) - len(x.axes) for d, a in enumerate(x.axes) if a.size > 1]
            if not x.varies and wide == [dim]:
                spans.append(_point(x, sign))
                continue
            below = self._carried(node, at, dim)
            if below is None:
                return None
            spans.append(_stretch(below, sign))
        parts = [s for s in spans if s.rank(None) > 0]
        offsets = [s.offset for s in spans if s.offset is not None]
        offset: Vector | None = None
        if offsets:

            def offset(env: Environment) -> Tensor:
                return torch.stack([o(env) for o in offsets]).sum(0)

        if len(parts) == 1:
            return replace(parts[0], offset=offset)
        return replace(_united(node, dim, parts), offset=offset)

    def _together(self, node: p.Add, dim: int) -> Reached | None:
        """A sum in which several summands are linear maps of the same wire."""
        found = together(node, dim)
        if found is None:
            return None
        images, rest = found
        if any(x.varies for x, _ in rest):
            return None
        spans = [self._image(one, node, dim) for one in images]
        for x, sign in rest:
            wide = [d + len(node.axes) - len(x.axes) for d, a in enumerate(x.axes) if a.size > 1]
            if wide != [dim]:
                return None
            spans.append(_point(x, sign))
        offsets = [s.offset for s in spans if s.offset is not None]
        whole = _united(node, dim, [s for s in spans if s.rank(None) > 0])
        if not offsets:
            return whole
        return replace(whole, offset=lambda env: torch.stack([o(env) for o in offsets]).sum(0))

    def _image(self, one: Image, node: Node, dim: int) -> Reached:
        below = self.reached(one.wire, one.dim)
        inner, axis = one.wire.axes[one.dim], node.axes[dim]

        def rank(sizes: Sizes | None) -> int:
            return least(extent(axis, sizes),
                         extent(inner, sizes) if below is None else below.rank(sizes))  # fmt: skip

        def basis(env: Environment) -> Tensor:
            m = one.matrix(env)
            return orthonormal(m if below is None else m @ below.basis(env), rank(env.sizes))

        if below is None or below.offset is None:
            return Reached(rank, basis)
        shift = below.offset
        return Reached(rank, basis, lambda env: one.matrix(env) @ shift(env))

    def _stretched(self, node: p.Pointwise, dim: int, slope: float) -> Reached | None:
        below = self.reached(node.inputs[0], dim)
        if below is None:
            return None
        return _stretch(below, slope) if math.isfinite(slope) else through_origin(below)

    def _normed(self, node: p.Normalise, dim: int) -> Reached | None:
        """Every row is divided by a number of its own, after its mean is taken off."""
        below = self.reached(node.inputs[0], dim)
        if below is None:
            return None
        span = through_origin(below)
        if not node.centred:
            return span
        axis, rank, basis = node.axes[dim], span.rank, span.basis

        def centred(env: Environment) -> Tensor:
            value = basis(env)
            return value - value.mean(0, keepdim=True)

        return Reached(lambda sizes: least(extent(axis, sizes) - 1, rank(sizes)), centred)


def _normal(span: Reached, node: Node, dim: int) -> Relation:
    """What is orthogonal to a span, as relations."""
    axis, offset = node.axes[dim], span.offset

    def count(sizes: Sizes | None) -> int:
        return positive(extent(axis, sizes) - span.rank(sizes))

    def vector(env: Environment) -> Tensor:
        return complement(span.basis(env), count(env.sizes)).T

    def constant(env: Environment) -> Tensor:
        if offset is None:
            return torch.zeros(count(env.sizes), **env.like)
        return vector(env) @ offset(env)

    return Relation((dim,), vector, constant, count, zero=offset is None, piecewise=True)


def _tiled(span: Reached, axes: Sequence[Axis], at: int) -> Reached:
    """A span along one of several axes, for all values of the others."""

    def around(sizes: Sizes | None) -> list[int]:
        return [math.prod(extent(a, sizes) for a in some) for some in (axes[:at], axes[at + 1 :])]

    def basis(env: Environment) -> Tensor:
        before, behind = (torch.eye(n, **env.like) for n in around(env.sizes))
        whole = torch.einsum("ab,ij,xy->aixbjy", before, span.basis(env), behind)
        return whole.reshape(math.prod(whole.shape[:3]), math.prod(whole.shape[3:]))

    def offset(env: Environment) -> Tensor:
        assert span.offset is not None
        before, behind = (torch.ones(n, **env.like) for n in around(env.sizes))
        return torch.kron(torch.kron(before, span.offset(env)), behind)

    def rank(sizes: Sizes | None) -> int:
        return span.rank(sizes) * math.prod(around(sizes))

    return Reached(rank, basis, None if span.offset is None else offset, span.plain)


def _point(x: Node, sign: float) -> Reached:
    def offset(env: Environment) -> Tensor:
        return sign * env.value(x).reshape(-1)

    return Reached(lambda sizes: 0, lambda env: offset(env)[:, None][:, :0], offset)


def _stretch(span: Reached, slope: float) -> Reached:
    if span.offset is None or slope == 1:
        return span
    offset = span.offset
    return replace(span, offset=lambda env: slope * offset(env))


def _gained(span: Reached, gain: Node) -> Reached:
    basis, offset = span.basis, span.offset

    def value(env: Environment) -> Tensor:
        return env.value(gain).reshape(-1)

    return Reached(
        span.rank,
        lambda env: value(env)[:, None] * basis(env),
        None if offset is None else lambda env: value(env) * offset(env),
        span.plain,
    )


def _united(node: Node, dim: int, spans: Sequence[Reached]) -> Reached:
    axis = node.axes[dim]
    return Reached(
        lambda sizes: least(extent(axis, sizes), sum(s.rank(sizes) for s in spans)),
        lambda env: torch.cat([s.basis(env) for s in spans], 1),
    )
