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
    if mode == 2 or (weights is not None and b.learned(weights)):
        inputs = [x for x in (weight, weights) if x is not None]
        return b.opaque(inputs, shapes[0], "a maximum of rows"), *rest
    sizes = _bag_sizes(indices, offsets, shapes[0][0])
    plain = weights is None and padding in (None, -1)  # what is padded is left out of a bag
    if plain and sizes is not None and (mode == 1 or len(set(sizes)) == 1):
        counts = b.scale(b.one_hot(b.source("input", shapes[0][:1]), weight.axes[0]),
                         1.0 if mode == 1 else float(sizes[0]))  # fmt: skip
    else:
        counts = b.source("input", [shapes[0][0], weight.shape[0]])
    return b.contract([counts, weight], [["n", "v"], ["v", "d"]], ["n", "d"]), *rest


def _bag_sizes(indices: Node, offsets: Node, bags: int) -> list[int] | None:
    """How many rows are in each bag, where that is known and none is empty."""
    value = offsets.value() if isinstance(offsets, Source) else None
    if value is None or len(indices.shape) != 1:
        return None
    ends = [*value.reshape(-1).tolist(), indices.shape[0]][: bags + 1]
    sizes = [b - a for a, b in zip(ends, ends[1:], strict=False)]
    return sizes if sizes and min(sizes) > 0 else None
