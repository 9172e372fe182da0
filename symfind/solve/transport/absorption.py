"""Absorption: parameters that add to a wire, and can take a perturbation of it away.

An action says how one parameter moves when the wire is perturbed. A bias takes away what has its
own form; a weight whose input satisfies κ·x = c takes away any constant.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from symfind.algebra.axes import Sizes
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.point.regular import regular
from symfind.solve.point.values import Environment
from symfind.solve.spans.relations import AffineRelations
from symfind.solve.transport import state as states
from symfind.solve.transport import steps
from symfind.solve.transport.inverse import made_by, solved_constant
from symfind.solve.transport.mixtures import mixed
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical
from symfind.solve.transport.steps import Step, against, negative

Absorb = int
NEVER, PLAIN, LEANING, LAST, SHARED, WITHIN, NEAREST = range(7)


@dataclass(frozen=True)
class Action:
    """What one parameter does: the perturbation taken through the steps and added to it."""

    source: p.Source
    steps: tuple[Step, ...]
    loose: bool = False  # leans on a relation that the perturbation itself may move
    reader: Node | None = None  # which of several sums that the parameter is added to
    volume: Callable[[Sizes | None], int] | None = None  # of what must vanish: no action at all
    bent: bool = False  # loose, and with no closed form of where its flow leads

    def after(self, *steps: Step, loose: bool = False, bent: bool = False) -> "Action":
        """The same action for a perturbation that passes these steps first."""
        return replace(
            self, steps=(*steps, *self.steps), loose=self.loose or loose or bent,
            bent=self.bent or bent,
        )  # fmt: skip

    def __call__(self, env: Environment, delta: Tensor) -> Tensor:
        """The change of the parameter's wire."""
        for step in self.steps:
            delta = step(env, delta)
        return delta


Plan = tuple[Action, ...]


class Absorption:
    """Answers for one lowered graph."""

    def __init__(self, lowered: Lowered, relations: AffineRelations) -> None:
        """Nothing is computed until asked."""
        self.lowered = lowered
        self.relations = relations
        self._regular = functools.cache(regular)

    def undo(
        self,
        node: Node,
        state: State,
        absorb: Absorb = PLAIN,
        skip: int | None = None,
        gains: bool = False,
    ) -> Plan | None:
        """Actions that subtract a perturbation from a wire, by parameters that nothing else sees.

        Args:
            node: the wire, which no other reader may see.
            state: along which indices the perturbation varies.
            absorb: whether a weight may lean on a relation that its input satisfies; or whether
                parameters that are added elsewhere too may be used (see `asked`), the last or the
                nearest that can.
            skip: operand of a sum that is not to be used.
            gains: whether to look behind gains that are parameters too.
        """
        if isinstance(node, p.Add):
            for i, z in enumerate(node.inputs):
                if i == skip or (skip is not None and z is node.inputs[skip]):
                    continue
                shared = absorb in (SHARED, NEAREST) and isinstance(z, p.Source)
                if (len(z.users) != 1 and not shared) or node.inputs.count(z) != 1:
                    continue
                below = states.back(node, i, state)
                if below is None:
                    continue
                plan = self.undo(z, below, absorb, gains=gains)
                if plan is not None:
                    if len(z.users) != 1:
                        plan = tuple(replace(a, reader=node) for a in plan)
                    sign = node.signs[i]
                    lower = steps.back(node, i)

                    def step(
                        env: Environment, t: Tensor, s: float = sign, lower: Step = lower
                    ) -> Tensor:
                        return lower(env, t) / s

                    return tuple(a.after(step) for a in plan)
            return None if skip is not None else self._undo_mixed(node, state, absorb, gains)
        if isinstance(node, p.Source):
            if node.role != "parameter" or len(self.lowered.parameters[node.key]) != 1:
                return None
            return (Action(node, (negative(node),)),)
        if isinstance(node, p.Contract):
            plan = self._undo_factor(node, state, absorb, gains)
            if plan is None and absorb == LEANING:
                return self.lean(node, state) or self._undo_average(node, state, gains)
            return plan
        return self._undo_movement(node, state, absorb, gains)

    def _undo_mixed(self, node: p.Add, state: State, absorb: Absorb, gains: bool) -> Plan | None:
        """Of an average, by all that it averages alike."""
        wires, total = mixed(node)
        found: list[Action] = []
        for x in wires:
            plan = self.undo(x, state, absorb, gains=gains) if len(x.users) == 1 else None
            if plan is None:
                return None
            found.extend(a.after(lambda env, t: t / total) for a in plan)
        return tuple(found) or None

    def _undo_movement(self, node: Node, state: State, absorb: Absorb, gains: bool) -> Plan | None:
        if not node.inputs:
            return None
        x = node.inputs[0]
        alone = len(x.users) == 1
        match node:
            case p.Join():
                return self._undo_join(node, state, absorb, gains)
            case p.Pointwise() if node.slope is not None and node.slope == node.slope and alone:
                slope = node.slope
                plan = self.undo(x, state, absorb, gains=gains)

                def divided(env: Environment, t: Tensor) -> Tensor:
                    return t / slope

                step: Step = divided
            case p.Movement():
                if not alone and not (isinstance(node, p.Narrow) and disjoint(x)):
                    return None
                below = states.back(node, 0, state)
                plan = None if below is None else self.undo(x, below, absorb, gains=gains)
                step = steps.back(node, 0)
            case _:
                return None
        return None if plan is None else tuple(a.after(step) for a in plan)

    def _undo_join(self, node: p.Join, state: State, absorb: Absorb, gains: bool) -> Plan | None:
        total: list[Action] = []
        for i, part in enumerate(node.inputs):
            below = states.back(node, i, state)  # nothing, where a block lies elsewhere
            if below is None:
                continue
            if len(part.users) != 1:
                return None
            if node.inputs.count(part) > 1 and state[node.dim] != CONSTANT:
                return None  # other copies are perturbed otherwise, or not at all
            if part in node.inputs[:i]:
                continue  # taken off all copies at once
            plan = self.undo(part, below, absorb, gains=gains)
            if plan is None:
                return None
            step = steps.back(node, i)
            total.extend(a.after(step) for a in plan)
        return tuple(total)

    def _undo_factor(
        self, node: p.Contract, state: State, absorb: Absorb, gains: bool
    ) -> Plan | None:
        """Before an entrywise product with a gain, the perturbation is a quotient."""
        if len(node.inputs) != 2 or node.windows or node.inputs[0] is node.inputs[1]:
            return None
        for at in (0, 1):
            x, factor = node.inputs[at], node.inputs[1 - at]
            whole = x.shape == node.shape and node.labels[at] == node.out
            if x.fixed or factor.varies or len(x.users) != 1 or not whole:
                continue
            if not (factor.fixed or gains):
                continue
            names = node.labels[1 - at]
            wide = [n for n, a in zip(names, factor.axes, strict=True) if a.size > 1]
            if any(n not in node.out for n in wide) or not self._regular(factor):
                continue
            below = [ARBITRARY if n in wide else s for n, s in zip(node.out, state, strict=True)]
            plan = self.undo(x, canonical(x, below), absorb, gains=gains)
            if plan is not None:
                step = _quotient(factor, names, node.out)
                return tuple(a.after(step) for a in plan)
        return None

    def _undo_average(self, node: p.Contract, state: State, gains: bool) -> Plan | None:
        """Of an average, a constant of what is averaged: of attention, what adds to its values."""
        by_name = dict(zip(node.out, state, strict=True))
        for at, x in enumerate(node.inputs):
            names = node.labels[at]
            if len(x.users) != 1 or any(
                s != CONSTANT for n, s in by_name.items() if n not in names
            ):
                continue
            below = [by_name.get(n, CONSTANT) for n in names]
            still = {n for n, s in zip(names, below, strict=True) if s == CONSTANT}
            if not x.varies or not self.relations.averaged(node, at, still):
                continue
            plan = self.undo(x, canonical(x, below), LEANING, gains=gains)
            if plan is not None:
                step = steps.unaverage(node, at)
                return tuple(a.after(step) for a in plan)
        return None

    def behind(self, node: p.Contract, state: State) -> Plan | None:
        """A constant of a product, by what adds constants to the wire that a weight reads."""
        for at in (0, 1):
            x, weight = node.inputs[at], node.inputs[1 - at]
            found = made_by(node, at, 0) if len(node.inputs) == 2 and not node.windows else None
            if found is None or weight.varies or len(x.users) != 1:
                continue
            summed, shared, made = found
            by_name = dict(zip(node.out, state, strict=True))
            if shared or any(s != CONSTANT for n, s in by_name.items() if n not in made):
                continue
            below = [ARBITRARY if n in summed else CONSTANT for n in node.labels[at]]
            plan = self.undo(x, canonical(x, below), PLAIN)
            if plan is not None:
                step = solved_constant(node, at, summed, made)
                return tuple(a.after(step) for a in plan)
        return None

    def lean(
        self, node: p.Contract, state: State, skip: int | None = None, shared: bool = False
    ) -> Plan | None:
        """A weight whose input satisfies κ·x = c ≠ 0 can produce any constant: δV = −δ κᵀ / c.

        `shared`: whether it may read several such wires (see `asked`).
        """
        if len(node.inputs) != 2 or node.windows:
            return None
        for at in (0, 1):
            weight, x = node.inputs[at], node.inputs[1 - at]
            if weight.varies or at == skip or weight is x:
                continue
            names, read = node.labels[at], node.labels[1 - at]
            summed = [n for n in names if n not in node.out and size_of(node, n) > 1]
            free = [n for n in names if n in node.out]
            if any(n in read for n in free) or not summed:
                continue
            by_name = dict(zip(node.out, state, strict=True))
            if any(s != CONSTANT for n, s in by_name.items() if n not in free):
                continue
            dims = tuple(d for d, n in enumerate(read) if n in summed)
            for relation in self.relations.of(x):
                if relation.dims != dims or relation.zero:
                    continue
                want = tuple(by_name.get(n, ARBITRARY) for n in names)
                several = shared and isinstance(weight, p.Source)
                if len(weight.users) != 1 and not several:
                    continue
                plan = self.undo(weight, canonical(weight, want), PLAIN)
                if plan is None:
                    continue
                if len(weight.users) != 1:
                    plan = tuple(replace(a, reader=node) for a in plan)
                step = against(node, at, relation, [read[d] for d in dims])
                return tuple(a.after(step, loose=True) for a in plan)
        return None


def shared_bias(nodes: Sequence[Node]) -> Plan | None:
    """A parameter that is added to each of several wires, and to nothing else."""
    sums = [node.users[0] for node in nodes if len(node.users) == 1]
    plain = all(isinstance(u, p.Add) and set(u.signs) == {1.0} for u in sums)
    if not plain or len(sums) < len(nodes):
        return None
    for at, bias in enumerate(sums[0].inputs):
        if not isinstance(bias, p.Source) or bias.role != "parameter":
            continue
        free = bias.offset is None and not bias.followers and len(sums) == len(bias.users)
        if free and {id(u) for u in bias.users} == {id(u) for u in sums}:
            return (Action(bias, (steps.back(sums[0], at), negative(bias))),)
    return None


def asked(plan: Plan) -> dict[p.Source, list[list[Action]]] | None:
    """What each sum asks of the parameters that they share; None where not all of them ask."""
    several: dict[p.Source, dict[Node, list[Action]]] = {}
    for action in plan:
        if action.reader is not None:
            several.setdefault(action.source, {}).setdefault(action.reader, []).append(action)
    if any(set(sums) != set(source.users) for source, sums in several.items()):
        return None
    return {source: list(sums.values()) for source, sums in several.items()}


def _quotient(factor: Node, names: Sequence[object], out: Sequence[object]) -> Step:
    return lambda env, t: t / einsum([env.value(factor)], [names], out)


def size_of(node: p.Contract, name: object) -> int:
    """The size of the index with a given label."""
    for x, names in zip(node.inputs, node.labels, strict=True):
        if name in names:
            return x.axes[names.index(name)].size
    return 1


def disjoint(x: Node) -> bool:
    """Whether all readers of a wire take ranges of one dimension that do not overlap."""
    if not all(isinstance(u, p.Narrow) for u in x.users):
        return False
    if len({u.dim for u in x.users}) != 1:  # type: ignore[attr-defined]
        return False
    ranges = sorted((u.start, u.start + u.axes[u.dim].size) for u in x.users)  # type: ignore[attr-defined]
    return all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))
