"""Look-ups in a table of parameters."""

from symfind.rules.builder import Builder
from symfind.rules.primitives import Node
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
    sparse: bool = False, weights: Node | None = None, *_: object, **__: object,
) -> tuple[Node, ...]:  # fmt: skip
    """Weighted sums of rows (modes 0 and 1), or their maximum."""
    shapes = [shape for shape, _ in b.op.outputs]
    rest = [b.opaque([indices], shape or ()) for shape in shapes[1:]]
    if mode == 2 or (weights is not None and b.learned(weights)):
        inputs = [x for x in (weight, weights) if x is not None]
        return b.opaque(inputs, shapes[0], "a maximum of rows"), *rest
    counts = b.source("input", [shapes[0][0], weight.shape[0]])
    return b.contract([counts, weight], [["n", "v"], ["v", "d"]], ["n", "d"]), *rest
