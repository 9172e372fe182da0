"""Shifts that become scales, and scales that become shifts: exponentials and logarithms.

exp(x + t) = eᵗ exp x: where parameters can shift x, what comes out is as free to be scaled as a
parameter is. log(e^λ x) = λ + log x: where parameters can take a shift back, what goes in is. Both
are places at which scalings may end, besides the inputs and the outputs of the equations of
`solve.scalings`; what is scaled there is shifted on the other side.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, branches, extent
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered
from symfind.solve.bonds.scalings import Anchor, Anchored, Scaling
from symfind.solve.families.family import NullFamily, ScalingFamily, carry_out
from symfind.solve.families.sharing import Shared
from symfind.solve.limits import Limits
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment, Noted
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import State, canonical

MOST_INDICES = 6  # along which a scale may end in an exponential


def find_anchors(lowered: Lowered, flows: Flows, limits: Limits) -> Anchored:
    """For every block of an exponential or logarithm that may change a scale: its free atoms."""
    found: Anchored = {}
    for node in lowered.nodes:
        if isinstance(node, p.Pointwise) and (node.growth or node.decades):
            for cell, block in enumerate(node.cells):
                n = len(block.atoms)
                if n > MOST_INDICES:
                    limits.reached(
                        node, f"scales that end here along more than {MOST_INDICES} indices"
                    )
                for chosen in _subsets(n):
                    if _plan(node, cell, chosen, flows) is not None:
                        found[node.index, cell] = chosen
                        break
    return found


def _subsets(n: int) -> Iterator[frozenset[int]]:
    for k in range(min(n, MOST_INDICES), -1, -1):
        yield from map(frozenset, itertools.combinations(range(n), k))


def _plan(node: p.Pointwise, cell: int, chosen: frozenset[int], flows: Flows) -> Plan | None:
    """How parameters shift what goes into an exponential, or take back what a logarithm gives."""
    state = _state(node, cell, chosen)
    if node.growth is None:
        return flows.dispose(node, state, True, PLAIN)
    (x,) = node.inputs
    return flows.undo(x, state) if len(x.users) == 1 else None


def _state(node: p.Pointwise, cell: int, chosen: frozenset[int]) -> State:
    block = node.cells[cell]
    dims = []
    for d, choice in enumerate(block.choice):
        which = frozenset(i for a, (dim, i) in enumerate(block.places) if dim == d and a in chosen)
        dims.append((choice, which))
    return canonical(node, dims)


@dataclass(frozen=True)
class _End:
    """One anchor of a scaling, and what parameters do there."""

    anchor: Anchor
    plan: Plan

    def act(self, env: Environment, logs: Tensor, moves: Moves) -> Moves:
        """Shift for a scale e^(exponent · logs)."""
        node, exponent = self.anchor.node, self.anchor.exponent
        shift = self._placed(env, logs)
        factor = exponent * node.rate if node.growth is None else -exponent / node.rate
        return carry_out(env, self.plan, factor * shift, moves)

    def _placed(self, env: Environment, logs: Tensor) -> Tensor:
        """The logarithms in their block of the wire, of size one where nothing varies."""
        node, cell = self.anchor.node, self.anchor.cell
        block = node.cells[cell]
        order = sorted(range(logs.dim()), key=lambda d: self.anchor.places[d])
        shape = [1] * len(block.atoms)
        for d, place in enumerate(self.anchor.places):
            shape[place] = logs.shape[d]
        free = {block.places[a][0] for a in self.anchor.places}
        split = {d for d, axis in enumerate(node.axes) if len(branches(axis)) > 1}
        widths = [
            extent(atom, env.sizes) if d in free | split else 1
            for atom, (d, _) in zip(block.atoms, block.places, strict=True)
        ]
        return _spread(env, node, cell, logs.permute(order).reshape(shape).expand(widths))


@dataclass(frozen=True)
class _Together(_End):
    """All exponentials of one wire, which is shifted for them."""

    shared: Shared

    def _placed(self, env: Environment, logs: Tensor) -> Tensor:
        values = super()._placed(env, logs).reshape(-1)
        dims = range(len(self.shared.wire.axes))
        return values.reshape([-1 if d == self.shared.dim else 1 for d in dims])


def _together(shared: Shared, scaling: Scaling) -> _Together | None:
    """The end of a scaling that is the same at all exponentials of a wire."""
    found = [a for a in scaling.anchors if a.node in shared.exponentials]
    same = {(a.exponent / a.node.rate, tuple(a.node.cells[0].places[i][1] for i in a.places))
            for a in found}  # fmt: skip
    along = all(a.node.cells[0].places[i][0] == shared.exponentials[a.node]
                for a in found for i in a.places)  # fmt: skip
    whole = all(len(a.places) == len(scaling.indexed) > 0 for a in found)
    if len(found) < len(shared.exponentials) or len(same) > 1 or not along or not whole:
        return None
    return _Together(found[0], shared.plan, shared)


def _spread(env: Environment, node: p.Pointwise, cell: int, values: Tensor) -> Tensor:
    """A block within the wire: dimensions of several blocks are zero outside of theirs."""
    choice, places = node.cells[cell].choice, node.cells[cell].places
    by_dim = [math.prod(n for n, (e, _) in zip(values.shape, places, strict=True) if e == d)
              for d in range(len(choice))]  # fmt: skip
    values = values.reshape(by_dim)
    for d, axis in enumerate(node.axes):
        if len(branches(axis)) > 1:
            sizes = list(values.shape)
            sizes[d] = env.shape(node)[d]
            whole = values.new_zeros(sizes)
            values = whole.index_copy(d, env.places(axis, choice[d]), values)
    return values


def anchored(scaling: Scaling, flows: Flows, shared: Sequence[Shared] = ()) -> Family | None:
    """The family of a scaling that ends in exponentials or logarithms; None where it cannot.

    Args:
        scaling: with anchors.
        flows: of the graph.
        shared: wires that several exponentials read, one of which at least it ends in.
    """
    inside = [s for s in shared if any(a.node in s.exponentials for a in scaling.anchors)]
    if bool(shared) != bool(inside):
        return None
    ends: list[_End] = []
    for anchor in scaling.anchors:
        if any(anchor.node in s.exponentials for s in inside):
            continue
        plan = _plan(anchor.node, anchor.cell, frozenset(anchor.places), flows)
        if plan is None or len(anchor.places) != len(scaling.indexed):
            return None
        ends.append(_End(anchor, plan))
    for one in inside:
        together = _together(one, scaling)
        if together is None:
            return None
        ends.append(together)
    moved = (*(m.source for m in scaling.members), *(a.source for e in ends for a in e.plan))
    sources = tuple(dict.fromkeys(moved))
    scales = ScalingFamily(kind="scaling", sources=sources, scaling=scaling)

    def width(sizes: Sizes | None) -> int:
        return scales.count(sizes)

    def build(env: Environment, c: Tensor) -> Moves:
        moves = scales.direction(env, c)
        for end in ends:
            moves = end.act(env, scales.logs(env, c), moves)
        return moves

    def follow(env: Environment, c: Tensor, t: float) -> Moves:
        """What is scaled grows exponentially, what is shifted for an exponential linearly."""
        shifts: Moves = {}
        for end in ends:
            shifts = end.act(env, scales.logs(env, c), shifts)
        return {
            **{s: env.value(s) + t * d for s, d in shifts.items()},
            **scales.flow(env, c, t),
        }

    if not sources:
        return None
    # The shift may pass weights that are scaled themselves; and what is both scaled and shifted
    # does neither alone.
    env = Noted(flows.lowered.shapes)
    try:
        for end in ends:
            end.act(env, scales.logs(env, torch.ones(scales.count(), **env.like)), {})
    except LookupError:
        return None  # through weights that are made of parameters of another graph
    passed = env.needed | {a.source.key for e in ends for a in e.plan}
    loose = any(m.source.key in passed for m in scaling.members)
    return NullFamily(
        kind="scaling", sources=sources, width=width, build=build, loose=loose, follow=follow,
        scaled=tuple({m.source: m.exponent for m in scaling.members}),
        rates=tuple({m.source: m.exponent for m in scaling.members}.values()),
    )  # fmt: skip
