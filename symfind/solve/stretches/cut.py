"""A traced graph cut at its functions: what is left between them are sums and products.

A stretch of these reads what functions give, and functions read what it makes. What enters it may
be anything: no less than what can enter. Norms belong to two stretches, for a gain and a shift come
after what is divided; and attention to two, that of the scores and that of the values.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from symfind.ops.facts import facts
from symfind.trace.graph import Graph, Op

_SUMS = {
    "add", "sub", "rsub", "neg", "sum", "mean", "cat", "stack", "pad", "constant_pad_nd",
    "reflection_pad1d", "reflection_pad2d", "replication_pad2d", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d",
    "upsample_bilinear2d", "upsample_trilinear3d", "cumsum", "diff", "pixel_shuffle",
    "pixel_unshuffle", "channel_shuffle", "tril", "triu", "unbind", "split_with_sizes", "diagonal",
    "repeat_interleave", "tile", "im2col", "unfold",
}  # fmt: skip
_PRODUCTS = {
    "mul", "linear", "matmul", "mm", "bmm", "mv", "dot", "vdot", "addmm", "baddbmm", "addmv",
    "outer", "einsum", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "square", "addcmul",
}  # fmt: skip
_ONE = {"index", "index_select", "gather", "embedding", "masked_fill"}  # of the first operand alone
_SMOOTH = {"_weight_norm", "sqrt", "rsqrt", "reciprocal", "exp", "sigmoid", "tanh", "softmax",
           "log_softmax", "linalg_vector_norm"}  # fmt: skip
NORMS = {"layer_norm", "group_norm", "instance_norm", "rms_norm"}
ATTENTION = "scaled_dot_product_attention"
BLIND = {"softmax", "log_softmax", "layer_norm", "group_norm", "instance_norm"}


@dataclass(frozen=True)
class Exit:
    """What leaves a stretch.

    Attributes:
        op: of the stretch.
        reader: what reads it: where that is blind to something, not all is told. For attention
            the scores are what leaves.
    """

    op: Op
    reader: Op | None


@dataclass(frozen=True)
class Stretch:
    """Sums and products that hang together.

    Attributes:
        ops: in order.
        roots: parameters that nothing else reads.
        exits: what leaves it.
    """

    ops: tuple[Op, ...]
    roots: tuple[Op, ...]
    exits: tuple[Exit, ...]


def stretches(graph: Graph) -> Iterator[Stretch]:
    """All stretches of a graph that have parameters of their own."""
    inside = dict.fromkeys(op for op in graph.ops if _inside(op))
    read = {root: list(_readers(root)) for root in graph.parameters.values()}
    parts = _Parts(inside)
    for op in inside:
        parts.join([op, *(x for x in carried(op) if x in inside)])
        if op.base == ATTENTION:
            parts.join([x for x in op.args[:2] if x in inside])
    for users in read.values():
        parts.join([u for u in users if u in inside])
    for ops in parts.groups():
        own = set(ops)
        roots = tuple(root for root, users in read.items() if users and own.issuperset(users))
        if roots and _smooth(ops):
            yield Stretch(tuple(ops), roots, tuple(_exits(inside, own)))


class _Parts:
    """Operations that hang together."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self._above = {op: op for op in ops}

    def of(self, op: Op) -> Op:
        """What stands for all that hang together with one."""
        while self._above[op] is not op:
            op = self._above[op]
        return op

    def join(self, ops: Sequence[Op]) -> None:
        """They do."""
        for one, two in zip(ops, ops[1:], strict=False):
            self._above[self.of(one)] = self.of(two)

    def groups(self) -> list[list[Op]]:
        """All, in order."""
        found: dict[Op, list[Op]] = {}
        for op in self._above:
            found.setdefault(self.of(op), []).append(op)
        return list(found.values())


def carried(op: Op) -> Sequence[Op]:
    """Operands of which an operation is a sum or a product."""
    if op.base == ATTENTION:
        return op.operands[2:3]
    return op.operands[1:] if op.base in NORMS else op.operands


def _readers(root: Op) -> Iterator[Op]:
    """Operations on data that a parameter enters, and outputs."""
    stack, seen = [root], set[Op]()
    while stack:
        for user in stack.pop().users:
            if user not in seen:
                seen.add(user)
                if user.varies or user.target == "output":
                    yield user
                else:
                    stack.append(user)


def _smooth(ops: Iterable[Op]) -> bool:
    """Whether what enters that parameters alone make has no steps and no corners."""
    stack, seen = [x for op in ops for x in op.operands], set[Op]()
    while stack:
        op = stack.pop()
        if op in seen or op.varies or not op.trainable or op.target == "parameter":
            continue
        if not (_real(op) and (summed(op) or times(op) or op.base in _SMOOTH)):
            return False
        seen.add(op)
        stack += op.operands
    return True


def _inside(op: Op) -> bool:
    """Whether an operation on data is a sum or a product."""
    if not op.varies or op.target in ("input", "output"):
        return False
    first, varying = op.args[0], [x for x in op.operands if x.varies]
    match op.base:
        case "getitem":
            return bool(first.varies) and _inside(first)
        case "layer_norm" | "group_norm" | "rms_norm":
            return varying == [first]
        case "instance_norm":
            return varying == [first] and bool(op.args[5])
        case "batch_norm":
            return varying == [first] and not op.args[5]
        case "embedding":
            return op.args[1].target == "input" and not first.varies
        case "scaled_dot_product_attention":
            return _attends(op)
    return all(map(_real, (op, *varying))) and (summed(op) or times(op))


def _attends(op: Op) -> bool:
    """Whether shares are of data by data, with as many heads, and nothing is dropped."""
    heads = {tuple((x.shape or ())[:-2]) for x in op.args[:3]}
    mask, dropped = op.args[3:4], op.args[4:5]
    fixed = all(x is None or x.constant for x in mask) and "attn_mask" not in op.kwargs
    plain = not op.kwargs.get("enable_gqa") and not any(dropped)
    return len(heads) == 1 and fixed and plain and all(x.varies for x in op.args[:3])


def summed(op: Op) -> bool:
    """Whether an operation is linear in all its operands together."""
    if op.base in _ONE:
        return [x for x in op.operands if x.varies or x.trainable] == [op.args[0]]
    return op.base in _SUMS or facts(op).moves


def times(op: Op) -> bool:
    """Whether it is a product of its operands, or a quotient."""
    if op.base == "div":
        return len(op.args) == 2 and not op.kwargs
    if op.base == "pow":
        return op.args[1] in (2, 3)
    return op.base in _PRODUCTS


def _real(x: Op) -> bool:
    """Whether entries are neither complex nor whole numbers, to which others are rounded."""
    return x.dtype is None or x.dtype.is_floating_point


def _exits(inside: Collection[Op], own: set[Op]) -> Iterator[Exit]:
    """Of every operation all, where some reader is not blind; else what each reader sees."""
    for op in inside:
        if op.base == ATTENTION and own.intersection(op.args[:2]):
            yield Exit(op, op)
        readers = [u for u in op.users if op in own and not (u in inside and _passes(op, u))]
        if all(_blind(u, op) for u in readers):
            yield from (Exit(op, u) for u in readers)
        else:
            yield Exit(op, None)


def _passes(op: Op, reader: Op) -> bool:
    """Whether what is seen of an operand is seen where the result leaves, or as scores."""
    return op in carried(reader) or (reader.base == ATTENTION and op in reader.args[:2])


def _blind(reader: Op, op: Op) -> bool:
    """Whether a reader does not see what is added to all entries."""
    once = reader.args[0] is op and reader.operands.count(op) == 1
    return once and reader.base in BLIND and (reader.base != "instance_norm" or reader.args[5])
