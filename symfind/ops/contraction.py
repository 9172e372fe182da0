"""Matrix products and everything that is one: linear, matmul, einsum, outer, bilinear."""

from collections.abc import Sequence
from typing import Any

import torch

from symfind.algebra.axes import Axis
from symfind.graph.builder import Builder
from symfind.graph.extents import Relations
from symfind.graph.primitives import Node
from symfind.ops.registry import exact, lower, sizes
from symfind.residues.tape import Refusal, Tape, Value
from symfind.trace import Op


@lower("linear")
def linear(b: Builder, x: Node, weight: Node, bias: Node | None = None) -> Node:
    """x Wᵀ + b on the last dimension."""
    batch = list(range(len(x.axes) - 1))
    if len(weight.axes) == 1:
        y = b.contract([x, weight], [[*batch, "i"], ["i"]], batch)
    else:
        y = b.contract([x, weight], [[*batch, "i"], ["o", "i"]], [*batch, "o"])
    return y if bias is None else b.add(y, bias)


@sizes("linear")
def linear_sizes(r: Relations, op: Op) -> None:
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


@exact("linear")
def linear_exact(t: Tape, x: Any, weight: Any, bias: Any = None) -> Value:
    """x Wᵀ + b."""
    y = t.bilinear(torch.nn.functional.linear, t.lift(x), t.lift(weight))
    return y if bias is None else t.add(y, t.lift(bias))


@lower("matmul", "mm", "bmm", "mv", "dot")
def matmul(b: Builder, x: Node, y: Node) -> Node:
    """Batched matrix product with broadcasting; vectors lose their dimension."""
    left, right = len(x.axes), len(y.axes)
    rank = max(left, right) - 2
    xl = [*(range(rank - left + 2, rank)), "m", "k"] if left > 1 else ["k"]
    yl = [*(range(rank - right + 2, rank)), "k", "n"] if right > 1 else ["k"]
    out = [*range(max(rank, 0)), *(["m"] if left > 1 else []), *(["n"] if right > 1 else [])]
    return b.contract([x, y], [xl, yl], out)


@sizes("matmul", "mm", "bmm", "mv", "dot", "inner", "vdot")
def matmul_sizes(r: Relations, op: Op) -> None:
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


@exact("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner")
def matmul_exact(t: Tape, x: Any, y: Any) -> Value:
    """Products of matrices; `inner` is only met with vectors."""
    return t.bilinear(torch.matmul, t.lift(x), t.lift(y))


@lower("addmm")
def addmm(b: Builder, bias: Node, x: Node, y: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """beta bias + alpha x y."""
    return b.add(bias, matmul(b, x, y), signs=[float(beta), float(alpha)])


@sizes("addmm", "addmv", "baddbmm", "addbmm")
def addmm_sizes(r: Relations, op: Op) -> None:
    """A matrix product with something added."""
    bias, x, y = op.args[:3]
    multiply(r, r.of(op), r.of(x), r.of(y))
    r.broadcast(r.of(op), r.of(bias))


@exact("addmm", "baddbmm", "addmv", "addbmm")
def addmm_exact(t: Tape, bias: Any, x: Any, y: Any, *, beta: Any = 1, alpha: Any = 1) -> Value:
    """beta bias + alpha x y."""
    product = t.scale(matmul_exact(t, x, y), alpha)
    return t.add(t.scale(t.lift(bias), beta), product)


@lower("baddbmm", "addmv")
def baddbmm(b: Builder, bias: Node, x: Node, y: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """Batched addmm."""
    if beta == 0:
        return b.scale(matmul(b, x, y), float(alpha))
    return b.add(bias, matmul(b, x, y), signs=[float(beta), float(alpha)])


@lower("transformers::grouped_mm_fallback", "_grouped_mm")
def grouped_matmul(b: Builder, x: Node, weight: Node, *ends: object) -> Node:
    """Rows sorted by expert, one matrix each: as if all experts had equally many rows.

    How many rows there really are is up to the data; what commutes does so for any number.
    """
    if (len(x.axes), len(weight.axes)) != (2, 3):
        return b.opaque([x, weight, *ends], b.op.shape, "groups along another dimension")
    return b.reading(_experts(b, x, weight), *(end for end in ends if isinstance(end, Node)))


def _experts(b: Builder, x: Node, weight: Node) -> Node:
    """Rows in groups, the same number for each expert."""
    (n, k), (e, _k, o) = x.shape, weight.shape
    if n % e:
        # The index of the expert is not to be seen in the rows: one change of basis for all.
        chosen = b.source("input", [n, e])
        return b.contract([x, chosen, weight], ["ni", "ne", "eio"], "no")
    rows = b.view(x, [e, n // e, k])
    y = b.contract([rows, weight], ["emi", "eio"], "emo")
    return b.view(y, [n, o])


@lower("outer")
def outer(b: Builder, x: Node, y: Node) -> Node:
    """x yᵀ."""
    return b.contract([x, y], [["m"], ["n"]], ["m", "n"])


@sizes("outer", "ger")
def outer_sizes(r: Relations, op: Op) -> None:
    """x yᵀ."""
    for axis, x in zip(r.of(op), op.args[:2], strict=True):
        r.same(axis, r.of(x)[0])


@exact("outer")
def outer_exact(t: Tape, x: Any, y: Any) -> Value:
    """x yᵀ."""
    return t.bilinear(torch.outer, t.lift(x), t.lift(y))


@lower("einsum")
def einsum(b: Builder, equation: str, operands: Sequence[Node], path: object = None) -> Node:
    """A contraction in index notation; a repeated index within one operand is not understood."""
    source, _, target = equation.replace(" ", "").partition("->")
    terms = source.split(",")
    named = []
    for term, operand in zip(terms, operands, strict=True):
        letters = [c for c in term.replace("...", ".")]
        if "." in letters:
            at = letters.index(".")
            hidden = len(operand.axes) - len(letters) + 1
            letters[at : at + 1] = [f".{i}" for i in range(-hidden, 0)]
        named.append(letters)
    seen = [c for letters in named for c in letters]
    dots = sorted({c for c in seen if c.startswith(".")}, key=lambda c: int(c[1:]))
    if "->" in equation:
        out: list[str] = []
        for c in target.replace("...", "."):
            out.extend(dots if c == "." else [c])
    else:
        out = dots + sorted(c for c in set(seen) if seen.count(c) == 1 and c not in dots)
    if any(len(set(letters)) < len(letters) for letters in named):
        shape = [_size(named, operands, c) for c in out]
        return b.opaque(operands, shape, "einsum with a diagonal")
    return b.contract(operands, named, out)


def _size(named: Sequence[Sequence[str]], operands: Sequence[Node], letter: str) -> int:
    return max(
        axis.size
        for letters, operand in zip(named, operands, strict=True)
        for c, axis in zip(letters, operand.axes, strict=True)
        if c == letter
    )


@sizes("einsum")
def einsum_sizes(r: Relations, op: Op) -> None:
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


@exact("einsum")
def einsum_exact(t: Tape, equation: str, operands: Sequence[Any], path: object = None) -> Value:
    """A contraction of one, two, or (pair by pair) more operands."""
    values = [t.lift(o) for o in operands]
    if len(values) == 1:
        return t.linear(lambda a: torch.einsum(equation, a), values[0])
    terms, arrow, target = equation.replace(" ", "").partition("->")
    names = terms.split(",")
    if len(values) > 2 and (not arrow or "." in equation):
        raise Refusal("contracts more than two operands with dots or without an arrow")
    while len(values) > 2:
        kept = [c for c in dict.fromkeys(names[0] + names[1]) if c in target + "".join(names[2:])]
        pair = f"{names[0]},{names[1]}->{''.join(kept)}"
        values = [_pair(t, pair, values[0], values[1]), *values[2:]]
        names = ["".join(kept), *names[2:]]
    return _pair(t, ",".join(names) + arrow + target, values[0], values[1])


def _pair(t: Tape, equation: str, x: Value, y: Value) -> Value:
    return t.bilinear(lambda a, b: torch.einsum(equation, a, b), x, y)


@lower("bilinear")
def bilinear(b: Builder, x: Node, y: Node, weight: Node, bias: Node | None = None) -> Node:
    """xᵀ W y for every output."""
    batch = list(range(len(x.axes) - 1))
    z = b.contract([x, weight, y], [[*batch, "i"], ["o", "i", "j"], [*batch, "j"]], [*batch, "o"])
    return z if bias is None else b.add(z, bias)


@sizes("bilinear")
def bilinear_sizes(r: Relations, op: Op) -> None:
    """xᵀ W y."""
    x, y, weight = (r.of(a) for a in op.args[:3])
    r.same(x[-1], weight[1])
    r.same(y[-1], weight[2])
    r.same(r.of(op)[-1], weight[0])
    r.broadcast(r.of(op)[:-1], x[:-1], y[:-1])
    for bias in op.operands[3:]:
        r.same(r.of(bias)[0], weight[0])


@exact("bilinear")
def bilinear_exact(t: Tape, x: Any, y: Any, weight: Any, bias: Any = None) -> Value:
    """xᵀ W y + b."""
    half = t.bilinear(lambda a, w: torch.einsum("...i,oij->...oj", a, w), t.lift(x), t.lift(weight))
    z = t.bilinear(lambda h, b: torch.einsum("...oj,...j->...o", h, b), half, t.lift(y))
    return z if bias is None else t.add(z, t.lift(bias))


@lower("vdot", "inner")
def inner(b: Builder, x: Node, y: Node) -> Node:
    """Sums over the last dimensions."""
    left, right = ([(name, d) for d in range(len(z.axes) - 1)] for name, z in (("x", x), ("y", y)))
    return b.contract([x, y], [[*left, "k"], [*right, "k"]], [*left, *right])


@lower("kron")
def kron(b: Builder, x: Node, y: Node) -> Node:
    """Every entry of x times all of y: outer indices are those of x, inner ones those of y."""
    rank = max(len(x.axes), len(y.axes))
    x, y = (b.view(z, [1] * (rank - len(z.axes)) + list(z.shape)) for z in (x, y))
    labels = [[(name, d) for d in range(rank)] for name in "xy"]
    out = [(name, d) for d in range(rank) for name in "xy"]
    return b.view(b.contract([x, y], labels, out), b.op.shape)
