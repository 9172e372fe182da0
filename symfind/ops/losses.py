"""Losses, where a model returns one: of two wires entry by entry, then summed or averaged."""

from symfind.graph.builder import Builder
from symfind.graph.primitives import Node
from symfind.ops.attention import log_softmax
from symfind.ops.registry import lower

NONE = 0  # of the ways to reduce: every entry by itself


def _reduced(b: Builder, y: Node, reduction: int) -> Node:
    return y if reduction == NONE else b.reduce(y, [], False)


@lower("mse_loss")
def mse(b: Builder, x: Node, y: Node, reduction: int = 1) -> Node:
    """Squares of differences."""
    return _reduced(b, b.square(b.add(x, y, signs=[1.0, -1.0])), reduction)


@lower("l1_loss")
def absolute(b: Builder, x: Node, y: Node, reduction: int = 1) -> Node:
    """Sizes of differences."""
    difference = b.add(x, y, signs=[1.0, -1.0])
    return _reduced(b, b.pointwise(difference, degree=1.0, parity=1), reduction)


@lower("huber_loss", "smooth_l1_loss")
def bent(b: Builder, x: Node, y: Node, reduction: int = 1, *_: object, **__: object) -> Node:
    """A function of differences, neither of one degree."""
    difference = b.add(x, y, signs=[1.0, -1.0])
    return _reduced(b, b.pointwise(difference, parity=1), reduction)


@lower("binary_cross_entropy_with_logits", "kl_div")
def divergence(
    b: Builder, x: Node, y: Node, *rest: object, reduction: int = 1, **_: object
) -> Node:
    """Nonlinear in both, whatever weighs them."""
    numbers = [v for v in rest if isinstance(v, int) and not isinstance(v, bool)]
    wires = [v for v in (x, y, *rest) if isinstance(v, Node)]
    return _reduced(b, b.entrywise(*wires), numbers[0] if numbers else reduction)


@lower("cross_entropy_loss")
def cross_entropy(
    b: Builder, x: Node, target: Node, weight: Node | None = None, reduction: int = 1, *_: object
) -> Node:
    """What data chooses, or weighs, of logarithms of shares."""
    shares = log_softmax(b, x, 1 if len(x.axes) > 1 else 0)
    if weight is not None or b.learned(target):
        return b.opaque([x, target], b.op.shape, "classes that parameters weigh")
    chosen = b.multiply(shares, b.source("input", x.shape))
    return _reduced(b, b.mix(chosen, [1 if len(x.axes) > 1 else 0]), reduction)
