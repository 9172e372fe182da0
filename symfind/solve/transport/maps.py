"""Constant maps taken up by weights beside them: x + W x is W′ x with W′ = 1 + W.

As constants are taken up by biases (`solve.transport.constants`): where a fixed linear map of a
wire is added to what a weight makes of the same wire, the model is a function of their sum alone.
In W′ nothing is left of the map, and a change of basis may act on either side of it. So it is with
x + s x, with the steps of linear flows x + dt A x (all steps that share A at once), with
W x + C x for a fixed C, and with a convolution beside the identity.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.numerics.alike import alike
from symfind.ops.lower import Lowered
from symfind.solve.point.values import Environment, Noted
from symfind.solve.transport.absorption import Action
from symfind.solve.transport.constants import forget, without
from symfind.solve.transport.effects import Effect, Make, identity
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.linear import behind, summed
from symfind.solve.transport.state import ARBITRARY, canonical
from symfind.solve.transport.steps import negative
from symfind.solve.transport.taking import beside

BEHIND = 3  # fixed maps in a row
LARGEST = 64_000_000  # entries of a weight


@dataclass(frozen=True)
class Step:
    """A sum, which of its operands is a fixed map, and how a weight takes that up."""

    node: p.Add
    at: int
    weight: Node  # what reads the wire
    product: Node  # what it makes of it
    action: Action
    carry: Make

    def value(self, env: Environment) -> Tensor:
        """What is taken off the weight: minus what it takes up."""
        delta = self.carry(env, torch.ones((), **env.like))
        return self.action(env, delta).expand(env.shape(self.action.source))


def take_up_maps(lowered: Lowered) -> Lowered:
    """Move every fixed map that can be moved from the sum where it is added to a weight."""
    here = replace(lowered, nodes=list(lowered.nodes))
    moved = True
    while moved:
        found: dict[Node, dict[Node, Step]] = {}
        for step in _steps(here):
            found.setdefault(step.weight, {}).setdefault(step.product, step)
        moved = any(_move(list(steps.values()), here) for steps in found.values())
    return replace(here, nodes=read(here.nodes))


def read(nodes: Sequence[Node]) -> list[Node]:
    """Nodes without what nothing reads any more, numbered anew."""
    kept, taken_off = [], _taken_off(nodes)
    for node in reversed(nodes):
        alive = node.users or node in taken_off
        if alive or isinstance(node, p.Source | p.Output | p.Moved):
            kept.append(node)
            continue
        for x in node.inputs:
            x.users = [u for u in x.users if u is not node]
    for i, node in enumerate(reversed(kept)):
        node.index = i
    return kept[::-1]


def _taken_off(nodes: Sequence[Node]) -> set[Node]:
    """What parameters are offset by, and all that this is made of."""
    offsets = [n.offset for n in nodes if isinstance(n, p.Source) and n.offset is not None]
    return set(ancestors(offsets))


def _steps(lowered: Lowered) -> Iterator[Step]:
    flows = Flows(lowered)
    for node in lowered.nodes:
        if isinstance(node, p.Add) and node.varies and len(node.inputs) > 1:
            for at, x in enumerate(node.inputs):
                whole = x.varies and x.shape == node.shape and node.inputs.count(x) == 1
                step = _step(node, at, flows) if whole else None
                if step is not None:
                    yield step
                    break


def _step(node: p.Add, at: int, flows: Flows) -> Step | None:
    x = node.inputs[at]
    effect: Effect | None = identity(x).scaled(node.signs[at])
    for _ in range(BEHIND):
        if effect is None:
            return None
        for z, factor, carry in beside(node, {x}, effect):
            weight = z.inputs[factor]
            action = _action(weight, flows)
            if action is not None:
                return Step(node, at, weight, z, action, carry)
        effect = _before(effect)
    return None


def _action(weight: Node, flows: Flows) -> Action | None:
    """How one parameter changes a weight at will: it alone, or through what it is moved by."""
    if isinstance(weight, p.Source) and weight.role == "parameter":
        alone = len(flows.lowered.parameters[weight.key]) == 1
        return Action(weight, (negative(weight),)) if alone else None
    if weight.varies or len(weight.users) != 1:
        return None
    plan = flows.undo(weight, canonical(weight, [ARBITRARY] * len(weight.axes)))
    return plan[0] if plan and len(plan) == 1 else None


def _before(effect: Effect) -> Effect | None:
    """The same map of what x is made of, by another fixed map."""
    x = effect.x
    if isinstance(x, p.Contract) and not any(z.fixed for z in x.inputs) and not _gained(x):
        return None
    found = None if isinstance(x, p.Add) else behind(effect)
    effects, constants = found or ([], [])
    return summed(effects) if effects and not constants else None


def _gained(x: p.Contract) -> bool:
    """Whether a wire is another times a gain, which a parameter is."""
    wide = {n for z, own in zip(x.inputs, x.labels, strict=True)
            for n, a in zip(own, z.axes, strict=True) if a.size > 1}  # fmt: skip
    if len(x.inputs) != 2 or x.windows or not wide <= set(x.out):
        return False
    still = [z for z in x.inputs if not z.varies]
    return len(still) == 1 and isinstance(still[0], p.Source) and still[0].role == "parameter"


def _move(steps: Sequence[Step], lowered: Lowered) -> bool:
    """Let a weight take up a map in all sums that read it; False where they do not agree."""
    first = steps[0]
    source = first.action.source
    if len(steps) < len(first.weight.users) or source.followers or source.offset is not None:
        return False
    if math.prod(source.shape) > LARGEST:
        return False
    env, twice = Noted(lowered.shapes), Noted(lowered.shapes, 2.0)
    try:
        values = [step.value(env) for step in steps]
        double = first.value(twice)
    except LookupError:
        return False  # a constant of unknown value
    if any(not alike(v, values[0]) for v in values):
        return False
    if env.needed and (len(steps) > 1 or not alike(double, 2 * values[0])):
        return False  # it follows the weights, but not in proportion
    weights = [w for key in env.needed for w in lowered.parameters[key]]
    if len(env.needed) > 1 or any(w.offset is not None or w is source for w in weights):
        return False
    moved: Node
    if weights:
        source.offset = moved = p.Moved(
            (), list(source.axes), op=first.node.op, make=first.value, reads=tuple(env.needed)
        )
        for w in weights:
            w.followers.append(source)
    else:
        source.origin = moved = p.Source(
            (), list(source.axes), op=first.node.op, make=_made(first, source.origin)
        )
        moved.compute = functools.partial(moved.make, Environment({}))
    moved.index = len(lowered.nodes)
    lowered.nodes.append(moved)
    forget(source, first.node)
    for step in steps:
        without(step.node, step.at, lowered)
    return True


def _made(step: Step, before: Node | None) -> Callable[[Environment], Tensor]:
    if before is None:
        return step.value
    return lambda env: step.value(env) + env.value(before)
