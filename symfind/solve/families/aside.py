"""Translations at right angles to all that a norm is given: no length changes.

Where a wire x spans less than its width, and u is at right angles to all of it, |x + u| and |x|
differ in second order only: behind the norm is u / |x| besides. If 1 is a linear function ℓ of x,
then so is 1 / |x| of the normalised wire, and a weight V that reads it makes up for that by
−V u ℓᵀ. The parameter that adds u to the wire is free if what reads the wire beside the norm takes
u back, as the bias of a block does in a residual stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, positive
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.spans.linear import complement, linears
from symfind.solve.spans.reached import Reached, Spans
from symfind.solve.transport.absorption import PLAIN, Action, Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, State, canonical


@dataclass(frozen=True)
class Reader:
    """A weight that reads a normalised wire, behind gains and shifts along it."""

    node: p.Contract
    at: int
    label: object
    gains: tuple[Node, ...]
    shifts: tuple[tuple[Node, float], ...]  # each as it is behind all gains
    write: Plan
    actions: Plan

    def take(self, env: Environment, u: Tensor, ell: Tensor, moves: Moves) -> None:
        """What the weight does about u, and what its constants then do."""
        gain = torch.ones_like(u)
        for wire in self.gains:
            gain = gain * env.value(wire).reshape(-1)
        names = self.node.labels[self.at]
        free = [n for n in names if n != self.label]
        s = -einsum([env.value(self.node.inputs[self.at]), gain * u], [names, [self.label]], free)
        kappa = ell / gain
        change = einsum([s, kappa], [free, [self.label]], names)
        carry_out(env, self.write, -change, moves)
        if self.shifts:
            shift = torch.stack([sign * env.value(b).reshape(-1) for b, sign in self.shifts]).sum(0)
            constant = einsum([s * (kappa @ shift)], [free], self.node.out)
            carry_out(env, self.actions, constant, moves)


def aside_families(lowered: Lowered, flows: Flows) -> list[Family]:
    """For every wire that is normalised and spans less than its width."""
    spans = Spans(flows.relations)
    wires = dict.fromkeys(n.inputs[0] for n in lowered.nodes if isinstance(n, p.Normalise))
    found = (_of(wire, spans, flows) for wire in wires if wire.varies)
    return [family for family in found if family is not None]


def _of(wire: Node, spans: Spans, flows: Flows) -> Family | None:
    norms = [u for u in wire.users if isinstance(u, p.Normalise)]
    if len(norms) != 1 or len(norms[0].dims) != 1 or len(wire.users) == 1:
        return None  # a rotation does as much where nothing but the norm reads the wire
    (norm,), (dim,) = norms, norms[0].dims
    span = spans.reached(wire, dim)
    if span is None or span.plain or span.offset is None or slack(span, wire, norm, None) <= 0:
        return None
    state = canonical(wire, [ARBITRARY if d == dim else CONSTANT for d in range(len(wire.axes))])
    write = flows.undo(wire, state)
    beside = others(wire, norm, state, flows)
    found = list(readers(norm, dim, flows)) if write and beside is not None else []
    known = [r for r in found if r is not None]
    if not write or beside is None or not found or len(known) < len(found):
        return None
    return _family(wire, norm, span, write, beside, known)


def slack(span: Reached, wire: Node, norm: p.Normalise, sizes: Sizes | None) -> int:
    """How many directions are at right angles to all that a wire can be, if any number is."""
    n = extent(wire.axes[norm.dims[0]], sizes)
    return n - span.rank(sizes) - 1 - int(norm.centred)


def others(wire: Node, norm: Node, state: State, flows: Flows) -> Plan | None:
    """What takes a translation back where the wire is read beside the norm."""
    plan: list[Action] = []
    for user in wire.users:
        if user is not norm:
            for at, x in enumerate(user.inputs):
                part = flows.through(user, at, state, True, PLAIN) if x is wire else ()
                if part is None:
                    return None
                plan.extend(part)
    return tuple(plan)


def readers(norm: p.Normalise, dim: int, flows: Flows) -> Iterator[Reader | None]:
    """All weights that read a norm; None for a reader of another kind."""
    gains: list[Node] = []
    shifts: list[tuple[Node, float]] = []
    wire: Node = norm
    while len(wire.users) == 1 and (step := _affine(wire.users[0], wire, dim)) is not None:
        other, sign = step
        if isinstance(wire.users[0], p.Add):
            shifts.append((other, sign))
        elif shifts:
            break  # a gain behind a shift
        else:
            gains.append(other)
        wire = wire.users[0]
    for user in wire.users:
        yield _reader(user, wire, dim, tuple(gains), tuple(shifts), flows)


def _affine(user: Node, wire: Node, dim: int) -> tuple[Node, float] | None:
    """A gain or a shift along one dimension."""
    if not isinstance(user, p.Contract | p.Add) or len(user.inputs) != 2:
        return None
    at = user.inputs.index(wire)
    other = user.inputs[1 - at]
    lead = len(user.axes) - len(other.axes)
    if other.varies or other is wire or wire.shape != user.shape:
        return None
    if [d + lead for d, a in enumerate(other.axes) if a.size > 1] != [dim]:
        return None
    if isinstance(user, p.Add):
        return (other, user.signs[1 - at]) if user.signs[at] == 1 else None
    plain = user.out == tuple(range(len(user.out))) == user.labels[at] and not user.windows
    place = user.labels[1 - at][dim - lead] == dim
    return (other, 1.0) if plain and place else None


def _reader(
    user: Node, wire: Node, dim: int, gains: tuple[Node, ...],
    shifts: tuple[tuple[Node, float], ...], flows: Flows,
) -> Reader | None:  # fmt: skip
    for layer in linears(user):
        weight = layer.weight
        if layer.wire is not wire or layer.read != dim or len(weight.users) != 1:
            continue
        label = layer.node.labels[1 - layer.at][dim]
        write = flows.undo(weight, canonical(weight, [ARBITRARY] * len(weight.axes)))
        state = [ARBITRARY if n in layer.names else CONSTANT for n in layer.node.out]
        actions: Plan | None = ()
        if shifts:
            actions = flows.dispose(layer.node, canonical(layer.node, state), True, PLAIN)
        if write and actions is not None:
            return Reader(layer.node, layer.at, label, gains, shifts, write, actions)
    return None


def _family(
    wire: Node, norm: p.Normalise, span: Reached, write: Plan, beside: Plan,
    known: Sequence[Reader],
) -> Family:  # fmt: skip
    dim = norm.dims[0]
    offset = span.offset

    def width(sizes: Sizes | None) -> int:
        return positive(slack(span, wire, norm, sizes))

    def build(env: Environment, c: Tensor) -> Moves:
        basis, point = span.basis(env), offset(env)  # type: ignore[misc]
        if norm.centred:
            basis, point = (t - t.mean(0, keepdim=True) for t in (basis, point))
        q = torch.linalg.qr(basis).Q
        apart = point - q @ (q.T @ point)
        seen = [basis, point[:, None], *([torch.ones_like(point)[:, None]] * norm.centred)]
        u = complement(torch.cat(seen, 1), len(c)) @ c
        ell = apart / apart.square().sum()
        shape = [-1 if d == dim else 1 for d in range(len(wire.axes))]
        moves = carry_out(env, write, -u.reshape(shape))
        carry_out(env, beside, u.reshape(shape), moves)
        for reader in known:
            reader.take(env, u, ell, moves)
        return moves

    plans = (write, beside, *(plan for r in known for plan in (r.write, r.actions)))
    sources = tuple(dict.fromkeys(a.source for plan in plans for a in plan))
    return NullFamily(
        kind="reach", sources=sources, width=width, build=build, loose=True, piecewise=True,
        steps=None,
    )  # fmt: skip
