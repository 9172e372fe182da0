"""Constants taken up by parameters: scaling about a point is scaling, in coordinates about it.

Where a constant c is added to a wire, and a parameter b can take it away (a bias of the same sum,
or one behind the linear maps that read the wire), the model is a function of the shifted
parameter alone: W x + b + c = W x + b′ with b′ = b + c, and W (x + c) + b = W x + b′ with
b′ = b + W c. In b′ nothing is left of the constant: what is linear in b′ is affine in b. So norms
with gains 1 + g, modulations x (1 + s), batch statistics and functions that bend at a point other
than zero need no rule of their own.
"""

import functools
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.numerics.alike import alike
from symfind.ops.lower import Lowered
from symfind.solve.point.values import Environment, Noted, known_value
from symfind.solve.transport.absorption import PLAIN, Action, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical

LARGEST = 1e4  # what is larger is a mask, or stands for infinity


def take_up_constants(lowered: Lowered) -> Lowered:
    """Move every constant that can be moved from the sum where it is added to parameters.

    What is known of a graph does not outlive a change of it: a sweep over all sums is made with
    fresh answers, until one changes nothing.
    """
    nodes, before = list(lowered.nodes), -1
    while len(nodes) != before:
        before = len(nodes)
        _sweep(replace(lowered, nodes=nodes), nodes)
    return replace(lowered, nodes=nodes)


def _sweep(lowered: Lowered, nodes: list[Node]) -> None:
    flows = Flows(lowered)
    for node in list(nodes):
        if isinstance(node, p.Add) and any(not x.fixed for x in node.inputs):
            while (at := _movable(node, lowered, flows)) is not None:
                node = without(node, at, lowered)
                if not isinstance(node, p.Add):
                    break


def _movable(node: p.Add, lowered: Lowered, flows: Flows) -> int | None:
    """An operand that is a constant, once parameters have taken it up."""
    for at, c in enumerate(node.inputs):
        rest = [x.shape for i, x in enumerate(node.inputs) if i != at]
        if not c.fixed or torch.broadcast_shapes(*rest) != node.shape:
            continue
        state = _state(node, c)
        plan = flows.absorption.undo(node, state, PLAIN, skip=at)
        if plan and _moderate(c) and _move(node, at, plan, lowered):
            return at
        if plan is None and node.varies and _moderate(c):
            plan = flows.dispose(node, state, True, PLAIN)
            if plan and _move(node, at, plan, lowered):
                return at
    return None


def _state(node: Node, c: Node) -> State:
    lead = [CONSTANT] * (len(node.axes) - len(c.axes))
    return canonical(node, [*lead, *(ARBITRARY if a.size > 1 else CONSTANT for a in c.axes)])


def _moderate(c: Node) -> bool:
    value = known_value(c)
    return value is not None and not value.is_complex() and bool((value.abs() <= LARGEST).all())


def _move(node: p.Add, at: int, plan: Plan, lowered: Lowered) -> bool:
    """Let the parameters of a plan take up a constant; False where that is not understood."""
    c, sign = node.inputs[at], node.signs[at]
    env, twice = Noted(lowered.shapes), Noted(lowered.shapes, 2.0)
    for action in plan:
        value = sign * _aligned(env.value(c), node)
        try:
            one, two = action(env, value), action(twice, value)
        except LookupError:
            return False  # it follows weights that are made of parameters of another graph
        if env.needed and not alike(two, 2 * one):
            return False  # it follows the weights, but not in proportion
    weights = [w for key in env.needed for w in lowered.parameters[key]]
    busy = any(a.source.followers or (weights and a.source.offset is not None) for a in plan)
    if busy or len(env.needed) > 1 or any(w.offset is not None for w in weights):
        return False
    for action in plan:
        source = action.source

        make = _taken(action, c, sign, node, None if weights else source.origin)
        moved: Node
        if weights:
            source.offset = moved = p.Moved(
                (), list(source.axes), op=node.op, make=make, reads=tuple(env.needed)
            )
            for w in weights:
                w.followers.append(source)
        else:
            source.origin = moved = p.Source((), list(source.axes), op=c.op, make=make)
            moved.compute = functools.partial(make, Environment({}))
        moved.index = len(lowered.nodes)
        lowered.nodes.append(moved)
        forget(source, node)
    return True


def _taken(
    action: Action, c: Node, sign: float, node: Node, before: Node | None
) -> Callable[[Environment], Tensor]:
    """What a parameter takes up of a constant, besides what it took up before."""

    def make(env: Environment) -> Tensor:
        found = action(env, sign * _aligned(env.value(c), node)).expand(env.shape(action.source))
        return found if before is None else found + env.value(before)

    return make


def _aligned(value: Tensor, node: Node) -> Tensor:
    """A value with one dimension for each of a node's, of size one where it is constant."""
    return value.reshape([1] * (len(node.axes) - value.dim()) + list(value.shape))


def forget(source: Node, end: Node) -> None:
    """What lies between a parameter and a sum has other values than the traced ones."""
    for user in source.users:
        if user is not end and not user.varies:
            user.result_of = None
            forget(user, end)


def without(node: p.Add, at: int, lowered: Lowered) -> Node:
    """A sum without one of its operands."""
    kept = [(x, s) for i, (x, s) in enumerate(zip(node.inputs, node.signs, strict=True)) if i != at]
    c = node.inputs[at]
    if not any(x is c for x, _ in kept):
        c.users = [u for u in c.users if u is not node]
    if len(kept) > 1:
        node.inputs, node.signs = tuple(x for x, _ in kept), tuple(s for _, s in kept)
        return node
    ((x, sign),) = kept
    new = p.Pointwise(
        (x,), node.axes, op=node.op, index=node.index, result_of=node.result_of,
        degree=1.0, slope=sign, parity=-1,
    )  # fmt: skip
    new.orders = node.orders
    new.users = node.users
    x.users = [u for u in x.users if u is not node]
    for user in new.users:
        user.inputs = tuple(new if z is node else z for z in user.inputs)
    lowered.nodes[node.index] = new
    return new
