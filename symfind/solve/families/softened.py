"""The small number of a norm, taken up by a constant at right angles to all else that it is given.

A wire x that is scaled by λ leaves x / √(|x|²/n + ε) as it is but for ε. Where a part a of the bias
is at right angles to what else x can be, a·x = |a|² is a constant, and x + μ a is longer by a
constant: with μ = n ε / |a|² for each unit of log λ, it is what ε is short of. Behind the norm this
is μ a / |x|, which what reads the norm takes back (see `solve.families.aside`).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent, least, positive
from symfind.graph import primitives as p
from symfind.ops.lower import Lowered
from symfind.solve.bonds.scalings import Scaling, Scalings
from symfind.solve.families.aside import Reader, others, readers, slack
from symfind.solve.families.family import NullFamily, ScalingFamily, carry_out
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.spans.reached import Reached, Spans
from symfind.solve.transport.absorption import Plan
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical


def softened_families(lowered: Lowered, flows: Flows, exact: Sequence[Scaling]) -> Iterator[Family]:
    """For every norm of a wire with such a part, where nothing but its ε stops a scaling.

    Args:
        lowered: the graph.
        flows: of it.
        exact: its scalings.
    """
    spans = Spans(flows.relations)
    for norm in lowered.nodes:
        if isinstance(norm, p.Normalise) and norm.varies and norm.exact and norm.eps:
            yield from _of(norm, spans, lowered, flows, exact)


def _of(
    norm: p.Normalise, spans: Spans, lowered: Lowered, flows: Flows, exact: Sequence[Scaling]
) -> Iterator[Family]:
    if len(norm.dims) != 1 or norm.inputs[0].users.count(norm) != 1:
        return
    (wire,), (dim,) = norm.inputs, norm.dims
    span = spans.reached(wire, dim)
    if span is None or span.plain or span.offset is None or slack(span, wire, norm, None) < 0:
        return
    state = canonical(wire, [ARBITRARY if d == dim else CONSTANT for d in range(len(wire.axes))])
    write, aside = flows.undo(wire, state), others(wire, norm, state, flows)
    found = list(readers(norm, dim, flows)) if write and aside is not None else []
    known = [r for r in found if r is not None]
    if not write or aside is None or not found or len(known) < len(found):
        return
    old = {_name(s) for s in exact}
    for scaling in Scalings(lowered, relaxed={norm}).scalings():
        rates = [m.exponent for m in scaling.members if m.source is write[0].source]
        if _name(scaling) not in old and not scaling.indexed and rates:
            yield _family(norm, span, scaling, rates[0], write, aside, known)


def _name(scaling: Scaling) -> frozenset:
    return frozenset((id(m.source), m.cell, m.exponent, m.places) for m in scaling.members)


def _family(
    norm: p.Normalise, span: Reached, scaling: Scaling, rate: float, write: Plan, aside: Plan,
    known: Sequence[Reader],
) -> Family:  # fmt: skip
    (wire,), (dim,) = norm.inputs, norm.dims
    sources = tuple(dict.fromkeys(m.source for m in scaling.members))
    scaled = ScalingFamily(kind="scaling", sources=sources, scaling=scaling)

    def build(env: Environment, c: Tensor) -> Moves:
        moves = dict(scaled.direction(env, c / rate))
        basis, point = span.basis(env), span.offset(env)  # type: ignore[misc]
        if norm.centred:
            basis, point = (t - t.mean(0, keepdim=True) for t in (basis, point))
        q = torch.linalg.qr(basis).Q
        apart = point - q @ (q.T @ point)
        square = apart.square().sum()
        u = c * (extent(wire.axes[dim], env.sizes) * norm.eps / square) * apart
        shape = [-1 if d == dim else 1 for d in range(len(wire.axes))]
        carry_out(env, write, -u.reshape(shape), moves)
        carry_out(env, aside, u.reshape(shape), moves)
        for reader in known:
            reader.take(env, u, apart / square, moves)
        return moves

    def width(sizes: Sizes | None) -> int:
        return least(1, positive(slack(span, wire, norm, sizes) + 1))

    plans = (write, aside, *(plan for r in known for plan in (r.write, r.actions)))
    moved = tuple(dict.fromkeys((*sources, *(a.source for plan in plans for a in plan))))
    return NullFamily(
        kind="scaling", sources=moved, width=width,
        build=build, loose=True, piecewise=True, steps=None,
    )  # fmt: skip
