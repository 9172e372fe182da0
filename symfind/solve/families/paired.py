"""Rows of two tables that are looked up together: what one of them gains, the other may lose.

In the sum of tokens and positions, padding has a place of its own: its row of the one table is
added exactly where its row of the other is. Where the table is read again as the last layer, only
such rows may be added of which that makes a constant (see `solve.families.kernels`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.ops.coincide import coincidences
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.spans.linear import Linear, linears
from symfind.solve.spans.relation import Relation
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical


@dataclass(frozen=True)
class _LookUp:
    """Rows [rows, features] of a parameter that are added to a sum."""

    node: p.Contract
    table: p.Source
    picks: p.Source
    sign: float


@dataclass(frozen=True)
class _Again:
    """The one layer that reads a table beside its look-up, what its input satisfies, and biases."""

    layer: Linear
    relation: Relation
    plan: Plan


def paired_families(lowered: Lowered, flows: Flows) -> Iterator[Family]:
    """For every two tables that are looked up in one sum.

    Args:
        lowered: the graph.
        flows: of it.
    """
    for node in lowered.nodes:
        if isinstance(node, p.Add) and not _inside(node):
            found = list(_look_ups(node, 1.0))
            for one in found:
                for other in found:
                    if one.table is not other.table:
                        yield from _of(one, other, flows)


def _inside(node: p.Add) -> bool:
    """Whether a sum is a part of another and nothing else."""
    return len(node.users) == 1 and isinstance(node.users[0], p.Add)


def _look_ups(node: Node, sign: float) -> Iterator[_LookUp]:
    """All look-ups among the terms of a sum that nothing else sees."""
    if isinstance(node, p.Add):
        for x, own in zip(node.inputs, node.signs, strict=True):
            if len(x.users) == 1 and x.shape == node.shape:
                yield from _look_ups(x, sign * own)
    elif isinstance(node, p.Contract) and len(node.inputs) == 2:
        picks, table = node.inputs
        if isinstance(picks, p.Source) and isinstance(table, p.Source) and picks.picks is not None:
            lead = tuple(range(len(picks.axes) - 1))
            (*batch, v), names = node.labels
            plain = tuple(batch) == node.out[:-1] and tuple(names) == (v, node.out[-1])
            if table.role == "parameter" and plain and len(batch) == len(lead):
                yield _LookUp(node, table, picks, sign)


def _of(one: _LookUp, other: _LookUp, flows: Flows) -> Iterator[Family]:
    if len(other.table.users) != 1 or flows.undo(other.table, (ARBITRARY,) * 2) is None:
        return
    alone = len(one.table.users) == 1
    if alone and flows.undo(one.table, (ARBITRARY,) * 2) is None:
        return
    for pair in coincidences(one.picks.picks, other.picks.picks):
        if all(0 <= i < x.table.shape[0] for i, x in zip(pair, (one, other), strict=True)):
            for again in [None] if alone else _again(one, flows):
                yield _family(one, other, pair, again)


def _again(one: _LookUp, flows: Flows) -> Iterator[_Again]:
    """Where rows may be added to a table that a layer reads as well."""
    if len(one.table.users) != 2 or len(flows.lowered.parameters[one.table.key]) != 1:
        return
    layers = [x for user in one.table.users if user is not one.node for x in linears(user)]
    for layer in layers:
        labels = layer.node.labels
        if layer.weight is one.table and labels[layer.at][1] == labels[1 - layer.at][layer.read]:
            state = [ARBITRARY if n in layer.names else CONSTANT for n in layer.node.out]
            for relation in flows.relations.of(layer.wire):
                if relation.dims == (layer.read,):
                    plan: Plan | None = ()
                    if not relation.zero:
                        plan = flows.dispose(layer.node, canonical(layer.node, state), True, PLAIN)
                    if plan is not None:
                        yield _Again(layer, relation, plan)


def _family(one: _LookUp, other: _LookUp, pair: tuple[int, int], again: _Again | None) -> Family:
    axis = one.table.axes[1]

    def width(sizes: Sizes | None) -> int:
        for row, x in zip(pair, (one, other), strict=True):
            n = extent(x.table.axes[0], sizes)
            if isinstance(n, int) and n <= row:
                return 0  # a twin without this row
        return extent(axis, sizes) if again is None else again.relation.count(sizes)

    def build(env: Environment, c: Tensor) -> Moves:
        row = c if again is None else c @ again.relation.vector(env)
        moves = {
            x.table: _at(env, x.table, i, s * row)
            for x, i, s in zip((one, other), pair, (1.0, -one.sign / other.sign), strict=True)
        }
        if again is not None and not again.relation.zero:
            rows = _at(env, one.table, pair[0], torch.ones_like(row))[:, 0]
            constant = rows * (c @ again.relation.constant(env))
            names = [n for n in again.layer.node.labels[again.layer.at] if n in again.layer.names]
            carry_out(env, again.plan, einsum([constant], [names], again.layer.node.out), moves)
        return moves

    plan = () if again is None else again.plan
    sources = tuple(dict.fromkeys((one.table, other.table, *(a.source for a in plan))))
    return NullFamily(
        kind="parallel", sources=sources, width=width, build=build, loose=again is not None
    )


def _at(env: Environment, table: p.Source, i: int, row: Tensor) -> Tensor:
    """A table that is zero but for one row."""
    whole = torch.zeros(env.shape(table), **env.like)
    return whole.index_copy(0, torch.tensor([i], device=whole.device), row[None])
