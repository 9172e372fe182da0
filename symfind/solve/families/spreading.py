"""A translation of a wire, spread to all that reads it, and taken back there.

Along linear maps it stays a constant, which parameters take away. At a product with another wire,
or of the wire with itself, it becomes a linear map of that other wire, for which other parameters
make up.
"""

import functools
import math
from collections.abc import Iterator

from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.families.parallel import followed
from symfind.solve.limits import Limits
from symfind.solve.point.values import Environment
from symfind.solve.transport import state as states
from symfind.solve.transport import steps
from symfind.solve.transport.absorption import PLAIN
from symfind.solve.transport.effects import Effect, Make, of_factor
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import CONSTANT, State, canonical
from symfind.solve.transport.taking import Taken

DEPTH = 8  # linear maps


def is_product(node: Node) -> bool:
    """Whether a node multiplies two wires, or a wire with itself."""
    product = isinstance(node, p.Contract) and len(node.inputs) == 2 and not node.windows
    return product and all(x.varies for x in node.inputs)


def spread(
    wire: Node, state: State, flows: Flows, limits: Limits, make: Make | None = None,
    depth: int = DEPTH,
) -> list[Taken] | None:  # fmt: skip
    """How others take a translation of a wire back; None where they cannot.

    Args:
        wire: what is translated.
        state: along which indices.
        flows: of the graph.
        limits: where it is noted what was not looked for.
        make: of the coefficients, what is added to the wire, one dimension for each of its own, of
            size one where it is constant; the coefficients themselves where it is None.
        depth: how many linear maps are followed.
    """
    carry: Make = make or (lambda env, c: c)
    found: list[Taken] = []
    for user in dict.fromkeys(wire.users):
        if is_product(user):
            taken = _multiplied(user, wire, state, carry, flows, limits)
        else:
            taken = _passed(user, wire, state, carry, flows, limits, depth)
        if taken is None:
            return None
        found += taken
    return found


def _multiplied(
    user: Node, wire: Node, state: State, carry: Make, flows: Flows, limits: Limits
) -> list[Taken] | None:
    found: list[Taken] = []
    for effect in _effects(user, wire, state, carry):
        taken = followed(user, effect, flows, limits)
        if taken is None:
            return None
        found += taken
    return found


def _effects(user: Node, wire: Node, state: State, carry: Make) -> Iterator[Effect]:
    """What a translation of each factor does, the other being read."""
    if not isinstance(user, p.Contract):
        raise TypeError(f"{user} is no product")
    for at, x in enumerate(user.inputs):
        if x is wire:
            free = [d for d, s in enumerate(state) if s != CONSTANT]
            own = [user.labels[at][d] for d in free]
            yield of_factor(user, at, own, functools.partial(_factor, wire, free, carry))


def _factor(wire: Node, free: list[int], carry: Make, env: Environment, c: Tensor) -> Tensor:
    """A translation along the dimensions where it is not constant."""
    t, shape = carry(env, c), env.shape(wire)
    t = t.expand([shape[d] if d in free else n for d, n in enumerate(t.shape)])
    return t.reshape([shape[d] for d in free])


def _passed(
    user: Node, wire: Node, state: State, carry: Make, flows: Flows, limits: Limits, depth: int
) -> list[Taken] | None:
    """Through a reader that is no product of wires: taken back at once, or further on."""
    ats = [at for at, x in enumerate(user.inputs) if x is wire]
    plans = [flows.through(user, at, state, True, PLAIN) for at in ats]
    if all(plan is not None for plan in plans):
        return [Taken(plan, carry) for plan in plans if plan]
    if len(ats) > 1 or not depth:
        return None
    onward = _onward(user, ats[0], state)
    if onward is None:
        return None
    new, step = onward

    def after(env: Environment, c: Tensor) -> Tensor:
        return step(env, carry(env, c))

    return spread(user, new, flows, limits, after, depth - 1)


def _onward(user: Node, at: int, state: State) -> tuple[State, steps.Step] | None:
    """A translation of an operand, in a piece or a sum."""
    match user:
        case p.Movement() if not states.scattered(user, at, state):
            new = states.forth(user, at, state)
            return None if new is None else (new, steps.forth(user, at))
        case p.Mix() if (factor := steps.total(user)) is not None:
            kept = [s for d, s in enumerate(state) if d not in user.dims]
            return canonical(user, kept), steps.added_up(user, factor)
        case p.Add():
            new, sign, forth = states.forth(user, at, state), user.signs[at], steps.forth(user, at)
            return None if new is None else (new, lambda env, t: sign * forth(env, t))
        case p.Pointwise() if user.slope and math.isfinite(user.slope):
            slope = user.slope
            return state, lambda env, t: slope * t
    return None
