"""Parallel paths: what one weight adds to a sum of the same wire, another takes away.

A perturbation M of a weight that reads x adds M·x to a wire. It is followed through further linear
maps (M becomes B M) to a sum where another weight reads the same x, or the wire that x was made
from (M becomes M A); that weight takes it back. A small convolution kernel fits inside a larger.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.algebra.axes import Sizes, extent
from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.solve.families.family import NullFamily, carry_out
from symfind.solve.limits import Limits
from symfind.solve.point.family import Family, Moves
from symfind.solve.point.values import Environment
from symfind.solve.transport.flows import Flows
from symfind.solve.transport.state import ARBITRARY, canonical

DEPTH = 6


@dataclass(frozen=True)
class Effect:
    """M·x: `read` labels the dimensions of x, `own` those of M, `out` those of the result."""

    x: Node
    read: tuple[Any, ...]
    own: tuple[Any, ...]
    out: tuple[Any, ...]
    geometry: tuple[Any, ...]
    make: Callable[[Environment, Tensor], Tensor]  # from the coefficients to M
    kernel: tuple[int, ...] = ()


def parallel_families(lowered: Lowered, flows: Flows, limits: Limits) -> list[Family]:
    """Every weight whose effect another weight can take back."""
    result: list[Family] = []
    for node in lowered.nodes:
        if isinstance(node, p.Contract) and len(node.inputs) == 2:
            for at in (0, 1):
                family = _of(node, at, flows, limits)
                if family is not None:
                    result.append(family)
    return result


def _writer(node: p.Contract, at: int, flows: Flows) -> Any:
    weight, x = node.inputs[at], node.inputs[1 - at]
    if weight.varies or not x.varies or len(weight.users) != 1:
        return None
    return flows.undo(weight, canonical(weight, [ARBITRARY] * len(weight.axes)))


def _of(node: p.Contract, at: int, flows: Flows, limits: Limits) -> Family | None:
    write = _writer(node, at, flows)
    if not write:
        return None
    weight = node.inputs[at]
    effect = Effect(
        node.inputs[1 - at],
        node.labels[1 - at],
        node.labels[at],
        node.out,
        _geometry(node),
        lambda env, m: m,
        _kernel(node, at),
    )
    wire: Node = node
    for _ in range(DEPTH):
        if len(wire.users) != 1:
            return None
        user = wire.users[0]
        if isinstance(user, p.Add):
            taken = _absorb(user, wire, effect, flows)
            if taken is not None:
                return _family(weight, write, *taken)
            sign = user.signs[user.inputs.index(wire)]
            if wire.shape != user.shape or user.inputs.count(wire) != 1:
                return None
            effect = _scaled(effect, sign)
        else:
            onward = _through(user, wire, effect)
            if onward is None:
                return None
            effect = onward
        wire = user
    limits.reached(node, f"parallel paths: not followed through more than {DEPTH} maps")
    return None


def _family(
    weight: Node, write: Any, effect: Effect, target: Any, embed: Any, sign: float
) -> Family:
    def width(sizes: Sizes | None) -> int:
        return math.prod(extent(a, sizes) for a in weight.axes)

    def build(env: Environment, c: Tensor) -> Moves:
        m = c.reshape(env.shape(weight))
        back = embed(env, effect.make(env, m)) * sign
        return carry_out(env, target, back, carry_out(env, write, -m))

    sources = tuple(dict.fromkeys(a.source for a in (*write, *target)))
    return NullFamily(kind="parallel", sources=sources, width=width, build=build)


def _scaled(effect: Effect, sign: float) -> Effect:
    make = effect.make
    return replace(effect, make=lambda env, m: sign * make(env, m))


def _geometry(node: p.Contract) -> tuple[Any, ...]:
    """Stride, padding and dilation of a convolution; nothing for a plain contraction."""
    if node.op is None or "conv" not in node.op.target or "transpose" in node.op.target:
        return () if not node.windows else (node.index,)
    rank = len(node.op.args[1].shape) - 2
    stride, padding, dilation = (_tuple(a, rank) for a in node.op.args[3:6])
    return stride, padding, dilation


def _tuple(value: Any, rank: int) -> Any:
    if isinstance(value, str):
        return value
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _through(user: Node, wire: Node, effect: Effect) -> Effect | None:
    """The effect after one more linear map on an index that M writes."""
    make = effect.make
    if isinstance(user, p.Permute):
        out = tuple(effect.out[d] for d in user.order)
        return replace(effect, out=out)
    if not isinstance(user, p.Contract) or len(user.inputs) != 2 or user.windows:
        return None
    at = user.inputs.index(wire)
    other = user.inputs[1 - at]
    if other.varies or user.inputs[0] is user.inputs[1]:
        return None
    name = {u: f for u, f in zip(user.labels[at], effect.out, strict=True)}
    theirs = tuple(name.get(u, ("next", user.index, u)) for u in user.labels[1 - at])
    summed = [n for u, n in name.items() if u not in user.out]
    touched = [n for n in theirs if n in effect.out]
    if any(n not in effect.own for n in (*summed, *touched)):
        return None
    out = tuple(name.get(u, ("next", user.index, u)) for u in user.out)
    # what a gain made is indexed by x, whatever sums over it later
    own = tuple(n for n in effect.own if n not in summed or n in effect.read) + tuple(
        n for n in theirs if n not in effect.own
    )

    def after(env: Environment, m: Tensor) -> Tensor:
        return einsum([make(env, m), env.value(other)], [effect.own, theirs], own)

    return replace(effect, own=own, out=out, make=after)


def _behind(effect: Effect) -> Effect | None:
    """The same perturbation, read from the wire that x is a linear image of."""
    x = effect.x
    if not isinstance(x, p.Contract) or len(x.inputs) != 2 or x.windows or effect.geometry:
        return None
    still = [i for i, v in enumerate(x.inputs) if not v.varies]
    if len(still) != 1:
        return None
    at = still[0]
    name = {u: f for u, f in zip(x.out, effect.read, strict=True)}
    read = tuple(name.get(u, ("behind", x.index, u)) for u in x.labels[1 - at])
    theirs = tuple(name.get(u, ("behind", x.index, u)) for u in x.labels[at])
    if any(n in effect.out for n in theirs):
        return None
    gone = [n for n in theirs if n in effect.own and n not in read]  # a gain sums over nothing
    own = tuple(n for n in effect.own if n not in gone) + tuple(
        n for n in theirs if n not in effect.own
    )
    make, weight = effect.make, x.inputs[at]

    def after(env: Environment, m: Tensor) -> Tensor:
        return einsum([make(env, m), env.value(weight)], [effect.own, theirs], own)

    return Effect(x.inputs[1 - at], read, own, effect.out, (), after)


def _same_wire(a: Node, b: Node) -> bool:
    if a is b:
        return True
    views = isinstance(a, p.View) and isinstance(b, p.View) and a.shape == b.shape
    return views and _same_wire(a.inputs[0], b.inputs[0])


def _absorb(user: p.Add, wire: Node, effect: Effect, flows: Flows) -> Any:
    """Another operand of the sum that reads the same wire and can take M back."""
    mine = user.inputs.index(wire)
    for z, sign in _operands(user, wire):
        candidates: Effect | None = effect
        while candidates is not None:
            for at in (0, 1):
                if len(z.inputs) == 2 and _same_wire(z.inputs[1 - at], candidates.x):
                    embed = _embedding(candidates, z, at)
                    target = _writer(z, at, flows) if embed is not None else None
                    if target:
                        return candidates, target, embed, user.signs[mine] / sign
            candidates = _behind(candidates)
    return None


def _operands(user: p.Add, wire: Node) -> Iterator[tuple[p.Contract, float]]:
    """Contractions among the operands of a sum, through sums that nothing else sees."""
    stack = [
        (z, s)
        for z, s in zip(user.inputs, user.signs, strict=True)
        if z is not wire and z.shape == user.shape
    ]
    while stack:
        z, sign = stack.pop()
        if len(z.users) != 1:
            continue
        if isinstance(z, p.Contract):
            yield z, sign
        elif isinstance(z, p.Add):
            stack.extend(
                (y, sign * s) for y, s in zip(z.inputs, z.signs, strict=True) if y.shape == z.shape
            )


def _embedding(effect: Effect, z: p.Contract, at: int) -> Any:
    """How M becomes a change of z's weight, or None where its labels do not fit."""
    read = dict(zip(effect.read, z.labels[1 - at], strict=True))
    write = dict(zip(effect.out, z.out, strict=True))
    names = z.labels[at]
    shape = dict(zip(names, z.inputs[at].axes, strict=True))
    moves: dict[Any, Any] = {}
    for n in effect.own:
        if n in read and n in write and read[n] != write[n]:
            return None
        if n in read or n in write:
            moves[n] = read.get(n, write.get(n))
        else:
            moves[n] = n  # a position in the kernel
    if any(m not in names for m in moves.values()) or len(set(moves.values())) < len(moves):
        return None
    if any(a.size > 1 and n not in moves.values() for n, a in shape.items()):
        return None
    kernel = [n for n in effect.own if n not in read and n not in write]
    if (kernel or z.windows) and not _fits(effect, z):
        return None
    # Every label that ties x to the result without M must do so in z as well.
    for n in effect.read:
        if n in effect.out and n not in effect.own and read[n] != write[n] and not z.windows:
            return None

    def embed(env: Environment, m: Tensor) -> Tensor:
        sizes = dict(zip(names, env.shape(z.inputs[at]), strict=True))
        order = [effect.own.index(n) for target in names for n in effect.own if moves[n] == target]
        m = m.permute(order)
        for d, target in enumerate(names):
            if target not in moves.values():
                m = m.unsqueeze(d)
            gap = sizes[target] - m.shape[d]
            if gap:
                pads = [0, 0] * (m.dim() - 1 - d) + [gap // 2, gap // 2]
                m = torch.nn.functional.pad(m, pads)
        return m

    return embed


def _fits(effect: Effect, z: p.Contract) -> bool:
    """Whether the smaller kernel sits in the middle of the larger with the same steps."""
    here, there = effect.geometry, _geometry(z)
    if len(here) != 3 or len(there) != 3 or isinstance(here[1], str) or isinstance(there[1], str):
        return False
    rank = len(here[0])
    weight = z.op.args[1].shape[2:]
    own = effect.kernel
    for d in range(rank):
        gap = weight[d] - own[d]
        if gap < 0 or gap % 2 or here[0][d] != there[0][d]:
            return False
        if own[d] > 1 and here[2][d] != there[2][d]:
            return False
        if (
            there[1][d] - here[1][d]
            != there[2][d] * (weight[d] - 1) // 2 - here[2][d] * (own[d] - 1) // 2
        ):
            return False
    return True


def _kernel(node: p.Contract, at: int) -> tuple[int, ...]:
    axes = node.inputs[at].axes
    pairs = zip(node.labels[at], axes, strict=True)
    return tuple(a.size for n, a in pairs if isinstance(n, tuple) and n[0] == "k")
