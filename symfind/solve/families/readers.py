"""Readers of a wire with a known relation κ·x = c: each may add s κᵀ, its bias takes s c back.

The relations are those of normalised, one-hot and softmax wires, and of copies: see
`solve.relations`. Where s may not be anything, it may still be anything on a block of the outputs
(the keys of a packed projection), or the same for all of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis, Sizes, branches, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import Family, Moves, NullFamily, carry_out
from symfind.solve.point.values import Environment
from symfind.solve.spans.relations import Relation
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, Dim, canonical

KAPPA = "which relation"  # a label
Spread = dict[Any, Dim]  # by label: along which outputs s varies


@dataclass(frozen=True)
class Reader:
    """A contraction of a varying wire with a weight: `free` labels outputs, `summed` inputs."""

    node: p.Contract
    at: int  # which factor is the weight
    free: tuple[Any, ...]
    summed: tuple[Any, ...]

    @property
    def weight(self) -> Node:
        """The weight."""
        return self.node.inputs[self.at]

    @property
    def wire(self) -> Node:
        """What is read."""
        return self.node.inputs[1 - self.at]

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions of the wire that are summed over."""
        read = self.node.labels[1 - self.at]
        return tuple(d for d, n in enumerate(read) if n in self.summed)

    def axis(self, label: Any) -> Axis:
        """The index of the weight with a given label."""
        return self.weight.axes[self.node.labels[self.at].index(label)]

    def spreads(self) -> Iterator[tuple[bool, Spread]]:
        """Whole ways in which s may vary, then parts of them: outputs in one block."""
        yield True, {n: ARBITRARY for n in self.free}
        # A shared weight may have to be changed by the same amount for all its outputs.
        yield True, {n: CONSTANT for n in self.free}
        for n in self.free:
            options = branches(self.axis(n))
            for choice, atoms in options if len(options) > 1 else ():
                block = (choice, frozenset(range(len(atoms))))
                yield False, {m: block if m == n else ARBITRARY for m in self.free}


def _reader(node: p.Contract, at: int) -> Reader | None:
    weight, x = node.inputs[at], node.inputs[1 - at]
    if weight.varies or not x.varies:
        return None
    names, read = node.labels[at], node.labels[1 - at]
    free = tuple(n for n in names if n in node.out or n in node.windows)
    wide = [n for n, a in zip(names, weight.axes, strict=True) if a.size > 1]
    summed = tuple(n for n in wide if n not in free)
    if not summed or any(n in read for n in free):
        return None
    return Reader(node, at, free, summed)


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
            if isinstance(node, p.Contract) and len(node.inputs) == 2:
                for at in (0, 1):
                    reader = _reader(node, at)
                    if reader is not None:
                        result.extend(self._of(reader))
        return result

    def _of(self, reader: Reader) -> Iterator[Family]:
        node = reader.node
        for relation in self.flows.relations.of(reader.wire):
            if relation.dims != reader.dims:
                continue
            if not relation.zero and node.windows and not node.seals:
                continue
            for whole, spread in reader.spreads():
                write = self._write(reader, spread)
                actions: Plan | None = ()
                if write is not None and not relation.zero:
                    state = [spread.get(n, CONSTANT) for n in node.out]
                    actions = self.flows.dispose(node, canonical(node, state), True, PLAIN)
                if write is not None and actions is not None:
                    yield _family(reader, relation, spread, write, actions)
                    if whole:
                        break

    def _write(self, reader: Reader, spread: Spread) -> Plan | None:
        """How the weight of one reader is changed, and what its other readers then need."""
        weight = reader.weight
        names = reader.node.labels[reader.at]
        state = canonical(weight, [spread.get(n, ARBITRARY) for n in names])
        if len(weight.users) == 1:
            constant = CONSTANT in spread.values()
            return None if constant else self.flows.undo(weight, state)
        if not isinstance(weight, p.Source) or weight.role != "parameter":
            return None
        return self.flows.replace(weight, state, reader.node)


def _family(
    reader: Reader, relation: Relation, spread: Spread, write: Plan, actions: Plan
) -> Family:
    node, free = reader.node, reader.free
    read = node.labels[1 - reader.at]
    order = [read[d] for d in reader.dims]

    def lengths(sizes: Sizes | None) -> list[int]:
        return [_length(reader.axis(n), spread[n], sizes) for n in free]

    def width(sizes: Sizes | None) -> int:
        return relation.count(sizes) * math.prod(lengths(sizes))

    def build(env: Environment, c: Tensor) -> Moves:
        s = c.reshape(*lengths(env.sizes), relation.count(env.sizes))
        for d, n in enumerate(free):
            s = _placed(env, s, d, reader.axis(n), spread[n])
        kappa = relation.vector(env)
        delta = einsum([s, kappa], [[*free, KAPPA], [KAPPA, *order]], node.labels[reader.at])
        moves = carry_out(env, write, -delta)
        if relation.zero:
            return moves
        constant = einsum([s @ relation.constant(env)], [free], node.out)
        return carry_out(env, actions, constant, moves)

    sources = tuple(dict.fromkeys(a.source for a in (*write, *actions)))
    return NullFamily(kind="reach", sources=sources, width=width, build=build, loose=True)


def _length(axis: Axis, dim: Dim, sizes: Sizes | None) -> int:
    """Number of coefficients along one output index."""
    if isinstance(dim, tuple):
        return math.prod(extent(a, sizes) for a in dict(branches(axis))[dim[0]])
    return extent(axis, sizes) if dim == ARBITRARY else 1


def _placed(env: Environment, s: Tensor, d: int, axis: Axis, dim: Dim) -> Tensor:
    """Coefficients of one block along a dimension, zero for the others."""
    if not isinstance(dim, tuple):
        return s
    shape = [extent(axis, env.sizes) if i == d else n for i, n in enumerate(s.shape)]
    return torch.zeros(shape, **env.like).index_copy(d, env.places(axis, dim[0]), s)
