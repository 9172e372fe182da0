"""Look-ups in a table of parameters."""

from symfind.rules.builder import Builder
from symfind.rules.primitives import Node, Source
from symfind.rules.registry import rule


@rule("embedding")
def embedding(b: Builder, weight: Node, index: Node, *_: object) -> Node:
    """A product with one-hot rows; with constant rows, a selection."""
    if index.fixed:
        y = b.take(weight, 0, index)
        return b.view(y, b.op.shape)
    rows = b.one_hot(index, weight.axes[0])
    batch = list(range(len(index.axes)))
    return b.contract([rows, weight], [[*batch, "v"], ["v", "d"]], [*batch, "d"])


@rule("embedding_bag")
def embedding_bag(
    b: Builder, weight: Node, indices: Node, offsets: Node, scale: bool = False, mode: int = 0,
    sparse: bool = False, weights: Node | None = None, last: bool = False,
    padding: int | None = None, *_: object, **__: object,
) -> tuple[Node, ...]:  # fmt: skip
    """Weighted sums of rows (modes 0 and 1), or their maximum."""
    shapes = [shape for shape, _ in b.op.outputs]
    rest = [b.opaque([indices], shape or ()) for shape in shapes[1:]]
    size = _size(indices, offsets)
    if size and mode < 2 and weights is None and not last and padding in (None, -1):
        one_hot = b.one_hot(indices, weight.axes[0])
        rows = b.contract([one_hot, weight], [["n", "v"], ["v", "d"]], ["n", "d"])
        bags = b.view(rows, [shapes[0][0], size, weight.shape[1]])
        return b.reduce(bags, [1], False, unit=1.0 if mode else float(size)), *rest
    if mode == 2 or (weights is not None and b.learned(weights)):
        inputs = [x for x in (weight, weights) if x is not None]
        return b.opaque(inputs, shapes[0], "a maximum of rows"), *rest
    counts = b.source("input", [shapes[0][0], weight.shape[0]])
    return b.contract([counts, weight], [["n", "v"], ["v", "d"]], ["n", "d"]), *rest


def _size(indices: Node, offsets: Node) -> int:
    """The number of rows in every bag, zero where it is not known or not the same."""
    first = offsets.value() if isinstance(offsets, Source) and offsets.fixed else None
    if first is None or first.numel() == 0:
        return 0
    size, left = divmod(indices.shape[0], first.numel())
    even = first.tolist() == list(range(0, size * first.numel(), size)) if size else False
    return size if even and not left else 0
