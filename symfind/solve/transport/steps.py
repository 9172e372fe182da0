"""Steps that carry a perturbation from wire to wire: small functions of values at a point.

A perturbation is a tensor with one dimension per dimension of its wire, of size one where it is
constant.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.einsum import einsum
from symfind.graph.index_map import Way
from symfind.graph.primitives import Node
from symfind.solve.point.images import fixed_map, measured
from symfind.solve.point.values import Environment
from symfind.solve.spans.relation import Relation

Step = Callable[[Environment, Tensor], Tensor]
_BACK = {
    Way.SAME: Way.SAME, Way.RESHAPED: Way.RESHAPED, Way.PART: Way.PIECE, Way.PIECE: Way.PART,
    Way.COPIED: Way.MIXED, Way.PICKED: Way.MIXED, Way.MIXED: Way.MIXED,
}  # fmt: skip


def forth(user: Node, at: int) -> Step:
    """A perturbation of an operand, in the result: along what is mixed it is constant."""
    x = user.inputs[at]  # a sum may lose operands later
    runs = [(r.ins, r.outs, r.way) for r in user.index_map(at)]
    return lambda env, t: _carried(env, t, x, user, runs, user.begin(at, env.sizes))


def back(user: Node, at: int) -> Step:
    """What an operand must be perturbed by for a perturbation of the result."""
    x = user.inputs[at]
    runs = [(r.outs, r.ins, _BACK[r.way]) for r in user.index_map(at)]
    return lambda env, t: _carried(env, t, user, x, runs, user.begin(at, env.sizes))


def _carried(
    env: Environment, t: Tensor, one: Node, two: Node, runs: Sequence[tuple], start: int
) -> Tensor:
    """A perturbation of one wire as one of another, run by run."""
    sizes = env.shape(two)
    lengths: list[int] = []
    for ins, outs, way in runs:
        t, made = _along(env, t, one, ins, [sizes[d] for d in outs], way, start)
        lengths.extend(made)
    used, order = ([d for run in runs for d in run[side]] for side in (0, 1))
    t = t.permute([*used, *(d for d in range(t.dim()) if d not in used)])
    order += [d for d in range(len(sizes)) if d not in order]
    t = t.reshape(lengths + [1] * (len(sizes) - len(lengths)))
    return t.permute([order.index(d) for d in range(len(sizes))])


def _along(
    env: Environment,
    t: Tensor,
    one: Node,
    ins: Sequence[int],
    full: list[int],
    way: Way,
    start: int,
) -> tuple[Tensor, list[int]]:
    """One run made ready to be reshaped, and the lengths that it is given."""
    constant = all(t.shape[d] == 1 for d in ins)
    if way is Way.SAME:
        return t, [t.shape[ins[0]]]
    if way is Way.RESHAPED and not constant:
        whole = env.shape(one)
        return t.expand([whole[d] if d in ins else -1 for d in range(t.dim())]), full
    if way is Way.PART and (not constant or one.axes[ins[0]].size == 1):
        return t.narrow(ins[0], start, full[0]), full
    if way is Way.PIECE:
        return _embedded(t, ins[0], env.shape(one)[ins[0]], start, full[0]), full
    if way is Way.MIXED or way is Way.PICKED or way is Way.COPIED:
        for d in ins:
            t = t.narrow(d, 0, 1)
    return t, [1] * len(full)


def _embedded(t: Tensor, dim: int, n: int, start: int, whole: int) -> Tensor:
    """A range of one dimension, zero elsewhere."""
    t = t.expand([n if d == dim else -1 for d in range(t.dim())])
    shape = list(t.shape)

    def zeros(length: int) -> Tensor:
        return t.new_zeros([length if d == dim else s for d, s in enumerate(shape)])

    return torch.cat([zeros(start), t, zeros(whole - start - n)], dim)


def level(user: p.Join) -> Step:
    """What one piece is constant along, said of all of them."""
    return lambda env, t: t.narrow(user.dim, 0, 1)


def total(node: Node) -> float | None:
    """By what a sum over dimensions that disappear is multiplied, None where it is no sum."""
    base = getattr(node.op, "base", "")
    if type(node) is not p.Mix or not node.drop or base not in ("sum", "mean"):
        return None
    return 1.0 if base == "sum" else 1.0 / math.prod(node.inputs[0].shape[d] for d in node.dims)


def added_up(node: p.Mix, factor: float) -> Step:
    """A perturbation summed over dimensions that disappear."""

    def step(env: Environment, t: Tensor) -> Tensor:
        shape = env.shape(node.inputs[0])
        t = t.expand([n if d in node.dims else -1 for d, n in enumerate(shape)])
        return factor * t.sum(node.dims)

    return step


def mapped(user: p.Mix) -> Step | None:
    """A perturbation behind a fixed map of one dimension, None where that is not known."""
    fixed = fixed_map(user)
    if fixed is None:
        return None
    (dim,) = user.dims

    def step(env: Environment, t: Tensor) -> Tensor:
        matrix = measured(user, dim)
        if matrix is None or env.sizes is not None:
            raise LookupError(f"no matrix for {user.op}")
        n = matrix.shape[1]
        t = t.expand([n if d == dim else -1 for d in range(t.dim())])
        return (t.movedim(dim, -1) @ matrix.T.to(t)).movedim(-1, dim)

    return step


def centred(user: p.Centre) -> Step:
    """What is left of a perturbation once its mean is taken off."""

    def step(env: Environment, t: Tensor) -> Tensor:
        sizes = env.shape(user)
        t = t.expand([sizes[d] if d in user.dims else -1 for d in range(len(sizes))])
        return t - t.mean(user.dims, keepdim=True)

    return step


def differentiable(user: Node) -> bool:
    """Whether the value of a norm of parameters alone is known, and so is its derivative."""
    return isinstance(user, p.Normalise) and user.exact and not user.varies and not user.fixed


def derivative(user: Node) -> Step:
    """A perturbation of what no input reaches, behind a function of one operand."""

    def step(env: Environment, t: Tensor) -> Tensor:
        x = env.value(user.inputs[0])

        def value(x: Tensor) -> Tensor:
            found = user.evaluate([x], env.sizes)
            if found is None:
                raise LookupError(f"no value for {user.op}")
            return found

        return torch.func.jvp(value, (x,), (t.expand(x.shape).contiguous(),))[1]

    return step


def minus(env: Environment, t: Tensor) -> Tensor:
    """The opposite."""
    return -t


def negative(node: p.Source) -> Step:
    """Subtract the perturbation from a parameter."""
    return lambda env, t: -t.expand(env.shape(node))


def multiply(user: p.Contract, at: int, others: list) -> Step:
    """A contraction with wires that no input reaches."""

    def step(env: Environment, t: Tensor) -> Tensor:
        # A dimension of size one stands for a constant: it is expanded where it is summed.
        shape = env.shape(user.inputs[at])
        names = user.labels[at]
        full = [
            n if name not in user.out and not user.slid(name) else s
            for s, n, name in zip(t.shape, shape, names, strict=True)
        ]
        t = t.expand(full)
        kept = [n for n, s in zip(names, t.shape, strict=True) if s != 1 or n not in user.out]
        squeezed = t.reshape([s for n, s in zip(names, t.shape, strict=True) if n in kept])
        return einsum(
            [squeezed, *(env.value(x) for _, x in others)],
            [kept, *(user.labels[i] for i, _ in others)],
            user.out,
        )

    return step


def pass_average(user: p.Contract, at: int) -> Step:
    """Weights that sum to one leave a constant as it is."""
    names = user.labels[at]

    def step(env: Environment, t: Tensor) -> Tensor:
        for d, name in enumerate(names):
            if name not in user.out:
                t = t.narrow(d, 0, 1)
        kept = [n for n in names if n in user.out]
        t = t.reshape([s for s, n in zip(t.shape, names, strict=True) if n in user.out])
        order = [kept.index(n) for n in user.out if n in kept]
        t = t.permute(order)
        for d, name in enumerate(user.out):
            if name not in kept:
                t = t.unsqueeze(d)
        return t

    return step


def unaverage(user: p.Contract, at: int) -> Step:
    """What an averaged wire must be perturbed by for a constant of the average."""
    names = user.labels[at]

    def step(env: Environment, t: Tensor) -> Tensor:
        for d, name in reversed(list(enumerate(user.out))):
            if name not in names:
                t = t.narrow(d, 0, 1).squeeze(d)
        kept = [n for n in user.out if n in names]
        t = t.permute([kept.index(n) for n in names if n in kept])
        for d, name in enumerate(names):
            if name not in kept:
                t = t.unsqueeze(d)
        return t

    return step


def against(node: p.Contract, at: int, relation: Relation, summed: list) -> Step:
    """Minus the perturbation against kappa: what a weight adds to produce it."""
    names = node.labels[at]

    def step(env: Environment, t: Tensor) -> Tensor:
        kappa, c = relation.vector(env)[0], relation.constant(env)[0]
        free = [n for n in names if n in node.out]
        for d, name in reversed(list(enumerate(node.out))):
            if name not in free:
                t = t.narrow(d, 0, 1).squeeze(d)
        order = [n for n in node.out if n in free]
        shape = dict(zip(names, env.shape(node.inputs[at]), strict=True))
        t = t.expand([shape[n] for n in order])
        return einsum([t / c, kappa], [order, summed], names)

    return step
