"""Additive perturbations: what is added to one parameter and dies, or is taken back by others.

A perturbation that starts in a parameter flows along the graph. It dies where everything
downstream is blind to it (constants before a softmax or a centred norm); it is absorbed where
another parameter adds to the same wire, unobserved on the way, and can produce its negative. Both
questions are answered by recursion with memory over (wire, state), so that the cost is that of
the graph.
"""

import math
from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.limits import Limits
from symfind.solve.point.values import Environment
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.transport import state as states
from symfind.solve.transport import steps
from symfind.solve.transport.absorption import (
    LAST,
    LEANING,
    NEVER,
    PLAIN,
    SHARED,
    WITHIN,
    Absorb,
    Absorption,
    Action,
    Plan,
)
from symfind.solve.transport.pieces import joined, spread
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, block, blocks, canonical
from symfind.solve.transport.steps import Step, level, minus, multiply, negative, pass_average
from symfind.solve.transport.turning import Turning

_WAYS = 256  # in which one parameter takes back what comes along as many paths


class Flows:
    """Answers for one lowered graph."""

    def __init__(self, lowered: Lowered, limits: Limits | None = None) -> None:
        """Nothing is computed until asked; where that would be too much is noted in the limits."""
        self.lowered, self.limits = lowered, limits or Limits()
        self.relations = AffineRelations()
        self.absorption = Absorption(lowered, self.relations)
        self.turning = Turning(lowered)
        self._plans: dict[tuple[int, State, bool, int], Plan | None] = {}

    def dispose(self, node: Node, state: State, explicit: bool, absorb: Absorb) -> Plan | None:
        """How a perturbation of a wire is made invisible, or None where it is not.

        Args:
            node: the wire.
            state: along which indices the perturbation varies.
            explicit: whether it is a known function of the parameters alone, that can be undone.
            absorb: whether other parameters may undo it: not at all, as they are, also by leaning
                on a relation that their input satisfies, or the last that could.
        """
        key = (node.index, state, explicit, absorb)
        if key not in self._plans:
            self._plans[key] = None  # a cycle cannot occur in a graph without cycles
            self._plans[key] = self._dispose(node, state, explicit, absorb)
        return self._plans[key]

    def _dispose(self, node: Node, state: State, explicit: bool, absorb: Absorb) -> Plan | None:
        if not explicit and all(
            s == ARBITRARY or a.size == 1 for s, a in zip(state, node.axes, strict=True)
        ):
            return None if node.users else ()
        plan: list[Action] = []
        users = self._rejoined(node, state, explicit, absorb, plan)
        for user in users:
            for at, x in enumerate(user.inputs):
                if x is node:
                    part = self.through(user, at, state, explicit, absorb)
                    if part is None:
                        return None
                    plan.extend(part)
        if len(plan) > _WAYS and max(Counter(a.source for a in plan).values()) > _WAYS:
            self.limits.reached(node, f"one parameter is asked in more than {_WAYS} ways")
            return None
        return tuple(plan)

    def _rejoined(
        self, node: Node, state: State, explicit: bool, absorb: Absorb, plan: list[Action]
    ) -> Sequence[Node]:
        """Take back what is added to all of what pieces are joined to; what else reads a wire."""
        joins, users = joined(node, state)
        for join in joins:
            even = (CONSTANT,) * len(join.axes)
            part = self._onward(join, even, explicit, absorb, spread(join))
            if part is None:
                plan.clear()
                return node.users
            plan.extend(part)
        return users

    def _onward(
        self, user: Node, state: State, explicit: bool, absorb: Absorb, step: Step | None,
        bent: bool = False,
    ) -> Plan | None:  # fmt: skip
        explicit = explicit and step is not None
        plan = self.dispose(user, canonical(user, state), explicit, absorb if explicit else 0)
        if plan is None or step is None:
            return plan
        return tuple(action.after(step, bent=bent) for action in plan)

    def through(
        self, user: Node, at: int, state: State, explicit: bool, absorb: Absorb
    ) -> Plan | None:
        """The same for one reader of a wire, at one of its operands."""

        def go(new: State, step: Step | None) -> Plan | None:
            return self._onward(user, new, explicit, absorb, step)

        if user.blind and all(state[d] == CONSTANT for d in user.blind):
            return ()

        match user:
            case p.Join():
                alone = go(_forth(user, at, state), steps.forth(user, at))
                return self._together(user, at, state, explicit, absorb) if alone is None else alone
            case p.Movement():
                new = states.forth(user, at, state)
                step = None if states.scattered(user, at, state) else steps.forth(user, at)
                return () if new is None else go(new, step)
            case p.Add():
                return self._add(user, at, state, explicit, absorb)
            case p.Contract():
                return self._contract(user, at, state, explicit, absorb)
            case p.Pointwise() if user.slope is not None:
                slope = user.slope
                known = slope == slope
                return go(state, (lambda env, t: slope * t) if known else None)
            case p.Pointwise():
                return go(blocks(user, state), None)
            case p.Centre():
                spread = [ARBITRARY if d in user.dims else s for d, s in enumerate(state)]
                return go(tuple(spread), steps.centred(user))
            case p.Entrywise() | p.Choice() if user.level:
                together = self._together(user, at, state, explicit, absorb)
                if together is not None or isinstance(user, p.Entrywise):
                    return together
                aligned = _forth(user, at, state)
                mixed = [ARBITRARY if d in user.stiff else s for d, s in enumerate(aligned)]
                return go(tuple(mixed), None)
            case p.Mix() if not isinstance(user, p.Order):
                return self._mix(user, state, explicit, absorb)
            case p.Output():
                return None
        anything = tuple(ARBITRARY for _ in user.axes)
        if absorb == LEANING and explicit and steps.differentiable(user):
            return self._onward(user, anything, True, absorb, steps.derivative(user), bent=True)
        return go(anything, None)

    def _together(
        self, user: Node, at: int, state: State, explicit: bool, absorb: Absorb
    ) -> Plan | None:
        """What passes where all operands are shifted alike: the others are shifted as well."""
        x = user.inputs[at]
        joined = isinstance(user, p.Join)
        if isinstance(user, p.Join) and state[user.dim] != CONSTANT:
            return None
        # a piece is shorter than the whole, but not repeated along it
        shared = canonical(user, state if joined else _forth(user, at, state))
        if not absorb or not explicit or user.inputs.count(x) != 1:
            return None
        raised = level(user) if isinstance(user, p.Join) else steps.forth(user, at)
        plan: list[Action] = []
        for i, z in enumerate(user.inputs):
            below = shared if joined else states.back(user, i, shared)
            if z is x:
                continue
            if below is None or len(z.users) != 1 or user.inputs.count(z) != 1:
                return None
            others = self.absorption.undo(z, canonical(z, below), absorb)
            if others is None:
                return None
            lowered = steps.back(user, i)
            plan.extend(a.after(minus).after(lowered).after(raised) for a in others)
        onward = self._onward(user, shared, explicit, absorb, raised)
        return None if onward is None else (*plan, *onward)

    def _mix(self, user: p.Mix, state: State, explicit: bool, absorb: Absorb) -> Plan | None:
        flat = all(state[d] == CONSTANT for d in user.dims) and user.unit is not None
        if isinstance(user, p.Peak) and not flat:
            return self._onward(user, tuple(ARBITRARY for _ in user.axes), explicit, absorb, None)
        new = CONSTANT if flat else ARBITRARY
        out = [new if d in user.dims else s for d, s in enumerate(state)]
        # Where the map is another for every slice, what it makes of equal slices differs.
        out = [ARBITRARY if d in user.stiff and not flat else s for d, s in enumerate(out)]
        kept = [s for d, s in enumerate(out) if not (user.drop and d in user.dims)]
        unit, dims, drop = user.unit or 0.0, user.dims, user.drop

        def step(env: Environment, t: Tensor) -> Tensor:
            for d in dims:
                t = t.narrow(d, 0, 1)
            t = t * unit
            return t.reshape([n for d, n in enumerate(t.shape) if d not in dims]) if drop else t

        factor = steps.total(user)
        if not flat and factor is not None:
            return self._onward(user, tuple(kept), explicit, absorb, steps.added_up(user, factor))
        if not flat and not drop and (mapped := steps.mapped(user)) is not None:
            return self._onward(user, tuple(kept), explicit, absorb, mapped)
        return self._onward(user, tuple(kept), explicit, absorb, step if flat else None)

    def _add(
        self, user: p.Add, at: int, state: State, explicit: bool, absorb: Absorb
    ) -> Plan | None:
        new = _forth(user, at, state)
        sign = user.signs[at]
        raise_rank = steps.forth(user, at)

        def step(env: Environment, t: Tensor) -> Tensor:
            return sign * raise_rank(env, t)

        if absorb == SHARED:  # what all sums ask of one parameter is asked of it at the last
            onward = self._onward(user, new, explicit, absorb, step)
            if onward is not None:
                return onward
        if absorb and explicit:
            taken = self.absorption.undo(user, new, absorb, skip=at)
            if taken is not None:
                further = absorb == LAST and self._onward(user, new, explicit, absorb, step)
                return further or tuple(action.after(step) for action in taken)
        onward = self._onward(user, new, explicit, absorb, step)
        if onward is None and absorb and absorb != LAST and explicit:
            taken = self.absorption.undo(user, new, absorb, skip=at, gains=True)
            if taken is not None:
                return tuple(action.after(step) for action in taken)
        return onward

    def _contract(
        self, user: p.Contract, at: int, state: State, explicit: bool, absorb: Absorb
    ) -> Plan | None:
        mine = dict(zip(user.labels[at], state, strict=True))
        others = [(i, x) for i, x in enumerate(user.inputs) if i != at]
        still = {n for n, s in mine.items() if s == CONSTANT}
        average = self.relations.averaged(user, at, still)
        windows = dict(
            zip(user.windows, [n for n in user.labels[at] if user.slid(n)], strict=False)
        )
        seen = {n for i, _ in others for n in user.labels[i] if n not in user.windows}
        new = []
        for name, axis in zip(user.out, user.axes, strict=True):
            if axis.size == 1:
                new.append(CONSTANT)
            elif name in mine and (name not in seen or average):
                new.append(mine[name])
            elif name in mine:
                new.append(block(axis, mine[name]))
            elif name in seen and average:
                new.append(CONSTANT)
            elif _is_out(name) and windows:
                flat = all(mine[n] == CONSTANT for n in windows.values())
                new.append(CONSTANT if flat and user.seals else ARBITRARY)
            else:
                new.append(ARBITRARY)
        step: Step | None = None
        slid = [d for n, d in mine.items() if user.slid(n)]
        if average:
            step = pass_average(user, at)
        elif all(not x.varies for _, x in others) and all(d == CONSTANT for d in slid):
            if not slid or user.seals:
                step = multiply(user, at, others)
        if step is not None and absorb == LEANING and explicit:
            taken = self.absorption.lean(user, canonical(user, new), skip=at)
            if taken is not None:
                return tuple(action.after(step) for action in taken)
        onward = self._onward(user, tuple(new), explicit, absorb, step)
        if onward is None and absorb == SHARED and explicit and step is not None:
            taken = self.absorption.lean(user, canonical(user, new), skip=at, shared=True)
            return None if taken is None else tuple(action.after(step) for action in taken)
        if onward is None and absorb == WITHIN and explicit and step is not None:
            if user.inputs[at] in user.inputs[:at]:  # as much again, which vanishes as well
                same = user.labels[at] == user.labels[user.inputs.index(user.inputs[at])]
                return () if same else None
            level = self.dispose(user, (CONSTANT,) * len(user.axes), True, NEVER) is not None
            return _demanded(user, others, canonical(user, new), step, level)
        if onward is None and absorb == LEANING and explicit:
            return self.turning.taken(user, at, state)
        return onward

    def unread(self, node: Node, state: State) -> bool:
        """Whether a perturbation only ever meets operations that drop its entries."""
        for user in node.users:
            if not isinstance(user, p.Narrow | p.View | p.Permute | p.Join):
                return False
            for at, x in enumerate(user.inputs):
                inside = states.forth(user, at, state) if x is node else None
                if inside is not None and not self.unread(user, inside):
                    return False
        return True

    def replace(self, source: p.Source, state: State, reader: Node) -> Plan | None:
        """Subtract a perturbation from a shared parameter and make all readers but one blind."""
        plan: list[Action] = [Action(source, (negative(source),))]
        for user in source.users:
            for at, x in enumerate(user.inputs):
                if x is source and user is not reader:
                    part = self.through(user, at, state, True, PLAIN)
                    if part is None:
                        return None
                    # The perturbation that flows is minus what is to be subtracted.
                    plan.extend(action.after(minus) for action in part)
        return tuple(plan)

    def undo(self, node: Node, state: State) -> Plan | None:
        """Actions that subtract a perturbation of the given state from a parameter-only wire."""
        return self.absorption.undo(node, state)


def _demanded(
    user: p.Contract, others: Sequence[tuple[int, Node]], state: State, step: Step, level: bool
) -> Plan | None:
    """That a weight makes nothing of a perturbation: no action, but as many equations.

    `level`: nothing, or the same for all that it makes, where what reads that is blind to it.
    """
    weight = others[0][1] if len(others) == 1 else None
    if not isinstance(weight, p.Source) or weight.role != "parameter":
        return None
    varied = [d for d, s in enumerate(state) if s != CONSTANT]

    def volume(sizes: Sizes | None) -> int:
        return math.prod(extent(user.axes[d], sizes) for d in varied) - int(level)

    def unlevelled(env: Environment, t: Tensor) -> Tensor:
        return t - t.mean(varied, keepdim=True)

    return (Action(weight, (step, unlevelled) if level else (step,), volume=volume),)


def _forth(user: Node, at: int, state: State) -> State:
    """A state of an operand, in a result that has all of it."""
    new = states.forth(user, at, state)
    if new is None:
        raise AssertionError("only a range leaves out what it is taken from")
    return new


def _is_out(name: object) -> bool:
    return isinstance(name, tuple) and name[0] == "out"
