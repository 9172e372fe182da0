"""How one parameter makes a wire that no input reaches take any value near its own.

A wire is made of parameters by sums, products and smooth functions. Where every small change δ of
it is made by one of these parameters alone, a right inverse of the derivative says how: δ divided
by the slope of a function, by a gain, or times the pseudo-inverse of a matrix that is no wider
than what it reads.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.primitives import Node
from symfind.graph.wires import ancestors
from symfind.ops.formulas import never_flat
from symfind.solve.point.regular import regular
from symfind.solve.point.values import Environment
from symfind.solve.transport import steps
from symfind.solve.transport.absorption import disjoint
from symfind.solve.transport.inverse import made_by, solved
from symfind.trace.graph import Op
from symfind.trace.kernels import run

Back = Callable[[Environment, Tensor], Tensor]


@dataclass(frozen=True)
class Making:
    """A parameter, and what of it makes a change of a wire."""

    source: p.Source
    back: Back
    part: Node  # what of the parameter moves: it, or a range of it
    bends: int = 0  # functions and norms between it and the wire
    normed: bool = False  # whether a norm is among them

    def after(self, step: Back, bends: int = 0, normed: bool = False) -> "Making":
        """The same for a wire whose change passes one more step first."""
        back = self.back
        return Making(
            self.source, lambda env, t: back(env, step(env, t)), self.part,
            self.bends + bends, self.normed or normed,
        )  # fmt: skip


def straightest(node: Node) -> Making | None:
    """What makes any change of a wire with the fewest functions between, None for nothing."""
    return min(makings(node), key=lambda making: making.bends, default=None)


def makings(node: Node) -> Iterator[Making]:
    """All parameters that make any change of a wire, those that are met first before others.

    A norm that takes the mean off is left out, of which only what sums to zero can be made.
    """
    if node.varies or node.fixed or node.orders:
        return
    match node:
        case p.Source():
            if _plain(node):
                yield Making(node, lambda env, t: t, node)
        case p.Narrow() if isinstance(node.inputs[0], p.Source):
            if _plain(node.inputs[0]) and disjoint(node.inputs[0]):
                yield Making(node.inputs[0], steps.back(node, 0), node)
        case p.Pointwise() | p.Normalise(centred=False):
            inverse = inverse_slope(node)
            if inverse is not None:
                yield from _behind(
                    node.inputs[0], inverse, curved(node), isinstance(node, p.Normalise)
                )
        case p.Movement() if node.once:
            yield from _behind(node.inputs[0], steps.back(node, 0))
        case p.Add():
            for x, sign in zip(node.inputs, node.signs, strict=True):
                if math.prod(x.shape) == math.prod(node.shape):
                    yield from _behind(x, _divided(x, sign))
        case p.Contract() if len(node.inputs) == 2 and not node.windows:
            for at in (0, 1):
                step = _factor(node, at)
                if step is not None:
                    yield from _behind(node.inputs[at], step)
                yield from _behind_norm(node, at)


def _plain(source: p.Source) -> bool:
    return source.role == "parameter" and source.offset is None and not source.followers


def _behind(x: Node, step: Back, bends: int = 0, normed: bool = False) -> Iterator[Making]:
    if len(x.users) == 1:
        for making in makings(x):
            yield making.after(step, bends, normed)


def _behind_norm(node: p.Contract, at: int) -> Iterator[Making]:
    """What makes a product by rows of a norm, which keep their length and their sum."""
    found = _normed(node.inputs[at])
    if found is None or len(node.inputs[at].users) != 1:
        return
    norm, gains, sign = found
    mine = [node.labels[at][d] for d in norm.dims]
    made = made_by(node, at, 1 + norm.centred)
    if made is None or set(mine) != set(made[0]) or norm.varies or not norm.exact:
        return
    if len(norm.inputs[0].users) == 1:
        step = _turned(node, at, norm, gains, sign)
        yield from (making.after(step, 1, True) for making in makings(norm.inputs[0]))


def _normed(x: Node) -> tuple[p.Normalise, list[tuple[Node, int]], float] | None:
    """A norm, gains along what it runs over, with how many dimensions stand before, and a sign."""
    match x:
        case p.Normalise():
            return x, [], 1.0
        case p.Add():
            for z, sign in zip(x.inputs, x.signs, strict=True):
                found = _normed(z) if z.shape == x.shape and len(z.users) == 1 else None
                if found is not None:
                    return found[0], found[1], sign * found[2]
        case p.Contract() if len(x.inputs) == 2 and not x.windows:
            for z, gain, own, theirs in ((x.inputs[i], x.inputs[1 - i], x.labels[i],
                                          x.labels[1 - i]) for i in (0, 1)):  # fmt: skip
                plain = own == x.out and z.shape == x.shape and len(z.users) == 1
                found = _normed(z) if plain and not gain.varies and regular(gain) else None
                lead = len(own) - len(theirs)
                if found is None or lead < 0 or theirs != own[lead:]:
                    continue
                if all(d + lead in found[0].dims for d, a in enumerate(gain.axes) if a.size > 1):
                    return found[0], [*found[1], (gain, lead)], found[2]
    return None


def _turned(
    node: p.Contract, at: int, norm: p.Normalise, gains: Sequence[tuple[Node, int]], sign: float
) -> Back:
    """The smallest change of the rows that keeps their sum, then one that keeps their length."""
    found = made_by(node, at, 0)
    if found is None:
        raise AssertionError("a product that can be made")
    mine, theirs, other = node.labels[at], node.labels[1 - at], node.inputs[1 - at]
    summed = [mine[d] for d in norm.dims]
    _, shared, new = found

    def step(env: Environment, t: Tensor) -> Tensor:
        y = env.value(norm)
        size = dict(zip(theirs, env.shape(other), strict=True))
        gain = torch.full([1] * y.dim(), sign, **env.like)
        for wire, before in gains:
            gain = gain * env.value(wire).reshape([1] * before + list(env.shape(wire)))
        shape = [env.shape(norm)[d] if d in norm.dims else 1 for d in range(y.dim())]
        along = gain.expand(shape).reshape([n for d, n in enumerate(shape) if d in norm.dims])
        m = einsum([env.value(other), along], [theirs, summed], [*shared, *summed, *new])
        lead, inner, outer = ([size[n] for n in some] for some in (shared, summed, new))
        flat = m.reshape(*lead, math.prod(inner), -1)
        flat = flat - flat.mean(-2, keepdim=True) if norm.centred else flat
        inverse = torch.linalg.pinv(flat).reshape(*lead, *outer, *inner)
        names = [*shared, *new, *summed]
        change = einsum([t, inverse], [node.out, names], mine)
        seen = einsum([y, flat.reshape(*lead, *inner, *outer)], [mine, [*shared, *summed, *new]],
                      node.out)  # fmt: skip
        kernel = y - einsum([seen, inverse], [node.out, names], mine)
        length = (y * kernel).sum(norm.dims, keepdim=True)
        change = change - kernel * (y * change).sum(norm.dims, keepdim=True) / length
        return _norm_back(env, norm, change)

    return step


def _divided(x: Node, sign: float) -> Back:
    return lambda env, t: (t / sign).reshape(env.shape(x))


def _factor(node: p.Contract, at: int) -> Back | None:
    """What one factor of a product makes, the other standing still."""
    x, other = node.inputs[at], node.inputs[1 - at]
    found = made_by(node, at, 0)
    if found is None:
        return None
    summed, _, made = found
    if summed:
        return solved(node, at, summed, made)
    alone = not made and regular(other) and x.shape == node.shape
    return _quotient(node, at) if alone else None


def _quotient(node: p.Contract, at: int) -> Back:
    names, other = node.labels[1 - at], node.inputs[1 - at]

    def step(env: Environment, t: Tensor) -> Tensor:
        quotient = t / einsum([env.value(other)], [names], node.out)
        return quotient.reshape(env.shape(node.inputs[at]))

    return step


def curved(node: Node) -> bool:
    """Whether a wire is a function or a norm of one other, and not linear."""
    function = isinstance(node, p.Pointwise) and node.slope is None
    return function or isinstance(node, p.Normalise)


# slopes ----------------------------------------------------------------------------------
def function_of(node: p.Pointwise) -> Callable[[Tensor], Tensor] | None:
    """A function of one entry as torch has it, None where it is flat somewhere or not known."""
    op = node.op
    if node.slope is not None and math.isfinite(node.slope):
        slope = node.slope
        return lambda t: slope * t
    if not isinstance(op, Op) or not never_flat(op.base):
        return None
    if node.apply is not None:
        apply: Callable[[Tensor], Tensor] = node.apply
        return apply
    operand = node.inputs[0].result_of
    plain = node.result_of is op and operand is not None and op.args and op.args[0] is operand
    return entries_of(op) if plain else None


def entries_of(op: Op) -> Callable[[Tensor], Tensor] | None:
    """What an operation makes of its first operand, where it has no other."""
    if any(isinstance(a, Op) for a in (*op.args[1:], *op.kwargs.values())):
        return None
    return lambda t: run(op, (t, *op.args[1:]), op.kwargs, t.device)


def slope_of(env: Environment, node: p.Pointwise) -> Tensor:
    """The derivative of every entry, computed once at each point."""
    if node not in env.slopes:
        env.slopes[node] = _slope(env, node)
    return env.slopes[node]


def _slope(env: Environment, node: p.Pointwise) -> Tensor:
    function = function_of(node)
    if function is None:
        raise LookupError(f"the slope of {node.op} is not known")
    x = env.value(node.inputs[0])
    if torch._C._are_functorch_transforms_active():
        return torch.func.jvp(function, (x,), (torch.ones_like(x),))[1]
    with forward_ad.dual_level():  # the same in a fifth of the time
        tangent = forward_ad.unpack_dual(function(forward_ad.make_dual(x, torch.ones_like(x))))[1]
    return torch.zeros_like(x) if tangent is None else tangent


def inverse_slope(node: Node) -> Back | None:
    """From a change of a smooth function to that of its operand; of a norm, where it has one."""
    if isinstance(node, p.Pointwise):
        return None if function_of(node) is None else lambda env, t: t / slope_of(env, node)
    if isinstance(node, p.Normalise) and node.exact and node.eps > 0:
        return lambda env, t: _norm_back(env, node, t)
    return None


def free_value(env: Environment, node: Node) -> Tensor:
    """A wire, and of a norm that takes the mean off also this: what is as free as its operand."""
    value = env.value(node)
    if isinstance(node, p.Normalise) and node.centred:
        value = value + env.value(node.inputs[0]).mean(node.dims, keepdim=True)
    return value


def _norm(env: Environment, node: p.Normalise) -> tuple[Tensor, Tensor]:
    """What is divided, after its mean is taken off, and what it is divided by."""
    x = env.value(node.inputs[0])
    x = x - x.mean(node.dims, keepdim=True) if node.centred else x
    return x, (x.square().mean(node.dims, keepdim=True) + node.eps).sqrt()


def _norm_forth(env: Environment, node: p.Normalise, t: Tensor) -> Tensor:
    x, r = _norm(env, node)
    t = t - t.mean(node.dims, keepdim=True) if node.centred else t
    return t / r - x * (x * t).mean(node.dims, keepdim=True) / r**3


def _norm_back(env: Environment, node: p.Normalise, t: Tensor) -> Tensor:
    """With y = x / r and r² = mean x² + ε: δx = r δy + x r² mean(y δy) / ε.

    Where the mean is taken off, that of a change is the operand's.
    """
    x, r = _norm(env, node)
    mean = t.mean(node.dims, keepdim=True) if node.centred else torch.zeros_like(r)
    t = t - mean
    if not node.eps:
        return mean + r * t
    return mean + r * t + x * r**2 * (x / r * t).mean(node.dims, keepdim=True) / node.eps


# forth -----------------------------------------------------------------------------------
def followed(node: Node) -> bool:
    """Whether changes of parameters can be followed to a wire."""
    return all(n.fixed or _linearised(n) for n in ancestors([node]))


def _linearised(node: Node) -> bool:
    """Whether the change of a wire by those of its operands is known."""
    known = isinstance(
        node, p.Source | p.View | p.Permute | p.Expand | p.Narrow | p.Join | p.Add | p.Centre
    )
    known |= isinstance(node, p.Contract) and not node.windows
    known |= isinstance(node, p.Pointwise) and function_of(node) is not None
    known |= isinstance(node, p.Normalise) and node.exact
    known |= isinstance(node, p.Softmax) and not node.partial
    known |= isinstance(node, p.Mix) and steps.total(node) is not None
    return known and (isinstance(node, p.Source) or not node.orders)


def tangent(env: Environment, node: Node, moves: Mapping[p.Source, Tensor]) -> Tensor | None:
    """The change of a wire for changes of parameters; None for none at all."""
    known: dict[Node, Tensor | None] = {}

    def of(one: Node) -> Tensor | None:
        if one not in known:  # what is read several times is followed once
            known[one] = None if one.fixed else _moved(env, one, moves, of)
        return known[one]

    return of(node)


def _moved(
    env: Environment,
    node: Node,
    moves: Mapping[p.Source, Tensor],
    of: Callable[[Node], Tensor | None],
) -> Tensor | None:
    """The change of a wire by the changes of its operands."""
    if isinstance(node, p.Source):
        return moves.get(node)
    parts = [of(x) for x in node.inputs]
    first = next((t for t in parts if t is not None), None)
    if first is None:
        return None
    match node:
        case p.Contract():
            values = [env.value(x) for x in node.inputs]
            return torch.stack([
                einsum([*values[:i], t, *values[i + 1 :]], node.labels, node.out)
                for i, t in enumerate(parts) if t is not None
            ]).sum(0)  # fmt: skip
        case p.Pointwise():
            return slope_of(env, node) * first
        case p.Normalise():
            return _norm_forth(env, node, first)
        case p.Softmax():
            first = env.value(node) * first
            return first - env.value(node) * first.sum(node.dims, keepdim=True)
        case p.Mix():
            return first.sum(node.dims) * (steps.total(node) or 0.0)
    whole = [torch.zeros(env.shape(x), **env.like) if t is None else t
             for x, t in zip(node.inputs, parts, strict=True)]  # fmt: skip
    return node.evaluate(whole, env.sizes)
