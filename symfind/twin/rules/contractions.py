"""Products of wires, and normalisations with their gains."""

from collections.abc import Sequence

from symfind.algebra.axes import Axis, product
from symfind.trace import Op
from symfind.twin.relations import Least, Relations, Rewrite, relation


@relation("linear")
def linear(r: Relations, op: Op) -> None:
    """x Wᵀ + b on the last dimension."""
    x, weight, bias = (*op.args, None)[:3]
    *batch, inner = r.of(x)
    rows, columns = (*r.of(weight), None)[:2] if len(r.of(weight)) > 1 else (None, r.of(weight)[0])
    out = list(r.of(op))
    assert columns is not None
    r.same(inner, columns)
    if rows is not None:
        r.same(out.pop(), rows)
        if bias is not None:
            r.broadcast([rows], r.of(bias))
    for axis, old in zip(out, batch, strict=True):
        r.same(axis, old)


@relation("matmul", "mm", "bmm", "mv", "dot", "inner", "vdot")
def matmul(r: Relations, op: Op) -> None:
    """Batched matrix product."""
    multiply(r, r.of(op), r.of(op.args[0]), r.of(op.args[1]))


def multiply(r: Relations, out: Sequence[Axis], x: Sequence[Axis], y: Sequence[Axis]) -> None:
    """The axes of a batched matrix product; vectors lose their dimension."""
    r.same(x[-1], y[-2] if len(y) > 1 else y[-1])
    out, left, right = list(out), list(x[:-1]), list(y[:-2])
    if len(y) > 1:
        r.same(out.pop(), y[-1])
    if left:
        r.same(out.pop(), left.pop())
    r.broadcast(out, left, right)
    if left and right:
        r.copies += out


@relation("addmm", "addmv", "baddbmm", "addbmm")
def addmm(r: Relations, op: Op) -> None:
    """A matrix product with something added."""
    bias, x, y = op.args[:3]
    multiply(r, r.of(op), r.of(x), r.of(y))
    r.broadcast(r.of(op), r.of(bias))


@relation("outer", "ger")
def outer(r: Relations, op: Op) -> None:
    """x yᵀ."""
    for axis, x in zip(r.of(op), op.args[:2], strict=True):
        r.same(axis, r.of(x)[0])


@relation("einsum")
def einsum(r: Relations, op: Op) -> None:
    """A contraction in index notation."""
    equation, operands = op.args[:2]
    source, _, target = equation.replace(" ", "").partition("->")
    terms = source.split(",")
    if "." in equation or not target:
        r.pin_all()
        return
    known: dict[str, Axis] = {}
    for names, axes in [
        *((n, r.of(x)) for n, x in zip(terms, operands, strict=True)),
        (target, r.of(op)),
    ]:
        for name, axis in zip(names, axes, strict=True):
            if known.setdefault(name, axis).size == axis.size:
                r.same(known[name], axis)
    r.copies += [known[n] for n in set(target) if all(n in t for t in terms) and len(terms) > 1]


@relation("scaled_dot_product_attention")
def attention(r: Relations, op: Op) -> None:
    """softmax(q kᵀ) v; fewer keys than queries where groups share them."""
    query, key, value, mask = (*op.args, None, None)[:4]
    q, k, v, out = r.of(query), r.of(key), r.of(value), r.of(op)
    r.same(q[-1], k[-1])
    r.same(v[-1], out[-1])
    r.same(k[-2], v[-2])
    r.same(q[-2], out[-2])
    r.broadcast(out[:-2], q[:-2])
    r.broadcast(k[:-2], v[:-2])
    for shared, each in zip(k[:-2], q[:-2], strict=False):
        if shared.size == each.size:
            r.same(shared, each)
        elif shared.size > 1:
            group = Axis(each.size // shared.size)
            r.flattened(each, [shared, group])
    r.copies += out[:-2]
    if isinstance(mask, Op):
        r.broadcast([*out[:-2], q[-2], k[-2]], r.of(mask))


# normalisation -----------------------------------------------------------------------------------
@relation("layer_norm", "rms_norm", "_fused_rms_norm", "native_layer_norm")
def layer_norm(r: Relations, op: Op) -> Rewrite:
    """Over the trailing dimensions."""
    x = r.of(op.args[0])
    tail = x[len(x) - len(op.args[1]) :]
    r.broadcast(r.axes[id(op)][0], x)
    for statistic in r.axes[id(op)][1:]:
        for axis, old in zip(statistic, x, strict=True):
            if axis.size == old.size:
                r.same(axis, old)
    for gain in op.operands[1:]:
        r.broadcast(tail, r.of(gain))
    r.least.append(Least(tail[-1], min(4, tail[-1].size)))  # two centred entries are but a sign
    return Rewrite({1: lambda e: [e(a) for a in tail]})


@relation("batch_norm", "instance_norm")
def batch_norm(r: Relations, op: Op) -> None:
    """Channels are the second dimension."""
    x = r.of(op.args[0])
    r.broadcast(r.of(op), x)
    for vector in op.operands[1:]:
        r.same(x[1], r.of(vector)[0])
    if op.args[5]:  # statistics of the batch
        r.least.append(Least(x[0], min(8, x[0].size)))


@relation("group_norm")
def group_norm(r: Relations, op: Op) -> Rewrite:
    """Channels in groups."""
    x = r.of(op.args[0])
    r.broadcast(r.of(op), x)
    groups, rest = Axis(op.args[1]), Axis(x[1].size // op.args[1])
    r.same(x[1], product([groups, rest]))
    r.copies.append(groups)
    r.least.append(Least(rest, min(4, rest.size)))
    for vector in op.operands[1:]:
        r.same(x[1], r.of(vector)[0])
    return Rewrite({1: lambda e: e(groups)})


@relation("_weight_norm")
def weight_norm(r: Relations, op: Op) -> None:
    """A direction and lengths."""
    r.broadcast(r.of(op), r.of(op.args[0]), r.of(op.args[1]))


@relation("bilinear")
def bilinear(r: Relations, op: Op) -> None:
    """xᵀ W y."""
    x, y, weight = (r.of(a) for a in op.args[:3])
    r.same(x[-1], weight[1])
    r.same(y[-1], weight[2])
    r.same(r.of(op)[-1], weight[0])
    r.broadcast(r.of(op)[:-1], x[:-1], y[:-1])
    for bias in op.operands[3:]:
        r.same(r.of(bias)[0], weight[0])


@relation("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(r: Relations, op: Op) -> None:
    """Gates are stacked in the rows of the weights: one direction, one batch layout."""
    target = op.target
    gates = 4 if "lstm" in target else 3 if "gru" in target else 1
    x, states, weights, biases, layers, _, _, both, _ = (*op.args, False)[:9]
    if not target.endswith(".input") or both:
        r.pin_all()
        return
    states = [states] if isinstance(states, Op) else list(states)
    first, *more = r.axes[id(op)]
    hidden = first[-1]
    for a, b in zip(first[:-1], r.of(x)[:-1], strict=True):
        r.same(a, b)
    batch = first[1 if first[0].size == r.of(x)[0].size and not op.args[-1] else 0]
    for state in [*(r.of(s) for s in states), *more]:
        r.same(state[-1], hidden)
        r.same(state[-2], batch)
        r.pin(state[0])
    per = len(weights) // layers
    for number, weight in enumerate(weights):
        axes = r.of(weight)
        r.concatenated(axes[0], [hidden] * gates)
        if number % per == 0:
            r.same(axes[1], r.of(x)[-1] if number == 0 else hidden)
        elif number % per == 1:
            r.same(axes[1], hidden)
