"""Multiples of what a wire is divided by: z / d moves by a constant where z moves by v d.

What parameters add to z may be v times a linear map that makes d of what they read; the constant v
is then taken off by a bias behind the quotient. Where d = e + ℓ(z) is itself made of z, by a linear
form ℓ, it becomes (1 + ℓ(v)) d, and the quotient moves by v - ℓ(v) z / d: then weights that read it
make up for its size.
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
class Form:
    """A linear form of a wire along some dimensions: a multiple of a sum, or a weighted one.

    Attributes:
        dims: what is summed over.
        factor: of all.
        weight: of each entry, None for one.
    """

    dims: tuple[int, ...]
    factor: float
    weight: Node | None

    def __call__(self, env: Environment, z: Node, v: Tensor) -> Tensor:
        """Of what is of size one where it is the same."""
        v = v.expand([n if d in self.dims else v.shape[d] for d, n in enumerate(env.shape(z))])
        if self.weight is not None:
            rows = env.value(self.weight).reshape(-1)
            return self.factor * (v.reshape(-1) @ rows)
        return self.factor * v.sum()


@dataclass(frozen=True)
class Quotient:
    """A wire over another.

    Attributes:
        node: the product of the wire with a reciprocal.
        above: what is divided.
        below: by what.
        labels: of its dimensions.
        sum: where it is made of what is divided: of which form of that, and a constant.
    """

    node: p.Contract
    above: Node
    below: Node
    labels: tuple[Any, ...]
    sum: Form | None


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


def _added_up(wire: Node, above: Node, others: Sequence[Node]) -> Form | None:
    """The form ℓ of a wire e + ℓ(z); None for another, or where z is seen elsewhere."""
    factor = 1.0
    while len(others) == 1 and len(wire.users) == 1:
        if wire is others[0]:
            return _form(wire, above, factor)
        if isinstance(wire, p.Pointwise) and wire.slope and wire.slope == wire.slope:
            factor *= wire.slope
            wire = wire.inputs[0]
        elif isinstance(wire, p.View):
            wire = wire.inputs[0]
        elif isinstance(wire, p.Add):
            moving = [(x, s) for x, s in zip(wire.inputs, wire.signs, strict=True) if x.varies]
            if len(moving) != 1 or moving[0][0].shape != wire.shape:
                return None
            wire, sign = moving[0]
            factor *= sign
        else:
            return None
    return None


def _form(wire: Node, above: Node, factor: float) -> Form | None:
    """A multiple of a sum, or of what one weight makes of a wire along some dimensions."""
    if isinstance(wire, p.Mix):
        own = total(wire)
        return None if own is None else Form(wire.dims, factor * own, None)
    if not isinstance(wire, p.Contract) or len(wire.inputs) != 2 or wire.windows:
        return None
    at = wire.inputs.index(above)
    weight, names = wire.inputs[1 - at], wire.labels[1 - at]
    wide = [n for n, a in zip(names, weight.axes, strict=True) if a.size > 1]
    dims = tuple(d for d, n in enumerate(wire.labels[at]) if n in wide)
    if weight is above or weight.varies or any(n in wire.out for n in wide):
        return None
    return Form(dims, factor, weight) if len(dims) == len(wide) == 1 else None


def _of(q: Quotient, flows: Flows) -> Iterator[Family]:
    summed = None if q.sum is None else q.sum.dims
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
    return q.sum.factor if q.node.shares and q.sum is not None else 1.0


def _grown(q: Quotient, env: Environment, v: Tensor) -> Tensor:
    """ℓ(v)."""
    if q.sum is None:
        raise AssertionError("readers of what is divided by its own form")
    return q.sum(env, q.above, v)
