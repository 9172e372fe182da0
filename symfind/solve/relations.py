"""Affine relations κ·w = c that every reachable value of a wire satisfies.

A centred norm sums to zero, a softmax and a one-hot row to one; a gain divides κ, a shift moves c.
Every reader of such a wire may add s κᵀ. (Reach relations.)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.rules.primitives import Node
from symfind.solve.environment import Environment
from symfind.solve.variation import groups


@dataclass(frozen=True)
class Relation:
    """Σ κ w = c over the given dimensions, at every other index."""

    dims: tuple[int, ...]
    vector: Callable[[Environment], Tensor]  # κ, one dimension per entry of `dims`
    constant: Callable[[Environment], Tensor]  # c, a number
    zero: bool = False  # c = 0
    unit: bool = False  # κ = 1 and c = 1


class Relations:
    """Relations of every wire, derived once on demand."""

    def __init__(self, lowered: Lowered) -> None:
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

    def _derive(self, node: Node) -> list[Relation]:
        match node:
            case p.Normalise() if node.centred:
                return [_ones(node, node.dims, 0.0)]
            case p.Centre():
                return [_ones(node, node.dims, 0.0)]
            case p.Softmax():
                return [_ones(node, node.dims, 1.0)]
            case p.Source() if node.key == "one-hot" and node.role == "input":
                return [_ones(node, (len(node.axes) - 1,), 1.0)]
            case p.Permute():
                return [
                    _moved(r, {d: i for i, d in enumerate(node.order)})
                    for r in self._known[node.inputs[0].index]
                ]
            case p.View():
                runs = groups(node.inputs[0].axes, node.axes)
                moves = {a[0]: b[0] for a, b in runs if len(a) == len(b) == 1}
                found = self._known[node.inputs[0].index]
                return [_moved(r, moves) for r in found if all(d in moves for d in r.dims)]
            case p.Contract():
                return self._gained(node)
            case p.Add():
                return self._shifted(node)
            case p.Pointwise() if node.slope is not None:
                return [r for r in self._known[node.inputs[0].index] if r.zero]
        return []

    def _gained(self, node: p.Contract) -> list[Relation]:
        result = []
        for at, x in _wires(node):
            gain = node.inputs[1 - at]
            place = {n: d for d, n in enumerate(node.out)}
            wide = {n for n, a in zip(node.labels[at], x.axes, strict=True) if a.size > 1}
            if gain.varies or wide != {n for n, d in place.items() if node.axes[d].size > 1}:
                continue
            moves = {d: place[n] for d, n in enumerate(node.labels[at]) if n in wide}
            for relation in self._known[x.index]:
                names = [node.labels[at][d] for d in relation.dims]
                own = [n for n, a in zip(node.labels[1 - at], gain.axes, strict=True) if a.size > 1]
                if all(n in names for n in own):
                    result.append(_divided(_moved(relation, moves), gain, node, at, names))
        return result

    def _shifted(self, node: p.Add) -> list[Relation]:
        if len(node.inputs) != 2:
            return []
        result = []
        for at in (0, 1):
            x, shift = node.inputs[at], node.inputs[1 - at]
            if not x.varies or shift.varies or len(x.axes) != len(node.axes):
                continue
            offset = len(node.axes) - len(shift.axes)
            wide = [d + offset for d, a in enumerate(shift.axes) if a.size > 1]
            for relation in self._known[x.index]:
                if all(d in relation.dims for d in wide):
                    result.append(_moved_constant(relation, shift, node, at, offset))
        return result


def _carriers(node: Node) -> list[Node]:
    if isinstance(node, p.Permute | p.View | p.Pointwise | p.Add):
        return list(node.inputs)
    if isinstance(node, p.Contract):
        return [x for _, x in _wires(node)]
    return []


def _wires(node: p.Contract) -> list[tuple[int, Node]]:
    if len(node.inputs) != 2 or node.windows:
        return []
    return [(i, x) for i, x in enumerate(node.inputs) if x.varies]


def _ones(node: Node, dims: tuple[int, ...], c: float) -> Relation:
    dims = tuple(sorted(dims))

    def vector(env: Environment) -> Tensor:
        return torch.ones([env.shape(node)[d] for d in dims], **env.like)

    return Relation(dims, vector, lambda env: torch.tensor(c, **env.like), c == 0, c == 1)


def _moved(relation: Relation, moves: dict[int, int]) -> Relation:
    targets = [moves[d] for d in relation.dims]
    order = sorted(range(len(targets)), key=lambda i: targets[i])
    dims = tuple(targets[i] for i in order)
    return Relation(
        dims,
        lambda env: relation.vector(env).permute(order),
        relation.constant,
        relation.zero,
        relation.unit,
    )


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

    return Relation(relation.dims, vector, relation.constant, relation.zero, False)


def _moved_constant(
    relation: Relation, shift: Node, node: p.Add, at: int, offset: int
) -> Relation:
    signs = node.signs

    def vector(env: Environment) -> Tensor:
        return relation.vector(env) / signs[at]

    def constant(env: Environment) -> Tensor:
        value = env.value(shift)
        shape = [
            value.shape[d - offset] if d >= offset else 1 for d in relation.dims
        ]
        value = value.reshape(shape)
        return relation.constant(env) + signs[1 - at] * (vector(env) * value).sum()

    return Relation(relation.dims, vector, constant, False, False)
