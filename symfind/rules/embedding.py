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


@rule("embedding_bag", "_embedding_bag")
def embedding_bag(b: Builder, *args: object) -> Node:
    """Not understood yet."""
    return b.opaque(args, b.op.shape, "no rule")
