"""Blind directions along chains of linear maps: a bond wider than what reads it.

Its writers may add k rᵀ for every k that no reader sees: the null space of a product of weights,
taken at the point where it is needed.
"""

import math

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, least, positive
from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.rules.primitives import Node
from symfind.solve.environment import Environment
from symfind.solve.family import Family, Moves, NullFamily
from symfind.solve.flows import Flows
from symfind.solve.layer import Linear, as_linear, complement
from symfind.solve.variation import ARBITRARY, canonical


class Blind:
    """What is seen of the wires of a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows
        self._seen: dict[tuple[int, int], tuple | None] = {}

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
            elif isinstance(user, p.Add) and user.inputs.count(node) == 1:
                offset = len(user.axes) - len(node.axes)
                whole = user.axes[dim + offset].size == node.axes[dim].size
                below = self.seen(user, dim + offset) if whole else None
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

    def families(self) -> list[Family]:
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
            k = complement(rows(env).T, n - rank(env.sizes))
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
