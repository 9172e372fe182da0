"""Effects through linear maps.

An effect M·x is followed *forth* (M becomes B M, or Γ M behind a gain), and seen *behind* the wire
that it reads: what M reads of A u + a is M A, read from u, and the constant M a.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from symfind.algebra.axes import Axis, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment
from symfind.solve.transport.effects import (
    Constant,
    Effect,
    Window,
    axes_of,
    joined,
    padded,
    squeezed,
    stripped,
    unflattened,
    untied,
    window,
)
from symfind.solve.transport.steps import total


# forth -----------------------------------------------------------------------------------
def through(user: Node, wire: Node, effect: Effect) -> Effect | None:
    """The effect on what one more linear map makes of the wire; None where it is no such map."""
    match user:
        case p.Permute():
            return replace(effect, out=tuple(effect.out[d] for d in user.order))
        case p.Pointwise() if user.slope is not None and user.slope == user.slope:
            return effect.scaled(user.slope)
        case p.View() if (moves := squeezed(user)) is not None:
            back = {two: one for one, two in moves.items()}
            out = tuple(
                effect.out[back[d]] if d in back else ("unit", user.index, d)
                for d in range(len(user.axes))
            )
            return replace(effect, out=out, axes=_named(effect, user, out))
        case p.Join() if user.inputs.count(wire) == 1:
            apart = untied(effect, effect.out[user.dim])
            return joined(apart, apart.out[user.dim], user, user.inputs.index(wire))
        case p.Contract() if len(user.inputs) == 2 and user.inputs.count(wire) == 1:
            return _multiplied(user, wire, effect)
    return None


def _named(effect: Effect, node: Node, labels: Sequence[Any]) -> dict[Any, Axis]:
    return {**dict(zip(labels, node.axes, strict=True)), **effect.axes}


def _multiplied(user: p.Contract, wire: Node, effect: Effect) -> Effect | None:
    at = user.inputs.index(wire)
    other = user.inputs[1 - at]
    if other.varies or (user.windows and effect.window):
        return None
    slid = {n for n in user.labels[at] if user.slid(n)}
    name = {u: f for u, f in zip(user.labels[at], effect.out, strict=True)}

    def new(u: Any) -> Any:
        return name.get(u, ("next", user.index, u))

    theirs = tuple(new(u) for u in user.labels[1 - at])
    summed = [n for u, n in name.items() if u not in user.out and u not in slid]
    known = {*effect.own, *effect.read, *theirs}
    if any(n not in known and effect.axes[n].size > 1 for n in summed):
        return None  # copies are summed: so many of them
    # A kernel slides over an index of x that M leaves alone.
    if any(name[u] in effect.own or name[u] not in effect.read for u in slid):
        return None
    # what a gain made is indexed by x, whatever sums over it later
    own = tuple(n for n in effect.own if n not in summed or n in effect.read)
    own += tuple(n for n in theirs if n not in own and (n not in summed or n in effect.read))
    make = effect.make

    def after(env: Environment, c: Tensor) -> Tensor:
        return einsum([make(env, c), env.value(other)], [effect.own, theirs], own)

    out = tuple(new(u) for u in user.out)
    axes = {**{new(u): a for u, a in axes_of(user).items()}, **effect.axes}
    made = effect.window
    if (here := window(user)) is not None:
        slides = tuple((new(one), new(two)) for one, two in here.slides)
        made = Window(slides, tuple(new(k) for k in here.kernel), here.geometry, here.seals)
    return replace(effect, own=own, out=out, axes=axes, make=after, window=made)


# behind ----------------------------------------------------------------------------------
def behind(effect: Effect) -> tuple[list[Effect], list[Constant]] | None:
    """The same perturbation, read from the wires that x is made of by linear maps."""
    x = effect.x
    match x:
        case p.Contract() if len(x.inputs) == 2:
            below = _factored(effect, x)
            return None if below is None else ([stripped(below)], [])
        case p.Add():
            return _summands(effect, x)
        case p.Pointwise() if x.slope is not None and x.slope == x.slope:
            return [stripped(replace(effect.scaled(x.slope), x=x.inputs[0]))], []
        case p.Permute():
            read = [effect.read[x.order.index(d)] for d in range(len(x.order))]
            return [stripped(replace(effect, x=x.inputs[0], read=tuple(read)))], []
        case p.View() if (whole := unflattened(x, effect)) is not None:
            return [stripped(whole)], []
        case p.Narrow() if effect.window is None:
            label = effect.read[x.dim]
            wide = padded(untied(effect, label), label, x)
            return [stripped(replace(wide, x=x.inputs[0]))], []
        case p.Mix() if effect.window is None and (factor := total(x)) is not None:
            return [stripped(_of_all(effect.scaled(factor), x))], []
        case p.Join() if effect.window is None:
            return [stripped(_of_piece(effect, x, at)) for at in range(len(x.inputs))], []
    return None


def summed(effects: Sequence[Effect]) -> Effect | None:
    """Effects that read one wire alike as one, None where they do not."""
    first = effects[0]
    if any(one.x is not first.x or one.out != first.out or one.window for one in effects[1:]):
        return None
    orders = []
    for one in effects:
        names = dict(zip(one.read, first.read, strict=True))
        own = [names.get(n, n) for n in one.own]
        if set(own) != set(first.own) or len(own) != len(first.own):
            return None
        orders.append([own.index(n) for n in first.own])

    def make(env: Environment, c: Tensor) -> Tensor:
        parts = [one.make(env, c).permute(order)
                 for one, order in zip(effects, orders, strict=True)]  # fmt: skip
        return sum(parts[1:], parts[0])

    return replace(first, make=make)


def _of_all(effect: Effect, x: p.Mix) -> Effect:
    """The same of all entries over which a sum runs."""
    kept, below = iter(effect.read), x.inputs[0]
    read = tuple(("all", x.index, d) if d in x.dims else next(kept) for d in range(len(below.axes)))
    axes = {**dict(zip(read, below.axes, strict=True)), **effect.axes}
    return replace(effect, x=below, read=read, axes=axes)


def _of_piece(effect: Effect, x: p.Join, at: int) -> Effect:
    """What of an effect reads one piece of a wire."""
    label, piece = effect.read[x.dim], x.inputs[at]
    effect = untied(effect, label) if label in effect.out else effect
    fresh = ("piece", x.index, at, label)
    make = effect.make

    def part(env: Environment, c: Tensor) -> Tensor:
        m = make(env, c)
        if label not in effect.own:
            return m
        place, start = effect.own.index(label), x.begin(at, env.sizes)
        return m.narrow(place, start, extent(piece.axes[x.dim], env.sizes))

    def renamed(labels: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(fresh if n == label else n for n in labels)

    axes = {**effect.axes, fresh: piece.axes[x.dim]}
    return replace(
        effect, x=piece, read=renamed(effect.read), own=renamed(effect.own), axes=axes, make=part
    )


def _factored(effect: Effect, x: p.Contract) -> Effect | None:
    still = [i for i, v in enumerate(x.inputs) if not v.varies]
    here = window(x)
    if len(still) != 1 or (here is not None and effect.window is not None):
        return None
    at = still[0]
    name = {u: f for u, f in zip(x.out, effect.read, strict=True)}

    def new(u: Any) -> Any:
        return name.get(u, ("behind", x.index, u))

    read = tuple(new(u) for u in x.labels[1 - at])
    theirs = tuple(new(u) for u in x.labels[at])
    axes = {**{new(u): a for u, a in axes_of(x).items()}, **effect.axes}
    if effect.window and any(n in theirs for pair in effect.window.slides for n in pair):
        return None
    # What slides is an index that M leaves alone, and that the result has.
    slid = [] if here is None else [name[two] for _, two in here.slides]
    if any(n in effect.own or n not in effect.out for n in slid):
        return None
    gone = {n for n in (*effect.own, *theirs) if n not in read and n not in effect.out}
    if here is not None:
        gone -= {new(k) for k in here.kernel}
    if effect.window is not None:
        gone -= set(effect.window.kernel)
    every = (*effect.own, *(n for n in theirs if n not in effect.own))
    own = tuple(n for n in every if n not in gone)
    make, weight = effect.make, x.inputs[at]

    def after(env: Environment, c: Tensor) -> Tensor:
        return einsum([make(env, c), env.value(weight)], [effect.own, theirs], own)

    made = effect.window
    if here is not None:
        slides = tuple((new(one), name[two]) for one, two in here.slides)
        made = Window(slides, tuple(new(k) for k in here.kernel), here.geometry, here.seals)
    return Effect(x.inputs[1 - at], read, own, effect.out, axes, after, made)


def _summands(effect: Effect, x: p.Add) -> tuple[list[Effect], list[Constant]] | None:
    parts: list[Effect] = []
    constants: list[Constant] = []
    for z, sign in zip(x.inputs, x.signs, strict=True):
        if z.varies:
            if z.shape != x.shape:
                return None
            parts.append(stripped(replace(effect.scaled(sign), x=z)))
        elif effect.window is not None and not effect.window.seals:
            return None  # at the edges a constant is not the same
        else:
            found = _constant(effect, z, sign)
            if found is None:
                return None
            constants.append(found)
    return parts, constants


def _constant(effect: Effect, z: Node, sign: float) -> Constant | None:
    """M times what no input reaches, in place of x; None where a window slides over it."""
    lead = len(effect.read) - len(z.axes)
    slid = [] if effect.window is None else [one for one, _ in effect.window.slides]
    varying = [n for n, a in zip(effect.read[lead:], z.axes, strict=True) if a.size > 1]
    if any(n in slid for n in varying):
        return None
    summed = [n for n in effect.wide(effect.read) if n not in effect.out and n not in slid]
    used = [n for n in effect.read if n in varying or n in summed]
    free = tuple(n for n in effect.wide(effect.out) if n in effect.own or n in varying)
    make, x = effect.make, effect.x

    def made(env: Environment, c: Tensor) -> Tensor:
        value = env.value(z)
        value = value.reshape([1] * lead + list(value.shape))
        pairs = list(zip(env.shape(x), effect.read, strict=True))
        shape = [n if name in used else 1 for n, name in pairs]
        value = value.expand(shape).reshape([n for n, name in pairs if name in used])
        return sign * einsum([make(env, c), value], [effect.own, used], free)

    return Constant(free, effect.out, made)
