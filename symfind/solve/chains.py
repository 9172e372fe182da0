"""Ranks along chains of linear maps: what a bond can reach, and what of it is ever seen.

A bond wider than what writes it satisfies relations κ (its readers may add s κᵀ); a bond wider
than what reads it has blind directions k (its writers may add k rᵀ). Both are null spaces of
products of weights, taken at the point where they are needed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, extent, least, positive
from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.rules.primitives import Node
from symfind.solve.environment import Environment, einsum
from symfind.solve.family import Family, Moves, NullFamily
from symfind.solve.flows import PLAIN, Flows, Plan
from symfind.solve.variation import ARBITRARY, CONSTANT, canonical

KAPPA = "which relation"  # a label


@dataclass(frozen=True)
class Linear:
    """A contraction of one varying wire with one weight over one dimension of the wire."""

    node: p.Contract
    at: int  # which input is the weight
    read: int  # dimension of the wire that is contracted
    names: tuple  # labels of the weight that the output carries

    @property
    def wire(self) -> Node:
        """The wire that is read."""
        return self.node.inputs[1 - self.at]

    @property
    def weight(self) -> Node:
        """The weight that reads it."""
        return self.node.inputs[self.at]

    def matrix(self, env: Environment) -> Tensor:
        """The weight as a matrix [outputs, inputs]."""
        labels = self.node.labels[self.at]
        inner = self.node.labels[1 - self.at][self.read]
        value = env.value(self.weight)
        order = [i for i, n in enumerate(labels) if n != inner] + [labels.index(inner)]
        return value.permute(order).reshape(-1, value.shape[labels.index(inner)])

    def outputs(self, sizes: Sizes | None) -> int:
        """Number of rows of the matrix."""
        labels = self.node.labels[self.at]
        axes = [a for n, a in zip(labels, self.weight.axes, strict=True) if n in self.names]
        return math.prod(extent(a, sizes) for a in axes)


def _moved(
    sign: float, bias: Node, shift: Callable[[Environment], Tensor] | None
) -> Callable[[Environment], Tensor]:
    def moved(env: Environment) -> Tensor:
        value = sign * env.value(bias).reshape(-1)
        return value if shift is None else value + shift(env)

    return moved


def as_linear(node: Node) -> Linear | None:
    """Read a node as a linear layer, None where it is something else."""
    if not isinstance(node, p.Contract) or len(node.inputs) != 2 or node.windows:
        return None
    still = [i for i, x in enumerate(node.inputs) if not x.varies]
    if len(still) != 1:
        return None
    at = still[0]
    names, read = node.labels[at], node.labels[1 - at]
    wide = [n for n, a in zip(names, node.inputs[at].axes, strict=True) if a.size > 1]
    shared = [n for n in wide if n in read]
    if (
        len(shared) != 1
        or shared[0] in node.out
        or any(n not in node.out for n in names if n not in read)
    ):
        return None
    return Linear(node, at, read.index(shared[0]), tuple(n for n in names if n not in read))


@dataclass(frozen=True)
class Reached:
    """The affine span of a wire along its last written dimension."""

    rank: Callable[[Sizes | None], int]
    basis: Callable[[Environment], Tensor]  # [n, rank]
    offset: Callable[[Environment], Tensor] | None  # [n], None for zero


class Chains:
    """Reach and observability of the wires of a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows
        self._seen: dict[tuple[int, int], tuple | None] = {}

    # reach -------------------------------------------------------------------------------
    def reached(self, node: Node, dim: int) -> Reached | None:
        """The span of a wire along one dimension, None where it is everything."""
        layer = as_linear(node)
        if layer is not None and len(layer.names) == 1 and node.out[dim] == layer.names[0]:  # type: ignore[attr-defined]
            below = self.reached(layer.wire, layer.read)
            inner = layer.wire.axes[layer.read]
            axis = node.axes[dim]

            def rank(sizes: Sizes | None) -> int:
                r = extent(inner, sizes) if below is None else below.rank(sizes)
                return least(extent(axis, sizes), r)

            def basis(env: Environment) -> Tensor:
                m = layer.matrix(env)
                return _orthonormal(m if below is None else m @ below.basis(env), rank(env.sizes))

            offset = None
            if below is not None and below.offset is not None:
                shift = below.offset

                def offset(env: Environment) -> Tensor:
                    return layer.matrix(env) @ shift(env)

            return Reached(rank, basis, offset)
        if isinstance(node, p.Add) and len(node.inputs) == 2:
            for at in (0, 1):
                x, b = node.inputs[at], node.inputs[1 - at]
                wide = [d for d, a in enumerate(b.axes) if a.size > 1]
                last = len(node.axes) - len(b.axes)
                if b.varies or len(x.axes) != len(node.axes) or [d + last for d in wide] != [dim]:
                    continue
                below = self.reached(x, dim)
                if below is None:
                    return None
                moved = _moved(node.signs[1 - at], b, below.offset)
                return Reached(below.rank, below.basis, moved)
        return None

    def reach_families(self) -> list[Family]:
        """For every reader of a wire that satisfies relations: what it may add."""
        result: list[Family] = []
        for node in self.lowered.nodes:
            layer = as_linear(node)
            if layer is None or len(layer.weight.users) != 1:
                continue
            span = self.reached(layer.wire, layer.read)
            axis = layer.wire.axes[layer.read]
            if span is not None and span.rank(None) < axis.size:
                family = self._reach(layer, axis, span)
                if family is not None:
                    result.append(family)
        return result

    def _reach(self, layer: Linear, axis: Axis, span: Reached) -> Family | None:
        everything = canonical(layer.weight, [ARBITRARY] * len(layer.weight.axes))
        write = self.flows.undo(layer.weight, everything)
        if write is None:
            return None
        actions: Plan = ()
        if span.offset is not None:
            disposed = self._constant(layer)
            if disposed is None:
                return None
            actions = disposed
        labels = layer.node.labels[layer.at]
        inner = layer.node.labels[1 - layer.at][layer.read]

        def width(sizes: Sizes | None) -> int:
            return layer.outputs(sizes) * positive(extent(axis, sizes) - span.rank(sizes))

        def build(env: Environment, c: Tensor) -> Moves:
            n, r = extent(axis, env.sizes), span.rank(env.sizes)
            kappa = _complement(span.basis(env), n - r)
            s = c.reshape(-1, n - r)
            sizes = dict(zip(labels, env.shape(layer.weight), strict=True))
            delta = (s @ kappa.T).reshape([sizes[k] for k in labels if k != inner] + [n])
            place = [k for k in labels if k != inner] + [inner]
            delta = delta.permute([place.index(k) for k in labels])
            moves: Moves = {a.source: a(env, -delta).reshape(env.shape(a.source)) for a in write}
            if span.offset is not None:
                constant = s @ (kappa.T @ span.offset(env))
                shape = [sizes[k] if k in layer.names else 1 for k in layer.node.out]
                for a in actions:
                    change = a(env, constant.reshape(shape)).reshape(env.shape(a.source))
                    moves[a.source] = moves[a.source] + change if a.source in moves else change
            return moves

        sources = tuple(dict.fromkeys(a.source for a in (*write, *actions)))
        return NullFamily(
            kind="reach", sources=sources, width=width, build=build, loose=True, piecewise=True
        )

    def _constant(self, layer: Linear) -> Plan | None:
        """How a constant added to a layer's output is taken back."""
        state = [ARBITRARY if n in layer.names else CONSTANT for n in layer.node.out]
        return self.flows.dispose(layer.node, canonical(layer.node, state), True, PLAIN)

    # relations of normalised, one-hot and softmax wires -----------------------------------
    def relation_families(self) -> list[Family]:
        """For every reader of a wire with a known relation κ·x = c: δV = s κᵀ."""
        result: list[Family] = []
        for node in self.lowered.nodes:
            if not isinstance(node, p.Contract) or len(node.inputs) != 2:
                continue
            for at in (0, 1):
                family = self._relation(node, at)
                if family is not None:
                    result.append(family)
        return result

    def _relation(self, node: p.Contract, at: int) -> Family | None:
        weight, x = node.inputs[at], node.inputs[1 - at]
        if weight.varies or not x.varies:
            return None
        names, read = node.labels[at], node.labels[1 - at]
        free = [n for n in names if n in node.out or n in node.windows]
        wide = [n for n, a in zip(names, weight.axes, strict=True) if a.size > 1]
        summed = [n for n in wide if n not in free]
        if not summed or any(n in read for n in free):
            return None
        dims = tuple(d for d, n in enumerate(read) if n in summed)
        for relation in self.flows.relations.of(x):
            if relation.dims != dims or (not relation.zero and node.windows and not node.seals):
                continue
            # A shared weight may have to be changed by the same amount for all its outputs.
            for spread in (ARBITRARY, CONSTANT):
                write = self._write(node, at, summed, spread)
                actions: Plan | None = ()
                if write is not None and not relation.zero:
                    state = [spread if n in free else CONSTANT for n in node.out]
                    actions = self.flows.dispose(node, canonical(node, state), True, PLAIN)
                if write is not None and actions is not None:
                    order = [read[d] for d in dims]
                    return self._along(node, at, free, order, relation, spread, write, actions)
        return None

    def _write(self, node: p.Contract, at: int, summed: list, spread: str) -> Plan | None:
        """How the weight of one reader is changed, and what its other readers then need."""
        weight = node.inputs[at]
        if len(weight.users) == 1:
            everything = canonical(weight, [ARBITRARY] * len(weight.axes))
            return self.flows.undo(weight, everything) if spread == ARBITRARY else None
        if not isinstance(weight, p.Source) or weight.role != "parameter":
            return None
        state = [ARBITRARY if n in summed else spread for n in node.labels[at]]
        return self.flows.replace(weight, canonical(weight, state), node)

    def _along(
        self,
        node: p.Contract,
        at: int,
        free: Any,
        order: Any,
        relation: Any,
        spread: Any,
        write: Plan,
        actions: Plan,
    ) -> Family:
        weight, names = node.inputs[at], node.labels[at]
        axes = {n: a for n, a in zip(names, weight.axes, strict=True)}

        def lengths(sizes: Sizes | None) -> list[int]:
            return [extent(axes[n], sizes) if spread == ARBITRARY else 1 for n in free]

        def width(sizes: Sizes | None) -> int:
            return relation.count(sizes) * math.prod(lengths(sizes))

        def build(env: Environment, c: Tensor) -> Moves:
            s = c.reshape(*lengths(env.sizes), relation.count(env.sizes))
            kappa = relation.vector(env)
            delta = einsum([s, kappa], [[*free, KAPPA], [KAPPA, *order]], names)
            moves: Moves = {}
            for a in write:
                change = a(env, -delta).reshape(env.shape(a.source))
                moves[a.source] = moves[a.source] + change if a.source in moves else change
            if not relation.zero:
                constant = einsum([s @ relation.constant(env)], [free], node.out)
                for a in actions:
                    change = a(env, constant).reshape(env.shape(a.source))
                    moves[a.source] = moves[a.source] + change if a.source in moves else change
            return moves

        sources = tuple(dict.fromkeys(a.source for a in (*write, *actions)))
        return NullFamily(kind="reach", sources=sources, width=width, build=build, loose=True)

    # observability -----------------------------------------------------------------------
    def seen(self, node: Node, dim: int) -> tuple | None:
        """(rank, rows): what everything downstream sees of one dimension; None for all of it."""
        key = (node.index, dim)
        if key not in self._seen:
            self._seen[key] = None
            self._seen[key] = self._observe(node, dim)
        return self._seen[key]

    def _observe(self, node: Node, dim: int) -> tuple | None:
        parts = []
        for user in node.users:
            layer = as_linear(user)
            if layer is not None and layer.wire is node and layer.read == dim:
                out = [user.out.index(n) for n in layer.names]  # type: ignore[attr-defined]
                below = self.seen(user, out[0]) if len(out) == 1 else None
                parts.append(_composed(layer, below))
            elif (
                isinstance(user, p.Add)
                and user.inputs.count(node) == 1
                and all(not x.varies for x in user.inputs if x is not node)
            ):
                offset = len(user.axes) - len(node.axes)
                below = self.seen(user, dim + offset)
                if below is None:
                    return None
                parts.append(below)
            else:
                return None
        axis = node.axes[dim]

        def rank(sizes: Sizes | None) -> int:
            return least(extent(axis, sizes), sum(r(sizes) for r, _ in parts))

        def rows(env: Environment) -> Tensor:
            return torch.cat([m(env) for _, m in parts])

        return (rank, rows) if parts and rank(None) < axis.size else None

    def blind_families(self) -> list[Family]:
        """For every writer of a wire that is seen only in part: δW = k rᵀ, δb = k."""
        result: list[Family] = []
        for node in self.lowered.nodes:
            if not node.varies:
                continue
            writers: list[tuple[Node, tuple, int, int]] = []
            layer = as_linear(node)
            if layer is not None and len(layer.names) == 1:
                labels = layer.node.labels[layer.at]
                dim = layer.node.out.index(layer.names[0])
                writers.append((layer.weight, labels, labels.index(layer.names[0]), dim))
            if isinstance(node, p.Add):
                for x in node.inputs:
                    wide = [d for d, a in enumerate(x.axes) if a.size > 1]
                    if not x.varies and len(wide) == 1:
                        dim = wide[0] + len(node.axes) - len(x.axes)
                        writers.append((x, tuple(range(len(x.axes))), wide[0], dim))
            for weight, _, own, dim in writers:
                family = self._blind(node, weight, own, dim)
                if family is not None:
                    result.append(family)
        return result

    def _blind(self, node: Node, weight: Node, own: int, dim: int) -> Family | None:
        seen = self.seen(node, dim)
        if seen is None or len(weight.users) != 1:
            return None
        write = self.flows.undo(weight, canonical(weight, [ARBITRARY] * len(weight.axes)))
        if write is None:
            return None
        rank, rows = seen
        axis = node.axes[dim]
        rest = [a for d, a in enumerate(weight.axes) if d != own]

        def width(sizes: Sizes | None) -> int:
            others = math.prod(extent(a, sizes) for a in rest)
            return positive(extent(axis, sizes) - rank(sizes)) * others

        def build(env: Environment, c: Tensor) -> Moves:
            n = extent(axis, env.sizes)
            k = _complement(rows(env).T, n - rank(env.sizes))
            tail = [extent(a, env.sizes) for a in rest]
            delta = (k @ c.reshape(k.shape[1], -1)).reshape(n, *tail)
            delta = delta.movedim(0, own)
            return {a.source: a(env, -delta).reshape(env.shape(a.source)) for a in write}

        sources = tuple(dict.fromkeys(a.source for a in write))
        return NullFamily(
            kind="shift", sources=sources, width=width, build=build, loose=True, piecewise=True
        )


def _composed(layer: Linear, below: tuple | None) -> tuple:
    if below is None:
        return layer.outputs, layer.matrix
    rank, rows = below
    return (
        lambda sizes: least(layer.outputs(sizes), rank(sizes)),
        lambda env: rows(env) @ layer.matrix(env),
    )


def _orthonormal(matrix: Tensor, rank: int) -> Tensor:
    q, _, _ = torch.linalg.svd(matrix, full_matrices=False)
    return q[:, :rank]


def _complement(matrix: Tensor, width: int) -> Tensor:
    """Orthonormal basis, with `width` columns, of what is orthogonal to the columns.

    The basis depends smoothly on the matrix up to a rotation; it is fixed by projecting the same
    reference columns, so that a field built on it can be followed.
    """
    n = matrix.shape[0]
    q, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    q = q[:, : n - width]
    generator = torch.Generator().manual_seed(n)
    reference = torch.randn(n, width, generator=generator, dtype=torch.float64).to(matrix)
    return reference - q @ (q.T @ reference)
