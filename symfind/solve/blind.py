"""Blind directions along chains of linear maps: a bond wider than what reads it.

Its writers may add k rᵀ for every k that no reader sees: the null space of a product of weights,
taken at the point where it is needed. A gain γ on the way to what is blind to constants (a centred
norm, a softmax) leaves 1/γ unseen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, least, positive
from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.rules.primitives import Node
from symfind.solve.absorption import NEVER
from symfind.solve.environment import Environment
from symfind.solve.family import Family, Moves, NullFamily, carry_out
from symfind.solve.flows import Flows
from symfind.solve.layer import Linear, as_linear, complement
from symfind.solve.variation import ARBITRARY, CONSTANT, canonical


@dataclass(frozen=True)
class Seen:
    """What everything downstream sees of one dimension of a wire.

    Attributes:
        rank: how many directions, by the sizes.
        rows: which: a matrix [at least rank, size of the dimension].
        settled: whether the rank is the same for all sizes, and the rows do not move.
    """

    rank: Callable[[Sizes | None], int]
    rows: Callable[[Environment], Tensor]
    settled: bool = False


class Blind:
    """What is seen of the wires of a lowered graph."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows
        self._seen: dict[tuple[int, int], Seen | None] = {}

    def seen(self, node: Node, dim: int) -> Seen | None:
        """What everything downstream sees of one dimension; None for all of it."""
        key = (node.index, dim)
        if key not in self._seen:
            self._seen[key] = None
            self._seen[key] = self._observe(node, dim)
        return self._seen[key]

    def _observe(self, node: Node, dim: int) -> Seen | None:
        parts: list[Seen] = []
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
            elif isinstance(user, p.Permute):
                below = self.seen(user, user.order.index(dim))
                if below is None:
                    return None
                parts.append(below)
            else:
                below = self._through_gain(user, node, dim)
                if below is None:
                    return None
                parts.append(below)
        if len(parts) == 1:
            return parts[0] if parts[0].rank(None) < node.axes[dim].size else None
        axis = node.axes[dim]

        def rank(sizes: Sizes | None) -> int:
            return least(extent(axis, sizes), sum(part.rank(sizes) for part in parts))

        def rows(env: Environment) -> Tensor:
            return torch.cat([part.rows(env) for part in parts])

        return Seen(rank, rows) if parts and rank(None) < axis.size else None

    def _through_gain(self, user: Node, node: Node, dim: int) -> Seen | None:
        """What is seen of a wire that a parameter multiplies along one dimension."""
        if not isinstance(user, p.Contract) or len(user.inputs) != 2 or user.windows:
            return None
        at = user.inputs.index(node)
        gain, names = user.inputs[1 - at], user.labels[1 - at]
        own = user.labels[at][dim]
        wide = [n for n, a in zip(names, gain.axes, strict=True) if a.size > 1]
        if gain.varies or gain is node or wide != [own] or set(user.labels[at]) != set(user.out):
            return None
        place = user.out.index(own)
        below = self.seen(user, place) or self._centred(user, place)
        if below is None:
            return None
        rows = below.rows
        return Seen(below.rank, lambda env: rows(env) * env.value(gain).reshape(-1), below.settled)

    def _centred(self, node: Node, dim: int) -> Seen | None:
        """Where constants along a dimension are seen by nothing: all that sums to zero."""
        state = [CONSTANT if d == dim else ARBITRARY for d in range(len(node.axes))]
        if self.flows.dispose(node, canonical(node, state), False, NEVER) is None:
            return None
        axis = node.axes[dim]

        def rows(env: Environment) -> Tensor:
            n = extent(axis, env.sizes)
            return torch.eye(n, **env.like) - 1.0 / n

        return Seen(lambda sizes: extent(axis, sizes) - 1, rows, settled=True)

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
        rank, rows = seen.rank, seen.rows
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
            return carry_out(env, write, -delta)

        sources = tuple(dict.fromkeys(a.source for a in write))
        moving = not seen.settled
        return NullFamily(
            kind="shift", sources=sources, width=width, build=build, loose=moving, piecewise=moving
        )


def _composed(layer: Linear, below: Seen | None) -> Seen:
    if below is None:
        return Seen(layer.outputs, layer.matrix)
    rank, rows = below.rank, below.rows
    return Seen(
        lambda sizes: least(layer.outputs(sizes), rank(sizes)),
        lambda env: rows(env) @ layer.matrix(env),
    )
