"""Affine relations κ·w = c that every reachable value of a wire satisfies.

A centred norm sums to zero, a softmax and a one-hot row to one, copies are equal; a gain divides κ,
a shift moves c.
Every reader of such a wire may add s κᵀ. (Reach relations.)
"""

import math
from collections.abc import Container
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, half
from symfind.graph import primitives as p
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.graph.uniform import is_uniform, number
from symfind.solve.point.values import Environment
from symfind.solve.spans.relation import Relation, moved, moved_along

MOST_SQUARED = 64  # entries of an index of which all pairs are compared


class AffineRelations:
    """AffineRelations of every wire, derived once on demand."""

    def __init__(self) -> None:
        """Nothing is computed until asked."""
        self._known: dict[int, tuple[Relation, ...]] = {}

    def of(self, node: Node) -> tuple[Relation, ...]:
        """The relations that a wire satisfies."""
        stack = [node]
        while stack:
            top = stack[-1]
            if top.index in self._known:
                stack.pop()
                continue
            missing = [x for x in _carriers(top) if x.index not in self._known]
            if missing:
                stack.extend(missing)
                continue
            self._known[top.index] = tuple(self._derive(top))
            stack.pop()
        return self._known[node.index]

    def averaged(self, user: p.Contract, at: int, flat: Container[Any]) -> bool:
        """Whether a factor is averaged with weights that sum to one.

        Args:
            user: the product.
            at: which factor.
            flat: labels along which it is constant.
        """
        if len(user.inputs) != 2 or user.windows:
            return False
        other, names = user.inputs[1 - at], user.labels[1 - at]
        pairs = zip(names, other.axes, strict=True)
        summed = [n for n, axis in pairs if n not in user.out and axis.size > 1]
        mine = zip(user.labels[at], user.inputs[at].axes, strict=True)
        if any(axis.size > 1 and n not in user.out and n not in summed for n, axis in mine):
            return False  # added up besides
        if not summed or any(n not in flat or n not in user.labels[at] for n in summed):
            return False
        dims = tuple(d for d, n in enumerate(names) if n in summed)
        return any(r.dims == dims and r.unit for r in self.of(other))

    def _derive(self, node: Node) -> list[Relation]:
        match node:
            case p.Normalise() if node.centred:
                return [_ones(node, node.dims, 0.0)]
            case p.Centre():
                return [_ones(node, node.dims, 0.0)]
            case p.Normalise():
                # divided by one number for all that the sum runs over: what is zero stays zero
                found = self._known[node.inputs[0].index]
                return [r for r in found if r.zero and set(r.dims) <= set(node.dims)]
            case p.Softmax() if not node.partial:
                return [_ones(node, node.dims, 1.0)]
            case p.Source() if node.key == "one-hot" and node.role == "input":
                return [_ones(node, (len(node.axes) - 1,), 1.0)]
            case p.Source() if node.shares:
                return [_ones(node, node.shares, 1.0)]
            case p.Source() if node.balanced:
                return [_ones(node, node.balanced, 0.0)]
            case p.Rigid() if node.rows is not None:
                return [_chosen(node, *node.rows)]
            case p.Expand():
                copied = [_copied(node, d) for d in _repeated(node)] if node.varies else []
                return [*self._carried(node), *copied]
            case p.Join():
                return self._joined(node)
            case p.Movement():
                return self._carried(node)
            case p.Mix() if node.unit == 1.0 and not isinstance(node, p.Peak | p.Order):
                return [r for r in self._carried(node) if not set(node.stiff) & set(r.dims)]
            case p.Contract():
                made = [*self._gained(node), *self._multiplied(node), *_squared(node)]
                return [*made, _ones(node, node.shares, 1.0)] if node.shares else made
            case p.Add():
                return [*self._shifted(node), *self._summed(node)]
            case p.Pointwise() if node.slope is not None:
                return [_stretched(r, node.slope) for r in self._known[node.inputs[0].index]
                        if r.zero or math.isfinite(node.slope)]  # fmt: skip
            case p.Pointwise():
                return [r for r in self._known[node.inputs[0].index] if r.copies]
        return []

    def _carried(self, node: Node) -> list[Relation]:
        """AffineRelations of the operand, at the same entries wherever they are."""
        return [new for old in self._known[node.inputs[0].index] for new in moved_along(old, node)]

    def _joined(self, node: p.Join) -> list[Relation]:
        """What all pieces satisfy, the same for each; entries that are a number are known."""
        first = self._known[node.inputs[0].index]
        constant = [_filled(node, at) for at, x in enumerate(node.inputs) if _fill(x)]
        return constant + [
            r
            for r in first
            if node.dim not in r.dims
            and all(
                any(o.dims == r.dims and o.vector is r.vector for o in self._known[x.index])
                for x in node.inputs[1:]
            )
        ]

    def _gained(self, node: p.Contract) -> list[Relation]:
        result = []
        for at, x in _wires(node):
            gain = node.inputs[1 - at]
            place = {n: d for d, n in enumerate(node.out)}
            wide = {n for n, a in zip(node.labels[at], x.axes, strict=True) if a.size > 1}
            if gain.varies or wide != {n for n, d in place.items() if node.axes[d].size > 1}:
                continue
            moves = {d: place[n] for d, n in enumerate(node.labels[at]) if n in place}
            for relation in self._known[x.index]:
                if any(d not in moves for d in relation.dims):
                    continue  # over a dimension of size one that is summed
                names = [node.labels[at][d] for d in relation.dims]
                own = [n for n, a in zip(node.labels[1 - at], gain.axes, strict=True) if a.size > 1]
                if all(n in names for n in own):
                    result.append(_divided(moved(relation, moves), gain, node, at, names))
        return result

    def _multiplied(self, node: p.Contract) -> list[Relation]:
        """What sums to zero still does so times what is constant along the sum, added up or not."""
        result: list[Relation] = []
        for at, x in _factors(node):
            other, names = node.inputs[1 - at], node.labels[at]
            place = {n: d for d, n in enumerate(node.out)}
            along = {n for n, a in zip(node.labels[1 - at], other.axes, strict=True) if a.size > 1}
            once = {d: n for d, n in enumerate(names) if n in place and names.count(n) == 1}
            moves = {d: place[n] for d, n in once.items()}
            for relation in self._known[x.index]:
                inside = all(d in moves and names[d] not in along for d in relation.dims)
                if relation.zero and inside:
                    result.append(moved(relation, moves))
        return result

    def _summed(self, node: p.Add) -> list[Relation]:
        """Sums of wires each of which has a known total, as a hard choice around a soft one."""
        if not all(x.varies and x.shape == node.shape for x in node.inputs):
            return []
        known = [[r for r in self._known[x.index] if r.even] for x in node.inputs]
        rows = [[next((r for r in k if r.dims == one.dims), None) for k in known]
                for one in known[0]]  # fmt: skip
        return [_total(node, [r for r in row if r]) for row in rows if all(row)]

    def _shifted(self, node: p.Add) -> list[Relation]:
        if len(node.inputs) != 2:
            return []
        result = []
        for at in (0, 1):
            x, shift = node.inputs[at], node.inputs[1 - at]
            if shift.varies or x.shape != node.shape:
                continue
            offset = len(node.axes) - len(shift.axes)
            wide = [d + offset for d, a in enumerate(shift.axes) if a.size > 1]
            for relation in self._known[x.index]:
                if all(d in relation.dims for d in wide):
                    result.append(_moved_constant(relation, shift, node, at, offset))
        return result


def _carriers(node: Node) -> list[Node]:
    if isinstance(node, p.Contract):
        return [x for _, x in [*_wires(node), *_factors(node)]]
    passive = isinstance(node, p.Movement | p.Pointwise | p.Add | p.Normalise | p.Mix)
    return list(node.inputs) if passive and not isinstance(node, p.Peak | p.Order) else []


def _wires(node: p.Contract) -> list[tuple[int, Node]]:
    if len(node.inputs) != 2 or node.windows:
        return []
    return [(i, x) for i, x in enumerate(node.inputs) if not node.inputs[1 - i].varies]


def _factors(node: p.Contract) -> list[tuple[int, Node]]:
    """Both factors of a product of two different wires."""
    if len(node.inputs) != 2 or node.windows or node.inputs[0] is node.inputs[1]:
        return []
    return list(enumerate(node.inputs))


def _ones(node: Node, dims: tuple[int, ...], c: float) -> Relation:
    dims = tuple(sorted(dims))

    def vector(env: Environment) -> Tensor:
        return torch.ones([1, *(env.shape(node)[d] for d in dims)], **env.like)

    def constant(env: Environment) -> Tensor:
        return torch.full((1,), c, **env.like)

    return Relation(dims, vector, constant, lambda sizes: 1, c == 0, even=True, unit=c == 1)


def _total(node: p.Add, parts: list[Relation]) -> Relation:
    def constant(env: Environment) -> Tensor:
        return torch.stack(
            [s * r.constant(env) for s, r in zip(node.signs, parts, strict=True)]
        ).sum(0)

    pairs = list(zip(node.signs, parts, strict=True))
    if all(r.zero or r.unit for r in parts):
        return _ones(node, parts[0].dims, sum(s for s, r in pairs if r.unit))
    return replace(_ones(node, parts[0].dims, math.nan), constant=constant)


def _chosen(node: Node, dim: int, value: float, rest: float) -> Relation:
    """A number at some places of each row and another at the others: the sum is known."""
    total = node.inputs[-1].shape[dim] * (value - rest) + node.shape[dim] * rest

    def constant(env: Environment) -> Tensor:
        chosen, all_ = env.shape(node.inputs[-1])[dim], env.shape(node)[dim]
        return torch.full((1,), chosen * (value - rest) + all_ * rest, **env.like)

    return replace(_ones(node, (dim,), total), constant=constant)


def _stretched(relation: Relation, slope: float) -> Relation:
    """A relation of a wire, for a multiple of it."""
    if relation.zero or slope == 1:
        return relation

    def constant(env: Environment) -> Tensor:
        return slope * relation.constant(env)

    return replace(relation, constant=constant, unit=False, zero=slope == 0)


def _fill(x: Node) -> float:
    """The number that a wire is everywhere, zero where it is none."""
    value = number(x) if is_uniform(x) else 0.0
    return value if math.isfinite(value) else 0.0


def _filled(node: p.Join, at: int) -> Relation:
    """The entries of a constant piece."""
    value = _fill(node.inputs[at])

    def count(sizes: Sizes | None) -> int:
        return extent(node.inputs[at].axes[node.dim], sizes)

    def vector(env: Environment) -> Tensor:
        before = sum(extent(x.axes[node.dim], env.sizes) for x in node.inputs[:at])
        unit = torch.eye(env.shape(node)[node.dim], **env.like)
        return unit[before : before + count(env.sizes)]

    def constant(env: Environment) -> Tensor:
        return torch.full((count(env.sizes),), value, **env.like)

    return Relation((node.dim,), vector, constant, count)


def _repeated(node: p.Expand) -> list[int]:
    """Dimensions along which a wire is copied."""
    copied = [d for run in node.index_map() if run.way is Way.COPIED for d in run.outs]
    return [d for d in copied if node.axes[d].size != 1]


def _copied(node: Node, dim: int) -> Relation:
    """Neighbours along a dimension are equal."""
    axis = node.axes[dim]

    def vector(env: Environment) -> Tensor:
        unit = torch.eye(extent(axis, env.sizes), **env.like)
        return unit[1:] - unit[:-1]

    def count(sizes: Sizes | None) -> int:
        return extent(axis, sizes) - 1

    def constant(env: Environment) -> Tensor:
        return torch.zeros(count(env.sizes), **env.like)

    return Relation((dim,), vector, constant, count, zero=True, copies=True)


def _squared(node: p.Contract) -> list[Relation]:
    """What a wire makes with itself is the same with two of its indices exchanged."""
    if len(node.inputs) != 2 or node.windows:
        return []
    (x, one), (y, two) = (_unmoved(*pair) for pair in zip(node.inputs, node.labels, strict=True))
    apart = [d for d in range(len(x.axes)) if x is y and one[d] != two[d]]
    if x is not y or len(apart) != 1:
        return []
    (d,) = apart
    places = sorted(node.out.index(n) for n in (one[d], two[d]) if n in node.out)
    if len(places) != 2 or not x.varies or not 1 < x.axes[d].size <= MOST_SQUARED:
        return []
    axis = x.axes[d]

    def count(sizes: Sizes | None) -> int:
        n = extent(axis, sizes)
        return half(n * (n - 1))

    def vector(env: Environment) -> Tensor:
        n = extent(axis, env.sizes)
        i, j = torch.triu_indices(n, n, 1, device=env.like["device"])
        unit = torch.eye(n, **env.like)
        return unit[i][:, :, None] * unit[j][:, None] - unit[j][:, :, None] * unit[i][:, None]

    def constant(env: Environment) -> Tensor:
        return torch.zeros(count(env.sizes), **env.like)

    return [Relation(tuple(places), vector, constant, count, zero=True, copies=True)]


def _unmoved(x: Node, labels: tuple[Any, ...]) -> tuple[Node, tuple[Any, ...]]:
    """A wire before its dimensions were put in another order, with their labels."""
    while isinstance(x, p.Permute | p.View):
        runs = {r.ins[0]: r.outs[0] for r in x.index_map() if r.way is Way.SAME}
        below = x.inputs[0]
        if any(d not in runs and a.size > 1 for d, a in enumerate(below.axes)):
            break
        labels = tuple(labels[runs[d]] if d in runs else ("one", d) for d in range(len(below.axes)))
        x = below
    return x, labels


def _divided(relation: Relation, gain: Node, node: p.Contract, at: int, names: list) -> Relation:
    own = node.labels[1 - at]
    wanted = [node.out[d] for d in relation.dims]

    def vector(env: Environment) -> Tensor:
        value = env.value(gain)
        shape = [env.shape(gain)[own.index(n)] if n in own else 1 for n in wanted]
        present = [n for n in wanted if n in own]
        keep = [n for n in own if n in present]
        value = value.reshape([s for s, n in zip(value.shape, own, strict=True) if n in present])
        value = value.permute([keep.index(n) for n in present]) if present else value
        return relation.vector(env) / value.reshape(shape)

    return Relation(relation.dims, vector, relation.constant, relation.count, relation.zero)


def _moved_constant(relation: Relation, shift: Node, node: p.Add, at: int, offset: int) -> Relation:
    signs = node.signs

    def vector(env: Environment) -> Tensor:
        return relation.vector(env) / signs[at]

    def constant(env: Environment) -> Tensor:
        value = env.value(shift)
        shape = [value.shape[d - offset] if d >= offset else 1 for d in relation.dims]
        value = value.reshape(shape)
        return relation.constant(env) + signs[1 - at] * (vector(env) * value).flatten(1).sum(1)

    return Relation(relation.dims, vector, constant, relation.count)
