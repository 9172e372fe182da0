"""Steps that carry a perturbation from wire to wire: small functions of values at a point.

A perturbation is a tensor with one dimension per dimension of its wire, of size one where it is
constant.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.solve.point.values import Environment, einsum
from symfind.solve.spans.relations import Relation
from symfind.solve.transport.state import groups

Step = Callable[[Environment, Tensor], Tensor]


def pad_rank(user: Node, x: Node) -> Step:
    """An operand of lower rank, in the rank of the result."""
    offset = len(user.axes) - len(x.axes)
    return lambda env, t: t.reshape([1] * offset + list(t.shape))


def drop_rank(user: Node, x: Node) -> Step:
    """The part of a perturbation that an operand of lower rank can carry."""
    offset = len(user.axes) - len(x.axes)
    ones = [d for d, a in enumerate(x.axes) if a.size == 1]

    def step(env: Environment, t: Tensor) -> Tensor:
        for d in range(offset):
            t = t.narrow(d, 0, 1)
        t = t.reshape(t.shape[offset:])
        for d in ones:
            t = t.narrow(d, 0, 1)
        return t

    return step


def reshape(x: Node, y: Node) -> Step:
    """A reshape of the runs of dimensions along which the perturbation varies."""
    runs = groups(x.axes, y.axes)

    def step(env: Environment, t: Tensor) -> Tensor:
        full, new = list(t.shape), [1] * len(y.axes)
        sizes_in, sizes_out = env.shape(x), env.shape(y)
        for ins, outs in runs:
            if all(t.shape[d] == 1 for d in ins):
                continue
            for d in ins:
                full[d] = sizes_in[d]
            for d in outs:
                new[d] = sizes_out[d]
        return t.expand(full).reshape(new)

    return step


def narrow(user: p.Narrow) -> Step:
    """The range that is read."""

    def step(env: Environment, t: Tensor) -> Tensor:
        if t.shape[user.dim] == 1 and user.inputs[0].axes[user.dim].size != 1:
            return t
        return t.narrow(user.dim, env.start(user), env.shape(user)[user.dim])

    return step


def unnarrow(node: p.Narrow) -> Step:
    """Zero outside the range."""

    def step(env: Environment, t: Tensor) -> Tensor:
        n = env.shape(node)[node.dim]
        whole = env.shape(node.inputs[0])[node.dim]
        if t.shape[node.dim] != n:
            t = t.expand([n if d == node.dim else -1 for d in range(t.dim())])
        start = env.start(node)
        shape = list(t.shape)
        before = t.new_zeros([start if d == node.dim else s for d, s in enumerate(shape)])
        rest = whole - start - n
        after = t.new_zeros([rest if d == node.dim else s for d, s in enumerate(shape)])
        return torch.cat([before, t, after], node.dim)

    return step


def embed(user: p.Join, at: int) -> Step:
    """One piece of a concatenation, zero elsewhere."""

    def step(env: Environment, t: Tensor) -> Tensor:
        sizes = [env.shape(x)[user.dim] for x in user.inputs]
        t = t.expand([sizes[at] if d == user.dim else -1 for d in range(t.dim())])
        shape = list(t.shape)

        def zeros(n: int) -> Tensor:
            return t.new_zeros([n if d == user.dim else s for d, s in enumerate(shape)])

        return torch.cat([zeros(sum(sizes[:at])), t, zeros(sum(sizes[at + 1 :]))], user.dim)

    return step


def piece(node: p.Join, at: int) -> Step:
    """What falls to one piece of a concatenation."""

    def step(env: Environment, t: Tensor) -> Tensor:
        if t.shape[node.dim] == 1 and node.axes[node.dim].size != 1:
            return t
        sizes = [env.shape(x)[node.dim] for x in node.inputs]
        return t.narrow(node.dim, sum(sizes[:at]), sizes[at])

    return step


def level(user: p.Join) -> Step:
    """What one piece is constant along, said of all of them."""
    return lambda env, t: t.narrow(user.dim, 0, 1)


def take(user: p.Take) -> Step:
    """A constant along the table is the same constant at every pick."""
    picks = len(user.axes) - len(user.inputs[0].axes) + 1

    def step(env: Environment, t: Tensor) -> Tensor:
        t = t.narrow(user.dim, 0, 1)
        return t.reshape([*t.shape[: user.dim], *([1] * picks), *t.shape[user.dim + 1 :]])

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
            n if name not in user.out and not slides(name) else s
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


def slides(name: object) -> bool:
    """Whether a label is one that a window slides over."""
    return isinstance(name, tuple) and name[0] == "in"
