"""Parallel paths: what one weight adds to a sum of the same wire, another takes away.

A perturbation M of a weight that reads x adds M·x to a wire. It is followed through further linear
maps (see `solve.transport.linear`) to a sum where other operands can take it back (see
`solve.transport.taking`): a weight beside it, whatever gains lie between, one that reads what x is
made of, a larger convolution kernel, a full matrix beside a gain.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.limits import Limits
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import Plan
from symfind.solve.transport.effects import Effect, of_factor
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.linear import through
from symfind.solve.transport.taking import Taken, take, writer

DEPTH = 6


def parallel_families(lowered: Lowered, flows: Flows, limits: Limits) -> list[Family]:
    """Every weight whose effect others can take back."""
    result: list[Family] = []
    for node in lowered.nodes:
        if isinstance(node, p.Contract) and len(node.inputs) == 2:
            for at in (0, 1):
                family = _of(node, at, flows, limits)
                if family is not None:
                    result.append(family)
    return result


def _of(node: p.Contract, at: int, flows: Flows, limits: Limits) -> Family | None:
    write = writer(node, at, flows)
    if not write:
        return None
    effect = of_factor(node, at, node.labels[at], lambda env, m: m)
    taken = followed(node, effect, flows, limits)
    return None if taken is None else _family(node.inputs[at], write, taken)


def followed(node: Node, effect: Effect, flows: Flows, limits: Limits) -> list[Taken] | None:
    """How an effect on a wire is taken back, at the first sum on its way where that can be."""
    wire, path, products = node, {node}, 0
    while products < DEPTH:
        if len(wire.users) != 1:
            return None
        user = wire.users[0]
        if isinstance(user, p.Add):
            if wire.shape != user.shape or user.inputs.count(wire) != 1:
                return None
            effect = effect.scaled(user.signs[user.inputs.index(wire)])
            taken = take(user, path, effect, flows)
            if taken is not None:
                return taken
        else:
            onward = through(user, wire, effect)
            if onward is None:
                return None
            effect = onward
            products += isinstance(user, p.Contract)
            if isinstance(user, p.Contract) and isinstance(wire, p.Join):
                taken = take(user, path, effect, flows)
                if taken is not None:
                    return taken
        wire = user
        path.add(wire)
    limits.reached(node, f"parallel paths: not followed through more than {DEPTH} maps")
    return None


def _family(weight: Node, write: Plan, taken: Sequence[Taken]) -> Family:
    def width(sizes: Sizes | None) -> int:
        return math.prod(extent(a, sizes) for a in weight.axes)

    def build(env: Environment, c: Tensor) -> Moves:
        m = c.reshape(env.shape(weight))
        moves = carry_out(env, write, -m)
        for one in taken:
            carry_out(env, one.plan, one.carry(env, m), moves)
        return moves

    actions = [*write, *(a for one in taken for a in one.plan)]
    sources = tuple(dict.fromkeys(a.source for a in actions))
    return NullFamily(kind="parallel", sources=sources, width=width, build=build)
