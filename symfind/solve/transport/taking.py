"""Who can take an effect back: weights that read the same wire into the same sum.

The operands of the sum are looked through, down to products: sums that nothing else sees, gains
(there the effect is divided), ranges (there it is a part). Where no weight reads x itself, what x
is made of is looked at.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Axis
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.solve.point.regular import regular
from symfind.solve.point.values import Environment
from symfind.solve.transport.absorption import PLAIN, Plan
from symfind.solve.transport.effects import (
    Constant,
    Effect,
    Make,
    Window,
    bare,
    flattened,
    joined,
    padded,
    squeezed,
    times,
    untied,
    window,
)
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.linear import behind
from symfind.solve.transport.state import ARBITRARY, CONSTANT, canonical
from symfind.solve.transport.steps import total

DEPTH = 6  # how far behind x


@dataclass(frozen=True)
class Taken:
    """How an effect is taken back: actions, and what they are given."""

    plan: Plan
    carry: Make


def writer(node: p.Contract, at: int, flows: Flows) -> Plan | None:
    """How one factor of a product is changed at will, where nothing else sees it."""
    weight, x = node.inputs[at], node.inputs[1 - at]
    if weight.varies or not x.varies or len(weight.users) != 1:
        return None
    return flows.undo(weight, canonical(weight, [ARBITRARY] * len(weight.axes)))


def take(
    user: Node, path: Container[Node], effect: Effect, flows: Flows,
    depth: int = DEPTH,
) -> list[Taken] | None:  # fmt: skip
    """How other operands of a sum take an effect on it back; None where they cannot.

    Args:
        user: the sum; or the product of a weight with several wires in one, or a piece of either.
        path: wires through which the effect came.
        effect: on the sum.
        flows: of the graph.
        depth: how far behind what the effect reads.
    """
    for z, factor, carry in beside(user, path, effect):
        plan = writer(z, factor, flows)
        if plan:
            return [Taken(plan, carry)]
    below = behind(effect) if depth else None
    if below is None:
        return None
    found: list[Taken] = []
    for constant in below[1]:
        plan = _disposed(user, constant, flows)
        if plan is None:
            return None
        found.append(Taken(plan, constant.value))
    for part in below[0]:
        taken = take(user, path, part, flows, depth - 1)
        if taken is None:
            return None
        found += taken
    return found


def beside(
    user: Node, path: Container[Node], effect: Effect
) -> Iterator[tuple[p.Contract, int, Make]]:
    """Factors of products in a sum that could make an effect on it, and what of them would."""
    sums: Iterable[tuple[p.Contract, Effect]] = (
        [(user, effect)] if isinstance(user, p.Contract)
        else operands(user, path, effect) if isinstance(user, p.Add)
        else _down(user, path, effect)
    )  # fmt: skip
    for z, whole in sums:
        for factor in (0, 1):
            for part in (whole, *_of_pieces(whole, z.inputs[1 - factor])):
                embed = embedding(part, z, factor)
                if embed is not None:
                    yield z, factor, _embedded(part, embed)


def _of_pieces(effect: Effect, wire: Node) -> Iterator[Effect]:
    """An effect that reads one piece of a wire, read from all of it."""
    if isinstance(wire, p.Join) and effect.window is None:
        for at, piece in enumerate(wire.inputs):
            if _same_wire(piece, effect.x):
                apart = untied(effect, effect.read[wire.dim])
                yield replace(joined(apart, apart.read[wire.dim], wire, at), x=wire)


def _embedded(part: Effect, embed: Callable[[Environment, Tensor], Tensor]) -> Make:
    return lambda env, c: embed(env, part.make(env, c))


def _disposed(user: Node, constant: Constant, flows: Flows) -> Plan | None:
    """What takes a constant on a sum away: an operand, or what comes after."""
    state = [ARBITRARY if n in constant.labels else CONSTANT for n in constant.out]
    wanted = canonical(user, state)
    plan = flows.absorption.undo(user, wanted, PLAIN)
    if plan is None:
        plan = flows.dispose(user, wanted, True, PLAIN)
    return flows.absorption.undo(user, wanted, PLAIN, gains=True) if plan is None else plan


# operands --------------------------------------------------------------------------------
def operands(
    user: p.Add, path: Container[Node], effect: Effect
) -> Iterator[tuple[p.Contract, Effect]]:
    """Products among the operands of a sum, each with what the effect is there."""
    for z, sign in zip(user.inputs, user.signs, strict=True):
        part = _copied(effect, user, z)
        if part is not None and user.inputs.count(z) == 1:
            yield from _down(z, path, part.scaled(1 / sign))


def _copied(effect: Effect, user: p.Add, z: Node) -> Effect | None:
    """The effect on an operand that is repeated along some dimensions; None where it varies."""
    lead = len(user.axes) - len(z.axes)
    out: list[Any] = []
    axes = effect.axes
    for d, n in enumerate(effect.out):
        copied = d < lead or z.axes[d - lead].size < user.axes[d].size
        if copied and (n in effect.own or n in effect.read):
            return None
        if copied and d >= lead:
            n = ("unit", user.index, z.index, d)
            axes = {**axes, n: z.axes[d - lead]}
        if d >= lead:
            out.append(n)
    return replace(effect, out=tuple(out), axes=axes)


def _down(z: Node, path: Container[Node], effect: Effect) -> Iterator[tuple[p.Contract, Effect]]:
    if not z.varies or not _unseen(z) or (z in path and not isinstance(z, p.Add)):
        return
    match z:
        case p.Add():
            yield from operands(z, path, effect)
        case p.Pointwise() if z.slope:
            if z.slope == z.slope:
                yield from _down(z.inputs[0], path, effect.scaled(1 / z.slope))
        case p.Permute():
            out = [effect.out[z.order.index(d)] for d in range(len(z.order))]
            yield from _down(z.inputs[0], path, replace(effect, out=tuple(out)))
        case p.View() if (moves := squeezed(z)) is not None:
            yield from _down(z.inputs[0], path, _squeezed(z, effect, moves))
        case p.View() if (whole := flattened(z, effect)) is not None:
            yield from _down(z.inputs[0], path, whole)
        case p.Narrow():
            label = effect.out[z.dim]
            apart = untied(effect, label)
            yield from _down(z.inputs[0], path, padded(apart, apart.out[z.dim], z))
        case p.Mix() if (factor := total(z)) is not None:
            yield from _terms(z, path, effect.scaled(1 / factor))
        case p.Contract() if len(z.inputs) == 2:
            yield z, effect
            for wire, other in (z.inputs, z.inputs[::-1]):
                names = z.labels[1 - z.inputs.index(wire)]
                if _gain(z, wire, other, names):
                    place = dict(zip(z.out, effect.out, strict=True))
                    labels = [place.get(n, n) for n in names]
                    yield from _down(wire, path, times(effect, other, labels, -1))


def _terms(z: p.Mix, path: Container[Node], effect: Effect) -> Iterator[tuple[p.Contract, Effect]]:
    """Of all that a sum adds up, what reads what the effect adds up, or one that is alone."""
    below = z.inputs[0]
    if len(z.dims) != 1 or effect.window is not None or not _unseen(below):
        return
    (dim,) = z.dims

    def at(label: Any, axis: Axis) -> Effect:
        out = (*effect.out[:dim], label, *effect.out[dim:])
        return replace(effect, out=out, axes={**effect.axes, label: axis})

    if isinstance(below, p.Join) and below.dim == dim:
        for piece in below.inputs:
            once = len(piece.users) == 1 and below.inputs.count(piece) == 1
            if piece.axes[dim].size == 1 and once:
                yield from _down(piece, path, at(("one", z.index), piece.axes[dim]))
        return
    for n in effect.read:
        if n not in effect.out and effect.axes[n].root is below.axes[dim].root:
            yield from _down(below, path, at(n, effect.axes[n]))


def _unseen(z: Node) -> bool:
    """Whether one reader alone sees a wire, or several that see different ranges of it."""
    if len(z.users) == 1:
        return True
    ranges = [u for u in z.users if isinstance(u, p.Narrow)]
    if len(ranges) < len(z.users) or len({u.dim for u in ranges}) != 1:
        return False
    ends = sorted((u.start, u.start + u.axes[u.dim].size) for u in ranges)
    return all(a[1] <= b[0] for a, b in zip(ends, ends[1:], strict=False))


def _squeezed(z: Node, effect: Effect, moves: dict[int, int]) -> Effect:
    below = z.inputs[0]
    out = tuple(
        effect.out[moves[d]] if d in moves else ("unit", z.index, d) for d in range(len(below.axes))
    )
    axes = {**dict(zip(out, below.axes, strict=True)), **effect.axes}
    return replace(effect, out=out, axes=axes)


def _gain(z: p.Contract, wire: Node, other: Node, names: Any) -> bool:
    """Whether a product is that of a wire with a gain that is zero nowhere."""
    at = z.inputs.index(wire)
    entrywise = wire.shape == z.shape and z.labels[at] == z.out and not z.windows
    wide = [n for n, a in zip(names, other.axes, strict=True) if a.size > 1]
    return (
        entrywise and wire.varies and not other.varies
        and all(n in z.out for n in wide) and regular(other)
    )  # fmt: skip


# targets ---------------------------------------------------------------------------------
def embedding(
    effect: Effect, z: p.Contract, at: int
) -> Callable[[Environment, Tensor], Tensor] | None:
    """How M becomes a change of one factor of a product, or None where its labels do not fit."""
    names = z.labels[at]
    x, read = bare(z.inputs[1 - at], z.labels[1 - at])
    if len(z.inputs) != 2 or z.inputs[at].varies or not _same_wire(x, effect.x):
        return None
    if len(effect.out) != len(z.out):
        return None
    axes = {
        n: a
        for wire, labels in ((x, read), (z.inputs[at], names), (z, z.out))
        for n, a in zip(labels, wire.axes, strict=True)
    }
    reads = {e: n for e, n in zip(effect.read, read, strict=True) if axes[n].size > 1}
    writes = {e: n for e, n in zip(effect.out, z.out, strict=True) if axes[n].size > 1}
    there = window(z)
    sizes = [] if there is None else [axes[k] for k in there.kernel]
    places = _slides_alike(effect, there, reads, writes, sizes)
    if places is None:
        return None
    slid = set() if there is None else {e for e in reads if z.slid(reads[e])}
    backs = {n: e for e, n in reads.items()}
    # What ties x to the result in the target must do so in the effect as well.
    if any(n in backs and backs[n] != e for e, n in writes.items()):
        return None
    units = [(reads[e], writes[e]) for e in reads if e in writes and e not in slid]
    units = [(one, two) for one, two in units if one != two]
    if any(n not in names for pair in units for n in pair):
        return None
    kernel = _kernel(effect, there)
    own = [kernel.get(e, reads.get(e, writes.get(e))) for e in effect.own]
    if any(n not in names for e, n in zip(effect.own, own, strict=True) if effect.axes[e].size > 1):
        return None
    ends = {*reads.values(), *writes.values(), *(() if there is None else there.kernel)}
    if any(axes[n].size > 1 and n not in ends for n in names):
        return None
    single = [n if n in names else ("one", i) for i, n in enumerate(own)]
    if len(set(single)) < len(single):
        return None

    def embed(env: Environment, m: Tensor) -> Tensor:
        sizes = dict(zip(names, env.shape(z.inputs[at]), strict=True))
        values, labels = [m], [single]
        for one, two in units:
            values.append(torch.eye(sizes[one], **env.like))
            labels.append([one, two])
        m = einsum(values, labels, names)
        for d, n in enumerate(names):
            if there is not None and n in there.kernel:
                m = _laid(m, d, sizes[n], places[there.kernel.index(n)])
            elif sizes[n] != m.shape[d]:
                m = m.expand([sizes[n] if i == d else -1 for i in range(m.dim())])
        return m

    return embed


def _same_wire(a: Node, b: Node) -> bool:
    if a is b:
        return True
    views = isinstance(a, p.View) and isinstance(b, p.View) and a.shape == b.shape
    return views and _same_wire(a.inputs[0], b.inputs[0])


def _kernel(effect: Effect, there: Window | None) -> dict[Any, Any]:
    """Labels of the one kernel and the other."""
    if effect.window is None or there is None:
        return {}
    return dict(zip(effect.window.kernel, there.kernel, strict=True))


def _slides_alike(
    effect: Effect,
    there: Window | None,
    reads: dict[Any, Any],
    writes: dict[Any, Any],
    kernel: Sequence[Axis],
) -> list[tuple[int, int]] | None:
    """Where the kernel of an effect lies in that of a target; None where it does not."""
    here = effect.window
    if there is None:
        return [] if here is None else None
    rank = len(there.kernel)
    mine = here.slides if here is not None else (None,) * rank
    if len(mine) != rank:
        return None
    for pair, (one, two) in zip(mine, there.slides, strict=True):
        ins = [e for e, n in reads.items() if n == one]
        outs = [e for e, n in writes.items() if n == two]
        if pair is None and (ins != outs or any(e in effect.own for e in ins)):
            return None
        if pair is not None and any(e != pair[0] for e in ins):
            return None
        if pair is not None and any(e != pair[1] for e in outs):
            return None
    ours = [] if here is None else [effect.axes[k] for k in here.kernel]
    return _fits(here, there, ours, kernel)


def _fits(
    here: Window | None, there: Window, ours: Sequence[Axis], theirs: Sequence[Axis]
) -> list[tuple[int, int]] | None:
    """For each spatial dimension, where the one kernel lies in the other: its start and step."""
    rank = len(theirs)
    one = ((1,) * rank, (0,) * rank, (1,) * rank) if here is None else here.geometry
    if not all(isinstance(g, tuple) for g in (*one, *there.geometry)):
        return None
    small = [a.size for a in ours] or [1] * rank
    large = [a.size for a in theirs]
    found = []
    for n, m, mine, other in zip(
        small, large, zip(*one, strict=True), zip(*there.geometry, strict=True), strict=True
    ):
        (stride, pad, step), (stride_, pad_, step_) = mine, other
        start, rest = divmod(pad_ - pad, step_)
        pace, uneven = divmod(step, step_) if n > 1 else (1, 0)
        if stride != stride_ or rest or uneven or start < 0 or start + pace * (n - 1) >= m:
            return None
        found.append((start, pace))
    return found


def _laid(m: Tensor, d: int, n: int, place: tuple[int, int]) -> Tensor:
    """A kernel in a larger one along one dimension; on a twin, where its entries do not matter."""
    start, pace = place
    if start + pace * (m.shape[d] - 1) >= n:
        start, pace = 0, 1
    unit = torch.zeros(m.shape[d], n, dtype=m.dtype, device=m.device)
    at = torch.arange(m.shape[d], device=m.device)
    unit[at, start + pace * at] = 1.0
    return (m.movedim(d, -1) @ unit).movedim(-1, d)
