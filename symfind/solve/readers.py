"""Readers of a wire with a known relation κ·x = c: each may add s κᵀ, its bias takes s c back.

The relations are those of normalised, one-hot and softmax wires: see `solve.relations`.
"""

import math
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.rules import primitives as p
from symfind.rules.lower import Lowered
from symfind.solve.absorption import PLAIN, Plan
from symfind.solve.environment import Environment, einsum
from symfind.solve.family import Family, Moves, NullFamily
from symfind.solve.flows import Flows
from symfind.solve.variation import ARBITRARY, CONSTANT, canonical

KAPPA = "which relation"  # a label


class Readers:
    """What the readers of related wires of a lowered graph may add."""

    def __init__(self, lowered: Lowered, flows: Flows) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.flows = flows

    def families(self) -> list[Family]:
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
