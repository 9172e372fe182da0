"""Multiples of what a wire is divided by: z / d moves by a constant where z moves by v d.

What parameters add to z may be v times a linear map that makes d of what they read; the constant v
is then taken off by a bias behind the quotient. Where d = e + f Σ z is itself made of z, it becomes
(1 + f Σ v) d, and the quotient moves by v - f Σ v · z / d: then weights that read it make up for
its size.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.quotient import inverts
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.families.products import subsets
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import LEANING, PLAIN, Plan
from symfind.solve.transport.effects import Effect, axes_of, bare, stripped
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical
from symfind.solve.transport.steps import total
from symfind.solve.transport.taking import Taken, take


@dataclass(frozen=True)
class Quotient:
    """A wire over another.

    Attributes:
        node: the product of the wire with a reciprocal.
        above: what is divided.
        below: by what.
        labels: of its dimensions.
        sum: where it is made of what is divided: by what that is multiplied, added up.
    """

    node: p.Contract
    above: Node
    below: Node
    labels: tuple[Any, ...]
    sum: float | None


Reader = tuple[Node, Plan]  # a weight, and how it changes


def quotient_families(lowered: Lowered, flows: Flows) -> Iterator[Family]:
    """For every quotient."""
    for node in lowered.nodes:
        found = _quotient(node) if isinstance(node, p.Contract) else None
        if found is not None:
            yield from _of(found, flows)


def _quotient(node: p.Contract) -> Quotient | None:
    if len(node.inputs) != 2 or node.windows:
        return None
    for at in (0, 1):
        above = node.inputs[1 - at]
        inverse, labels = bare(node.inputs[at], node.labels[at])
        whole = above.shape == node.shape and node.labels[1 - at] == node.out
        if whole and inverts(inverse) and above.varies:
            below = inverse.inputs[0]
            others = [u for u in above.users if u is not node]
            factor = None if not others else _added_up(below, above, others)
            if factor is not None or not (others or node.shares):
                return Quotient(node, above, below, labels, factor)
    return None


def _added_up(wire: Node, above: Node, others: Sequence[Node]) -> float | None:
    """The factor f of a wire e + f Σ z; None for another, or where z is seen elsewhere."""
    factor = 1.0
    while True:
        if len(wire.users) != 1 and total(wire) is None:
            return None
        if isinstance(wire, p.Mix):
            whole = wire.inputs == (above,) and len(others) == 1 and len(wire.users) == 1
            own = total(wire)
            return factor * own if whole and own is not None else None
        if isinstance(wire, p.Pointwise) and wire.slope and wire.slope == wire.slope:
            factor *= wire.slope
            wire = wire.inputs[0]
        elif isinstance(wire, p.View):
            wire = wire.inputs[0]
        elif isinstance(wire, p.Add):
            moving = [(x, s) for x, s in zip(wire.inputs, wire.signs, strict=True) if not x.fixed]
            if len(moving) != 1:
                return None
            wire, sign = moving[0]
            factor *= sign
        else:
            return None


def _of(q: Quotient, flows: Flows) -> Iterator[Family]:
    summed = None if q.sum is None else _mix(q).dims
    dims = [d for d, a in enumerate(q.node.axes)
            if a.size > 1 and (summed is None or d in summed)]  # fmt: skip
    readers = _readers(q, flows) if q.sum is not None else []
    if readers is None:
        return
    for free in subsets(dims):
        own = [q.node.out[d] for d in free]
        state = [ARBITRARY if d in free else CONSTANT for d in range(len(q.node.axes))]
        plan = None
        for absorb in (PLAIN, LEANING):
            if free and plan is None:
                plan = flows.dispose(q.node, canonical(q.node, state), True, absorb)
        if plan is None:
            continue
        effect = stripped(Effect(q.below, q.labels, tuple(own), q.node.out, axes_of(q.node),
                                 lambda env, c: c))  # fmt: skip
        taken = take(q.above, set(), effect, flows)
        if taken is not None:
            yield _family(q, free, plan, taken, readers)
            return


def _readers(q: Quotient, flows: Flows) -> list[Reader] | None:
    """Weights that alone read a quotient."""
    found: list[Reader] = []
    for user in q.node.users:
        if not isinstance(user, p.Contract) or len(user.inputs) != 2:
            return None
        weight = user.inputs[1 - user.inputs.index(q.node)]
        if weight.varies or len(weight.users) != 1:
            return None
        plan = flows.undo(weight, canonical(weight, [ARBITRARY] * len(weight.axes)))
        if not plan:
            return None
        found.append((weight, plan))
    return found


def _family(
    q: Quotient, free: Sequence[int], plan: Plan, taken: Sequence[Taken],
    readers: Sequence[Reader],
) -> Family:  # fmt: skip
    def shape(sizes: Sizes | None) -> list[Any]:
        return [extent(q.node.axes[d], sizes) for d in free]

    def width(sizes: Sizes | None) -> int:
        return math.prod(shape(sizes))

    def build(env: Environment, c: Tensor) -> Moves:
        v = c.reshape(shape(env.sizes))
        moves: Moves = {}
        for one in taken:
            carry_out(env, one.plan, one.carry(env, -v), moves)
        whole = v.reshape([n if d in free else 1 for d, n in enumerate(env.shape(q.node))])
        carry_out(env, plan, _size(q) * whole, moves)
        for weight, write in readers:
            carry_out(env, write, -_grown(q, env, whole) * env.value(weight), moves)
        return moves

    actions = [*plan, *(a for one in taken for a in one.plan), *(a for _, w in readers for a in w)]
    sources = tuple(dict.fromkeys(a.source for a in actions))
    return NullFamily(
        kind="parallel", sources=sources, width=width, build=build, loose=True, steps=None
    )


def _size(q: Quotient) -> float:
    """What z / d is multiplied by in the wire, of which it may be known that it sums to one."""
    return q.sum if q.node.shares and q.sum is not None else 1.0


def _grown(q: Quotient, env: Environment, v: Tensor) -> Tensor:
    """f Σ v."""
    if q.sum is None:
        raise AssertionError("readers of what is divided by its own sum")
    dims = _mix(q).dims
    sizes = env.shape(q.above)
    v = v.expand([n if d in dims else v.shape[d] for d, n in enumerate(sizes)])
    return q.sum * v.sum()


def _mix(q: Quotient) -> p.Mix:
    """The sum."""
    mix = next(u for u in q.above.users if u is not q.node)
    if not isinstance(mix, p.Mix):
        raise AssertionError("a sum")
    return mix
