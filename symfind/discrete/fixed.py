"""What lowering leaves out because no continuous symmetry sees it: masks and batch statistics."""

from collections.abc import Iterator

from symfind.graph import primitives as p
from symfind.graph.primitives import Node
from symfind.ops.lower import Lowered
from symfind.trace import Op

_CHOICES = {"aten.where.self": 0, "aten.masked_fill.Scalar": 1, "aten.masked_fill.Tensor": 1}
_ATTENTION = "aten.scaled_dot_product_attention"
_MEAN, _VAR, _TRAINING = 3, 4, 5  # arguments of batch_norm and instance_norm


def masked(node: Node) -> Iterator[int]:
    """Dimensions of a node along which a mask of its operation is not everywhere the same."""
    op = node.op
    if op is None or isinstance(node, p.Source):
        return
    if op.target.startswith(("aten.where", "aten.masked_fill")):
        mask = op.args[_CHOICES.get(op.target, 0)]
        if node.shape == tuple(op.shape or ()):
            yield from _uneven(mask, len(node.axes))
    elif op.target.startswith(_ATTENTION) and isinstance(node, p.Softmax):
        rank = len(node.axes)
        named = dict(zip(("q", "k", "v", "attn_mask", "dropout_p", "is_causal"), op.args,
                         strict=False)) | op.kwargs  # fmt: skip
        if named.get("is_causal"):
            yield from (rank - 2, rank - 1)
        mask = named.get("attn_mask")
        if isinstance(mask, Op):
            heads = len(op.shape or ()) - 3
            for d in _uneven(mask, len(op.shape or ())):
                if d > heads:
                    yield d - len(op.shape or ()) + rank
                else:  # grouped heads are two dimensions here
                    yield from range(d, rank - 2)


def _uneven(mask: object, rank: int) -> Iterator[int]:
    """Dimensions, of `rank` aligned at the right, along which a mask has entries of its own."""
    if not isinstance(mask, Op) or mask.shape is None:
        return
    inner = mask
    while inner.target.startswith("aten.expand") and isinstance(inner.args[0], Op):
        inner = inner.args[0]
    shape = inner.shape or ()
    value = inner.value() if inner.constant else None
    for d, n in enumerate(shape):
        same = value is not None and bool((value == value.narrow(d, 0, 1)).all())
        if n != 1 and not same:
            yield rank - len(shape) + d


def statistics_of(lowered: Lowered) -> list[tuple[p.Source, list[Node]]]:
    """Running means and variances that are read, each with the wires whose channels it describes.

    They are part of a model's state although they are not trained: permuted channels have permuted
    statistics. What was folded into other constants is found again at the operation.
    """
    found: dict[str, tuple[p.Source, list[Node]]] = {}
    for node in lowered.nodes:
        op = node.result_of
        if op is None or not op.target.startswith(("aten.batch_norm", "aten.instance_norm")):
            continue
        running = not op.args[_TRAINING]
        for buffer in (op.args[_MEAN], op.args[_VAR]) if running else ():
            if isinstance(buffer, Op) and buffer.key and len(node.axes) > 1:
                state = p.Source((), [node.axes[1]], role="constant", key=buffer.key, op=buffer)
                if 1 in node.orders:
                    state.orders[0] = node.orders[1]
                found.setdefault(buffer.key, (state, []))[1].append(node)
    return list(found.values())
