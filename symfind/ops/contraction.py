"""Matrix products and everything that is one: linear, matmul, einsum, outer."""

from collections.abc import Sequence

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.registry import rule


@rule("linear")
def linear(b: Builder, x: Node, weight: Node, bias: Node | None = None) -> Node:
    """x Wᵀ + b on the last dimension."""
    batch = list(range(len(x.axes) - 1))
    if len(weight.axes) == 1:
        y = b.contract([x, weight], [[*batch, "i"], ["i"]], batch)
    else:
        y = b.contract([x, weight], [[*batch, "i"], ["o", "i"]], [*batch, "o"])
    return y if bias is None else b.add(y, bias)


@rule("matmul", "mm", "bmm", "mv", "dot")
def matmul(b: Builder, x: Node, y: Node) -> Node:
    """Batched matrix product with broadcasting; vectors lose their dimension."""
    left, right = len(x.axes), len(y.axes)
    rank = max(left, right) - 2
    xl = [*(range(rank - left + 2, rank)), "m", "k"] if left > 1 else ["k"]
    yl = [*(range(rank - right + 2, rank)), "k", "n"] if right > 1 else ["k"]
    out = [*range(max(rank, 0)), *(["m"] if left > 1 else []), *(["n"] if right > 1 else [])]
    return b.contract([x, y], [xl, yl], out)


@rule("addmm")
def addmm(b: Builder, bias: Node, x: Node, y: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """beta bias + alpha x y."""
    return b.add(bias, matmul(b, x, y), signs=[float(beta), float(alpha)])


@rule("baddbmm", "addmv")
def baddbmm(b: Builder, bias: Node, x: Node, y: Node, *, beta: float = 1, alpha: float = 1) -> Node:
    """Batched addmm."""
    if beta == 0:
        return b.scale(matmul(b, x, y), float(alpha))
    return b.add(bias, matmul(b, x, y), signs=[float(beta), float(alpha)])


@rule("transformers::grouped_mm_fallback", "_grouped_mm")
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


@rule("outer")
def outer(b: Builder, x: Node, y: Node) -> Node:
    """x yᵀ."""
    return b.contract([x, y], [["m"], ["n"]], ["m", "n"])


@rule("einsum")
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
